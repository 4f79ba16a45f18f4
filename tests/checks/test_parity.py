"""Rules of the check that compares an asset with the one that is to take its place."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import Frame
from collectionflow.checks import parity_check

Check = Callable[..., Any]
TABLE = pl.DataFrame({"id": [1, 2, 3], "title": ["a", "b", "c"], "width": [1.0, 2.0, 3.0]})


class Documents(pa.DataFrameModel):
    id: int = pa.Field(unique=True)


@dg.asset
def in_use() -> pl.LazyFrame:
    return TABLE.lazy()


def candidate_of(table: pl.DataFrame) -> dg.AssetsDefinition:
    @dg.asset
    def candidate() -> pl.LazyFrame:
        return table.lazy()

    return candidate


def test_the_same_records_in_another_order_are_the_same(check: Check) -> None:
    candidate = candidate_of(TABLE.reverse())
    found = check(in_use, candidate, parity_check(in_use, candidate, key="id"))
    assert found["same_as_in_use"].passed
    assert found["same_as_in_use"].asset_key == dg.AssetKey("candidate")
    assert found.said("same_as_in_use") == "'in_use' and 'candidate' are the same: 3 rows."


def test_differences_are_counted_by_column_and_shown_side_by_side(check: Check) -> None:
    changed = TABLE.with_columns(
        id=pl.Series([1, 2, 4]), title=pl.Series(["a", "B", "c"]), width=pl.Series([1.0, 2.1, 3.0])
    )
    candidate = candidate_of(changed)
    found = check(in_use, candidate, parity_check(in_use, candidate, key=["id"]))
    assert found.is_success
    assert found.said("same_as_in_use") == (
        "1 rows only in 'in_use'; 1 rows only in 'candidate'; "
        "1 rows differ (title in 1, width in 1)."
    )
    metadata = found.metadata("same_as_in_use")
    assert metadata["rows that differ"] == 1
    assert metadata["cells that differ"].splitlines() == [
        "| id | column | in in_use | in candidate |",
        "|----|--------|-----------|--------------|",
        "| 2  | title  | b         | B            |",
        "| 2  | width  | 2.0       | 2.1          |",
    ]
    assert "| 3  | c     | 3.0   |" in metadata["only in in_use"]
    assert "| 4  | c     | 3.0   |" in metadata["only in candidate"]


def test_floats_may_differ_by_a_tolerance(check: Check) -> None:
    candidate = candidate_of(TABLE.with_columns(pl.col("width") + 1e-12))
    steps = [parity_check(in_use, candidate, key="id", tolerance=each) for each in (1e-9, 0.0)]
    assert [check(in_use, candidate, step).failed for step in steps] == [set(), {"same_as_in_use"}]


def test_other_columns_and_types_are_told(check: Check) -> None:
    other = TABLE.select("id", pl.col("width").cast(pl.Float32), medium=pl.lit("oil"))
    candidate = candidate_of(other)
    found = check(in_use, candidate, parity_check(in_use, candidate, key="id"))
    said = found.said("same_as_in_use")
    assert "columns only in 'in_use': title" in said
    assert "columns only in 'candidate': medium" in said
    assert "column 'width' is Float64 in 'in_use' and Float32 in 'candidate'" in said


def test_a_key_that_is_not_unique_is_a_failed_check_with_examples(check: Check) -> None:
    candidate = candidate_of(pl.concat([TABLE, TABLE.head(1)]))
    blocking = parity_check(in_use, candidate, key="id", blocking=True)
    found = check(in_use, candidate, blocking)
    assert not found.is_success
    assert "The key 'id' is not unique" in found.said("same_as_in_use")
    assert "| 1  | 2            |" in found.said("same_as_in_use")


def test_the_key_is_that_of_a_contract() -> None:
    @dg.asset
    def documents() -> Frame[Documents]:
        return TABLE.lazy()

    for check in (parity_check(documents, "candidate"), parity_check("in_use", documents)):
        assert len(list(check.check_specs)) == 1
    with pytest.raises(ValueError, match=r"no contract names one. Give one: key="):
        parity_check(in_use, candidate_of(TABLE))
