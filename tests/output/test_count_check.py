"""The check that reads an output back."""

from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from collectionflow import ParquetIOManager
from collectionflow.output import NdjsonTarget, published_count_check


@dg.asset
def objects() -> pl.LazyFrame:
    return pl.LazyFrame({"id": [1, 2, 3]})


@dg.asset(io_manager_key="json")
def objects_json(objects: pl.LazyFrame) -> pl.LazyFrame:
    return objects


@dg.asset(io_manager_key="json")
def two_json(objects: pl.LazyFrame) -> pl.LazyFrame:
    return objects.head(2)


@pytest.mark.parametrize(
    ("asset", "passed", "told"),
    [
        (objects_json, True, "3 documents are published, of 3 rows."),
        (two_json, False, "2 documents are published, of 3 rows."),
    ],
)
def test_published_documents_are_counted_against_the_table(
    tmp_path: Path, asset: dg.AssetsDefinition, passed: bool, told: str
) -> None:
    evaluation = evaluated(tmp_path, [objects, asset, published_count_check(asset, of="objects")])
    assert (evaluation.passed, evaluation.description) == (passed, told)
    assert evaluation.metadata["rows"].value == 3


def test_what_cannot_be_read_back_fails_the_check_and_not_the_run(tmp_path: Path) -> None:
    check = published_count_check(objects_json, of="objects")
    assert evaluated(tmp_path, [objects, objects_json, check]).passed
    (tmp_path / "site" / "objects_json.ndjson").unlink()
    only_checks = dg.define_asset_job("only_checks", dg.AssetSelection.all_asset_checks())
    project = dg.Definitions(
        assets=[objects, objects_json],
        asset_checks=[check],
        jobs=[only_checks],
        resources=resources(tmp_path),
    )
    result = project.resolve_job_def("only_checks").execute_in_process()
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert "objects_json.ndjson' cannot be read" in str(evaluation.description)


def evaluated(folder: Path, definitions: list[Any]) -> dg.AssetCheckEvaluation:
    result = dg.materialize(definitions, resources=resources(folder))
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def resources(folder: Path) -> dict[str, object]:
    return {
        "io_manager": ParquetIOManager(base_dir=str(folder / "tables")),
        "json": NdjsonTarget(directory=str(folder / "site")),
    }
