import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.polars.types import PolarsData
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow import Frame, drop_guard, quarantine
from collectionflow.notes import current_notes
from collectionflow.storage.merge import Merge
from collectionflow.storage.quarantine import Quarantine, quarantine_of
from collectionflow.storage.versions import StoredTable, rollback


class Objects(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    year: int = pa.Field(nullable=True, le=2100, raise_warning=True)
    terms: list[str]

    @pa.check("terms", raise_warning=True)
    def says_something(cls, data: PolarsData) -> pl.LazyFrame:
        is_empty = pl.col("terms").list.eval(pl.element() == "").list.any()
        return data.lazyframe.select(~is_empty)


def table(years: list[int | None], terms: list[list[str]] | None = None) -> pl.DataFrame:
    rows = len(years)
    return pl.DataFrame(
        {"id": range(1, rows + 1), "year": years, "terms": terms or [["oil"]] * rows},
        schema_overrides={"id": pl.Int64},
    )


MANY = [1900] * 18
Run = Callable[..., Any]


def asset_of(frame: pl.DataFrame, **metadata: Any) -> dg.AssetsDefinition:
    @dg.asset(metadata=quarantine(max_share=0.1) | drop_guard(warn=0.9, stop=0.9) | metadata)
    def objects() -> Frame[Objects]:
        return frame.lazy()

    return objects


def kept_apart(folder: Path, name: str = "objects") -> pl.DataFrame:
    return pl.read_parquet(folder / "quarantine" / f"{name}.parquet")


def test_rows_that_break_a_rule_that_warns_are_kept_apart_with_their_reasons(run: Run) -> None:
    terms = [["oil"]] * 19 + [["oil", ""]]
    done = run(asset_of(table([*MANY, 2200, 3000], terms)))
    assert done.is_success
    assert_frame_equal(done.stored("objects"), table(MANY))
    apart = kept_apart(done.folder)
    assert apart.columns == ["id", "year", "terms", "quarantine_reasons"]
    assert apart["id"].to_list() == [19, 20]
    assert apart["quarantine_reasons"].to_list() == [
        ["'year' must be at most 2100"],
        [
            "'year' must be at most 2100",
            "'terms' must pass says_something: element 2 is ''",
        ],
    ]


def test_what_is_kept_apart_is_counted(run: Run) -> None:
    done = run(asset_of(table([*MANY, 2200, 3000])))
    metadata = done.metadata("objects")
    assert metadata["dagster/row_count"] == 18
    assert metadata["rows_quarantined"] == 2
    assert metadata["quarantine"] == str(done.folder / "quarantine" / "objects.parquet")
    assert "'objects': 2 of 20 rows are not in it, but quarantined in" in metadata["warnings"]
    assert "'year' must be at most 2100: 2 of 20 rows break this." in metadata["warnings"]


def test_too_many_bad_rows_stop_the_table(run: Run) -> None:
    run(asset_of(table([*MANY, 2200])))
    before = kept_apart(run(asset_of(table([*MANY, 2200]))).folder)
    done = run(asset_of(table([*MANY, 2200, 3000, 4000])))
    assert not done.is_success
    assert "'objects' has too many bad rows." in done.reason()
    assert "3 of 21 rows would be quarantined, more than 10.0%." in done.reason()
    assert "| 20  | 20 | 3000 |" in done.reason()
    assert_frame_equal(done.stored("objects"), table(MANY))
    assert_frame_equal(kept_apart(done.folder), before)
    assert done.leftovers() == []


def test_without_the_metadata_bad_rows_flow_on_with_a_warning(run: Run) -> None:
    @dg.asset
    def objects() -> Frame[Objects]:
        return table([1900, 2200]).lazy()

    done = run(objects)
    assert done.metadata("objects")["dagster/row_count"] == 2
    assert "rows_quarantined" not in done.metadata("objects")
    assert not (done.folder / "quarantine").exists()


def test_each_publication_replaces_what_is_kept_apart(run: Run) -> None:
    run(asset_of(table([*MANY, 2200])))
    done = run(asset_of(table([*MANY, 2201])))
    assert kept_apart(done.folder)["year"].to_list() == [2201]
    again = run(asset_of(table([*MANY, 2201])))
    assert_frame_equal(kept_apart(again.folder), kept_apart(done.folder))
    run(asset_of(table(MANY)))
    assert not (done.folder / "quarantine" / "objects.parquet").exists()


def test_a_rollback_brings_back_what_was_kept_apart(run: Run) -> None:
    run(asset_of(table([*MANY, 2200])))
    done = run(asset_of(table(MANY)))
    rollback(StoredTable(base=UPath(done.folder), name="objects"))
    assert kept_apart(done.folder)["year"].to_list() == [2200]


def test_what_is_kept_apart_goes_with_its_version(run: Run) -> None:
    for year in range(2200, 2205):
        done = run(asset_of(table([*MANY, year])), versions_kept=2)
    kept = done.folder / ".collectionflow" / "quarantine" / "objects"
    assert len(list(kept.iterdir())) == 2


def test_a_table_of_only_bad_rows_is_empty(run: Run) -> None:
    done = run(asset_of(table([2200]), **quarantine(max_share=1)))
    assert not done.is_success
    assert "It has no rows." in done.reason()


def test_a_rule_that_stops_is_judged_on_all_rows(run: Run) -> None:
    twice = pl.concat([table([*MANY, 2200]), table([*MANY, 2200]).tail(1)])
    done = run(asset_of(twice))
    assert "'id' must be unique: 1 of 20 rows break this" in done.reason()


def changing(changes: pl.DataFrame) -> dg.AssetsDefinition:
    @dg.asset(metadata=quarantine(max_share=0.2))
    def objects() -> Frame[Objects]:
        current_notes().merge = Merge(key=("id",))
        return changes.lazy()

    return objects


def test_changes_meet_the_rows_that_are_kept_apart(run: Run) -> None:
    """A harvest of changes does not send a row again that nobody mended."""
    run(asset_of(table([*MANY, 2200, 2300])))
    done = run(changing(table([1901])))
    assert kept_apart(done.folder)["id"].to_list() == [19, 20]
    mended = table([*MANY, 1999]).tail(1)
    done = run(changing(mended))
    assert kept_apart(done.folder)["id"].to_list() == [20]
    assert done.stored("objects").sort("id")["year"].to_list() == [1901, *[1900] * 17, 1999]


def test_partitions_have_their_own_quarantine(run: Run) -> None:
    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(["a"]), metadata=quarantine(max_share=0.5)
    )
    def objects() -> Frame[Objects]:
        return table([1900, 2200]).lazy()

    assert kept_apart(run(objects, partition="a").folder, "objects/a").height == 1


def test_the_share_must_be_able_to_act() -> None:
    for share in (0, 1.1):
        with pytest.raises(ValueError, match="a share above 0 and up to 1"):
            quarantine(max_share=share)
    assert quarantine_of(quarantine(max_share=0.2)) == Quarantine(max_share=0.2)
    assert quarantine_of({}) is None
    assert json.dumps(quarantine())
