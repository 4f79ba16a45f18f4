"""The stages that are written for other engines, against those that are in use."""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow.harvest import FolderSource, TableSource
from portrait_gallery.definitions import defs, other_engines
from portrait_gallery.resources import SOURCES, resources

SPARK = "PORTRAIT_GALLERY_SPARK"
REAL = pytest.mark.skipif("NPG_EXPORT" not in os.environ, reason="NPG_EXPORT is not set.")


@pytest.fixture
def cluster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a cluster: the one that is named, or one that the tests of the library start."""
    pytest.importorskip("pyspark", reason="Spark's client is not installed.")
    if SPARK in os.environ:
        return
    try:
        monkeypatch.setenv(SPARK, request.getfixturevalue("spark_remote"))
    except pytest.FixtureLookupError:
        pytest.skip(f"{SPARK} is not set: it names a Spark Connect server.")


def run(engine: str, source: TableSource, folder: Path) -> dg.ExecuteInProcessResult:
    (candidate,) = other_engines(engine)
    project = dg.Definitions(
        assets=[*(defs.assets or []), *(candidate.assets or [])],
        asset_checks=[*(defs.asset_checks or []), *(candidate.asset_checks or [])],
        jobs=defs.jobs,
        resources=resources(source, str(folder), "https://example.org")
        | dict(candidate.resources or {}),
    )
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        job = project.resolve_job_def("collection")
        return job.execute_in_process(run_config=quiet, instance=instance, raise_on_error=False)


def check_parity(result: dg.ExecuteInProcessResult, count: int) -> None:
    assert result.success
    found = {
        each.asset_key.to_user_string(): (each.passed, each.description)
        for each in result.get_asset_check_evaluations()
        if each.check_name.startswith("same_as_")
    }
    assert len(found) == count
    assert {name: told for name, (passed, told) in found.items() if not passed} == {}


def stored(folder: Path, name: str) -> pl.DataFrame:
    path = folder / "tables" / f"{name}.parquet"
    return pl.read_parquet(path / "*.parquet" if path.is_dir() else path)


def same_in_order(folder: Path, candidates: Mapping[str, str]) -> None:
    for candidate, name in candidates.items():
        assert_frame_equal(stored(folder, candidate), stored(folder, name))


IN_SQL = {"object_documents_in_sql": "object_documents"}
ON_SPARK = {
    "enriched_objects_on_spark": "enriched_objects",
    "linked_people_on_spark": "linked_people",
    "object_documents_on_spark": "object_documents",
}


def test_sql_makes_the_same_documents_in_the_same_order(sample: Path, tmp_path: Path) -> None:
    result = run("duckdb", FolderSource(directory=str(sample)), tmp_path)
    check_parity(result, 1)
    same_in_order(tmp_path, IN_SQL)


@REAL
def test_sql_makes_the_same_documents_of_the_real_export(tmp_path: Path) -> None:
    check_parity(run("duckdb", SOURCES["export"], tmp_path), 1)
    same_in_order(tmp_path, IN_SQL)


@pytest.mark.usefixtures("cluster")
def test_a_cluster_makes_the_same_tables_in_the_same_order(sample: Path, tmp_path: Path) -> None:
    check_parity(run("spark", FolderSource(directory=str(sample)), tmp_path), 3)
    same_in_order(tmp_path, ON_SPARK)


@REAL
@pytest.mark.usefixtures("cluster")
def test_a_cluster_makes_the_same_tables_of_the_real_export(tmp_path: Path) -> None:
    check_parity(run("spark", SOURCES["export"], tmp_path), 3)
    same_in_order(tmp_path, ON_SPARK)


def test_without_a_wish_no_other_engine_is_there() -> None:
    assert other_engines("") == []
    assert len(other_engines(" duckdb , duckdb")) == 2
