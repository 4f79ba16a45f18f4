import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from dagster._core.definitions.dependency import NodeHandle

from collectionflow import Frame, ParquetIOManager, SourceError, pipeline_job


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)


@dg.asset(group_name="harvest")
def harvested() -> pl.LazyFrame:
    return pl.LazyFrame({"object_id": [1, 2]})


@dg.asset(group_name="clean")
def cleaned(harvested: Frame[Objects]) -> Frame[Objects]:
    return harvested


@dg.asset(group_name="output", key_prefix="web")
def published(cleaned: Frame[Objects]) -> pl.LazyFrame:
    return cleaned


ASSETS = [harvested, cleaned, published]


def resolved(job: Any) -> dg.JobDefinition:
    return dg.Definitions(ASSETS, jobs=[job]).resolve_job_def(job.name)


@pytest.mark.parametrize(
    ("selection", "selected"),
    [
        ({"groups": ["harvest", "clean"]}, ["harvested", "cleaned"]),
        ({"assets": ["cleaned", dg.AssetKey(["web", "published"])]}, ["cleaned", "web/published"]),
        ({"groups": ["harvest"], "assets": ["cleaned"]}, ["harvested", "cleaned"]),
    ],
)
def test_a_job_runs_the_assets_of_its_groups_and_those_it_names(
    selection: dict[str, Any], selected: list[str]
) -> None:
    job = resolved(pipeline_job("collection", description="Everything.", **selection))
    keys = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert keys == set(selected)
    assert job.description == "Everything."


def test_a_job_that_selects_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Job 'empty' selects nothing\. Name its groups or its"):
        pipeline_job("empty", description="")


def test_steps_run_in_the_runs_own_process() -> None:
    job = resolved(pipeline_job("collection", description="", groups=["harvest"]))
    assert job.executor_def is dg.in_process_executor


def test_a_step_is_tried_three_more_times_after_2_6_and_14_seconds_give_or_take_2() -> None:
    job = resolved(pipeline_job("collection", description="", groups=["harvest"]))
    policy = job.get_retry_policy_for_handle(NodeHandle("harvested", None))
    assert policy is not None
    assert policy.max_retries == 3
    for attempt, seconds in ((1, 2), (2, 6), (3, 14)):
        delays = [policy.calculate_delay(attempt) for _ in range(50)]
        assert seconds - 2 <= min(delays) < max(delays) <= seconds + 2


def attempts(result: dg.ExecuteInProcessResult) -> int:
    starts = ("STEP_START", "STEP_RESTARTED")
    return sum(event.event_type_value in starts for event in result.all_events)


@pytest.fixture
def execute(
    tmp_path: Path, instance: dg.DagsterInstance
) -> Callable[..., dg.ExecuteInProcessResult]:
    def execute(asset: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
        job = pipeline_job("collection", description="", assets=[asset.key])
        storage = ParquetIOManager(base_dir=str(tmp_path))
        definitions = dg.Definitions([asset], jobs=[job], resources={"io_manager": storage})
        resolved = definitions.resolve_job_def("collection")
        return resolved.execute_in_process(instance=instance, raise_on_error=False)

    return execute


def failing_with(error: Exception, **options: Any) -> dg.AssetsDefinition:
    @dg.asset(**options)
    def failing() -> pl.LazyFrame:
        raise error

    return failing


# A job's own policy would wait 22 seconds, so an asset brings a policy that does not wait.
AT_ONCE = {"retry_policy": dg.RetryPolicy(max_retries=2, delay=0)}


def test_what_waiting_can_cure_is_tried_again(execute: Callable[..., Any]) -> None:
    assert attempts(execute(failing_with(ConnectionError("gone"), **AT_ONCE))) == 3


@pytest.mark.parametrize("options", [{}, AT_ONCE])
def test_a_broken_source_is_not_tried_again(
    execute: Callable[..., Any], options: dict[str, Any]
) -> None:
    error = SourceError("Table 'objects' is missing.")
    assert attempts(execute(failing_with(error, **options))) == 1


@pytest.mark.parametrize("options", [{}, AT_ONCE])
def test_a_refused_table_is_not_tried_again(
    execute: Callable[..., Any], options: dict[str, Any]
) -> None:
    @dg.asset(**options)
    def refused() -> Frame[Objects]:
        return pl.LazyFrame({"object_id": [1, 1]})

    result = execute(refused)
    assert attempts(result) == 1
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "breaks its contract Objects" in failure.step_failure_data.user_failure_data.description


ISOLATED = """
import multiprocessing
import os
import sys

import dagster as dg
import polars as pl

from collectionflow import ParquetIOManager, pipeline_job

@dg.asset
def first() -> pl.LazyFrame:
    return pl.LazyFrame({"parent": [os.getppid()], "process": [os.getpid()]})

@dg.asset
def second(first: pl.LazyFrame) -> pl.LazyFrame:
    forked = pl.lit(multiprocessing.get_start_method()), pl.lit("fractions" in sys.modules)
    here = pl.LazyFrame({"parent": [os.getppid()], "process": [os.getpid()]})
    return pl.concat([first, here]).with_columns(start=forked[0], is_preloaded=forked[1])

job = pipeline_job(
    "isolated", description="", assets=["first", "second"], is_isolated=True, preload=["fractions"]
)
storage = ParquetIOManager(base_dir=dg.EnvVar("TABLES"))
defs = dg.Definitions([first, second], jobs=[job], resources={"io_manager": storage})
"""


def test_isolated_steps_have_processes_of_their_own_forked_from_a_loaded_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    project = tmp_path / "definitions.py"
    project.write_text(ISOLATED)
    command = [sys.executable, "-m", "dagster", "job", "execute", "-f", str(project)]
    here = {"DAGSTER_HOME": str(tmp_path), "TABLES": str(tmp_path / "tables")}
    run = subprocess.run(
        [*command, "-j", "isolated"],
        env=os.environ | here,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    steps = pl.read_parquet(tmp_path / "tables" / "second.parquet")
    assert steps["process"].n_unique() == 2
    assert steps["parent"].n_unique() == 1
    assert steps["start"].to_list() == ["forkserver"] * 2
    assert steps["is_preloaded"].all()
