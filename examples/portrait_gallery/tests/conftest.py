"""The sample, a way to run the pipeline on a source, and what came of it."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from collectionflow.harvest import FolderSource, TableSource
from portrait_gallery.definitions import defs
from portrait_gallery.resources import resources
from portrait_gallery.sample import write_sample

SAMPLE_OBJECTS = 120
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small sample, for reading only."""
    folder = tmp_path_factory.mktemp("sample") / "files"
    write_sample(folder, SAMPLE_OBJECTS, seed=1)
    return folder


@pytest.fixture(scope="session")
def first_run(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all that a run on the sample leaves, for copying."""
    folder = tmp_path_factory.mktemp("first_run")
    assert run_job(FolderSource(directory=str(sample)), folder).success
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dg.ExecuteInProcessResult]:
    """Run a job on a source; each run of a test meets what the last one left."""
    return lambda source, job="collection": run_job(source, tmp_path, job)


def run_job(source: TableSource, data: Path, job: str = "collection") -> dg.ExecuteInProcessResult:
    project = dg.Definitions(
        assets=defs.assets,
        asset_checks=defs.asset_checks,
        jobs=defs.jobs,
        resources=resources(source, str(data), "https://example.org"),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return project.resolve_job_def(job).execute_in_process(
            run_config=_QUIET, instance=instance, raise_on_error=False
        )


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], pl.DataFrame]:
    """Read what is published under an asset's name."""
    return lambda name: pl.read_parquet(tmp_path / "tables" / f"{name}.parquet")


@pytest.fixture
def published(tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Read all that the website takes, by file name."""

    def read() -> dict[str, bytes]:
        files = tmp_path.glob("website/*.*")
        return {path.name: path.read_bytes() for path in files if path.is_file()}

    return read


@pytest.fixture
def told() -> Callable[[dg.ExecuteInProcessResult], str]:
    """Return all that a run has to say to a registrar: failures, warnings, checks that failed."""

    def tell(result: dg.ExecuteInProcessResult) -> str:
        texts = []
        for event in result.all_events:
            if event.is_step_failure and (error := event.step_failure_data.error):
                texts.append(f"{event.step_key}: {error.to_string()}")
            if event.is_step_materialization:
                warnings = event.materialization.metadata.get("warnings")
                texts.append(str(warnings.value) if warnings else "")
        texts += [
            f"{check.check_name}: {check.description}"
            for check in result.get_asset_check_evaluations()
            if not check.passed
        ]
        return "\n".join(texts)

    return tell
