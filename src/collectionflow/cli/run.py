"""`collectionflow run`: one job, in this process, watched while it runs."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import dagster as dg
from dagster._core.utils import make_new_run_id

from collectionflow.cli._project import Project, load_project, project_option
from collectionflow.cli._report import RunReport, print_report, report_of
from collectionflow.cli._screen import explained, print_json
from collectionflow.cli._watch import watching
from collectionflow.errors import ProjectError
from collectionflow.storage.drop_guard import ALLOW_TAG

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@click.command()
@click.argument("job")
@click.option("--partition", help="Partition to run, where the job has any.")
@click.option(
    "--allow-drop",
    multiple=True,
    metavar="ASSET",
    help="Let ASSET lose rows or values in this run; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@click.option("--verbose", is_flag=True, help="Show Dagster's log, and tracebacks of errors.")
@project_option
def run(
    job: str,
    partition: str | None,
    allow_drop: tuple[str, ...],
    *,
    as_json: bool,
    verbose: bool,
    folder: Path,
) -> None:
    """Run JOB in this process. Exit code 0: done. 1: an asset failed. 2: it could not start."""
    with explained(as_json=as_json):
        report = run_job(
            load_project(folder),
            job,
            partition=partition,
            allow_drop=allow_drop,
            is_verbose=verbose,
            is_watched=not as_json,
        )
    if as_json:
        print_json(report.as_json())
    else:
        print_report(report, is_verbose=verbose)
    sys.exit(0 if report.is_success else 1)


def run_job(
    project: Project,
    name: str,
    *,
    partition: str | None = None,
    allow_drop: Sequence[str] = (),
    is_verbose: bool = False,
    is_watched: bool = True,
) -> RunReport:
    """Run a job of a project in this process and return what happened.

    Raises:
        ProjectError: where there is no such job, asset or partition.
    """
    job = project.job(name)
    if job.partitions_def is not None and partition is None:
        message = f"Job '{name}' runs one partition at a time. Name it with --partition."
        raise ProjectError(message)
    for asset in allow_drop:
        project.asset_key(asset)
    started = time.monotonic()
    instance = project.instance()
    run_id = make_new_run_id()
    with watching(job, instance, run_id, is_shown=is_watched and not is_verbose):
        result = _execute(job, instance, run_id, partition, allow_drop, is_verbose=is_verbose)
    return report_of(job, result, seconds=time.monotonic() - started)


def _execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    run_id: str,
    partition: str | None,
    allow_drop: Sequence[str],
    *,
    is_verbose: bool,
) -> dg.ExecuteInProcessResult:
    try:
        config = _config(job, partition)
        return job.execute_in_process(
            run_config=config if is_verbose else {**config, **_QUIET},
            instance=instance,
            run_id=run_id,
            partition_key=partition,
            tags={ALLOW_TAG: ",".join(allow_drop)} if allow_drop else None,
            raise_on_error=False,
        )
    except (dg.DagsterUnknownPartitionError, dg.DagsterInvalidInvocationError) as error:
        raise ProjectError(str(error)) from error


def _config(job: dg.JobDefinition, partition: str | None) -> Mapping[str, Any]:
    """Return the configuration that the job itself brings, which ours must not displace."""
    if job.partitioned_config and partition:
        return job.get_run_config_for_partition_key(partition)
    return job.run_config or {}
