from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow import Frame, ParquetIOManager, drop_guard
from collectionflow.contract import Contract
from collectionflow.harvest import TableSource
from collectionflow.harvest._stream import stream
from collectionflow.notes import Notes
from collectionflow.storage.current import current_table
from collectionflow.storage.merge import Merge, merged
from collectionflow.storage.versions import StoredTable

PUBLISHED = pl.LazyFrame({"id": [1, 2, 3], "title": ["a", "b", "c"]})


class Objects(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    title: str

    class Config:
        coerce = True


class Diary(TableSource):
    """Sends all rows, and after that only those that are in `changes`, all of it as text."""

    rows: list[list[str]]
    changes: list[list[str]] | None = None
    kept: list[str] | None = None

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        stored = current_table()
        assert stored is not None
        rows = self.rows
        if stored.path.exists():
            assert stored.harvest_state() == {"until": "1"}
            rows = self.changes or []
            notes.merge = Merge(key=contract.key, kept=self._kept())
        schema = dict.fromkeys(contract.dtypes, pl.String())

        def batches(wanted: list[str]) -> Iterator[pl.DataFrame]:
            yield pl.DataFrame(rows, schema=schema, orient="row").select(wanted)
            notes.state["until"] = "1"

        return stream(schema, batches, notes.begin(table, "a diary"))

    def _kept(self) -> pl.LazyFrame | None:
        return None if self.kept is None else pl.LazyFrame({"id": self.kept})


@dg.asset(metadata=drop_guard(stop=0.5))
def objects(diary: Diary) -> Frame[Objects]:
    return diary.harvest("objects", Objects)


FIRST = [["1", "a"], ["2", "b"], ["3", "c"]]


def test_changes_replace_rows_of_their_key_and_new_rows_come_last() -> None:
    changes = pl.LazyFrame({"id": [4, 2], "title": ["d", "B"]})
    whole = merged(PUBLISHED, changes, Merge(key=("id",))).collect()
    assert whole.rows() == [(1, "a"), (3, "c"), (4, "d"), (2, "B")]


def test_rows_that_the_source_no_longer_holds_go() -> None:
    kept = pl.LazyFrame({"id": [3, 1]})
    nothing = PUBLISHED.clear()
    whole = merged(PUBLISHED, nothing, Merge(key=("id",), kept=kept)).collect()
    assert whole.rows() == [(1, "a"), (3, "c")]


def test_a_key_may_have_several_columns() -> None:
    changes = pl.LazyFrame({"id": [2, 2], "title": ["b", "x"]})
    whole = merged(PUBLISHED, changes, Merge(key=("id", "title"))).collect()
    assert whole.rows() == [(1, "a"), (3, "c"), (2, "b"), (2, "x")]


def test_changes_are_cast_and_put_into_the_published_table(run: Callable[..., Any]) -> None:
    run(objects, resources={"diary": Diary(rows=FIRST)})
    later = Diary(rows=FIRST, changes=[["2", "B"], ["4", "d"]], kept=["2", "3", "4"])
    made = run(objects, resources={"diary": later})
    expected = pl.DataFrame({"id": [3, 2, 4], "title": ["c", "B", "d"]})
    assert_frame_equal(made.stored("objects"), expected)
    again = run(objects, resources={"diary": later})
    assert_frame_equal(again.stored("objects"), expected)
    assert not made.leftovers()
    assert made.metadata("objects")["records_received"] == 2


def test_the_state_of_the_harvest_lies_in_the_published_file(run: Callable[..., Any]) -> None:
    made = run(objects, resources={"diary": Diary(rows=FIRST)})
    table = StoredTable(base=UPath(made.folder), name="objects")
    assert table.harvest_state() == {"until": "1"}


def test_a_table_that_was_not_harvested_has_no_state(run: Callable[..., Any]) -> None:
    @dg.asset
    def plain() -> pl.LazyFrame:
        return pl.LazyFrame({"a": [1]})

    made = run(plain)
    assert StoredTable(base=UPath(made.folder), name="plain").harvest_state() == {}


def test_a_change_that_cannot_be_cast_leaves_the_published_table(run: Callable[..., Any]) -> None:
    run(objects, resources={"diary": Diary(rows=FIRST)})
    made = run(objects, resources={"diary": Diary(rows=FIRST, changes=[["x", "B"]])})
    assert "'id' must be Int64" in made.reason()
    assert made.stored("objects").height == 3


def test_the_drop_guard_judges_the_whole_table(run: Callable[..., Any]) -> None:
    run(objects, resources={"diary": Diary(rows=FIRST)})
    made = run(objects, resources={"diary": Diary(rows=FIRST, kept=["1"])})
    assert "lost too much" in made.reason()
    assert made.stored("objects").height == 3


def test_changes_without_a_contract_are_merged_as_they_are(run: Callable[..., Any]) -> None:
    @dg.asset(metadata=drop_guard(stop=0.5))
    def loose(diary: Diary) -> pl.LazyFrame:
        return diary.harvest("objects", Objects)

    run(loose, resources={"diary": Diary(rows=FIRST)})
    changed = Diary(rows=FIRST, changes=[["2", "B"]], kept=["1", "2"])
    made = run(loose, resources={"diary": changed})
    assert made.stored("loose").rows() == [("1", "a"), ("2", "B")]


def test_changes_of_two_harvests_cannot_become_one_table(run: Callable[..., Any]) -> None:
    @dg.asset
    def both(diary: Diary) -> pl.LazyFrame:
        return pl.concat([diary.harvest(table, Objects) for table in ("one", "two")])

    run(both, resources={"diary": Diary(rows=FIRST)})
    made = run(both, resources={"diary": Diary(rows=FIRST, changes=[["1", "A"]])})
    assert "harvests 2 tables" in made.reason()
    assert made.stored("both").height == 6


def test_outside_of_a_run_there_is_no_current_table() -> None:
    assert current_table() is None


@pytest.mark.parametrize("partition", ["a", "b"])
def test_the_current_table_of_a_partition_is_its_own(
    run: Callable[..., Any], partition: str
) -> None:
    seen = []

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
    def parts() -> pl.LazyFrame:
        seen.append(current_table())
        return pl.LazyFrame({"a": [1]})

    run(parts, partition=partition)
    assert seen[0].name == f"parts/{partition}"


def test_no_single_table_no_current_table(run: Callable[..., Any], instance: Any) -> None:
    seen = []

    @dg.multi_asset(outs={"one": dg.AssetOut(), "two": dg.AssetOut()})
    def several() -> tuple[pl.LazyFrame, pl.LazyFrame]:
        seen.append(current_table())
        return pl.LazyFrame({"a": [1]}), pl.LazyFrame({"a": [1]})

    @dg.asset(io_manager_key="memory")
    def elsewhere() -> int:
        seen.append(current_table())
        return 1

    made = run(several, elsewhere, resources={"memory": dg.mem_io_manager})
    assert made.is_success
    assert seen == [None, None]


@pytest.mark.filterwarnings("ignore:.*beta")
def test_several_partitions_at_once_have_no_current_table(tmp_path: Any, instance: Any) -> None:
    seen = []

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(["a", "b"]),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def parts() -> None:
        seen.append(current_table())

    job = dg.define_asset_job("all", [parts])
    defs = dg.Definitions(
        [parts], jobs=[job], resources={"io_manager": ParquetIOManager(base_dir=str(tmp_path))}
    )
    tags = {
        "dagster/asset_partition_range_start": "a",
        "dagster/asset_partition_range_end": "b",
    }
    result = defs.resolve_job_def("all").execute_in_process(
        instance=instance, tags=tags, raise_on_error=False
    )
    assert seen == [None], result.all_events


def test_more_keys_than_fit_at_once_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectionflow.storage.merge.KEYS_AT_ONCE", 7)
    published = pl.LazyFrame({"id": range(100), "title": "old"})
    changes = pl.LazyFrame({"id": range(50, 120), "title": "new"})
    kept = pl.LazyFrame({"id": [*range(0, 100, 3), *range(100, 120)]})
    whole = merged(published, changes, Merge(key=("id",), kept=kept)).collect()
    unchanged = [(number, "old") for number in range(0, 50, 3)]
    assert whole.rows() == unchanged + [(number, "new") for number in range(50, 120)]


def test_a_key_without_a_value_is_a_key() -> None:
    published = pl.LazyFrame({"id": [None, 1], "title": ["a", "b"]})
    changes = pl.LazyFrame({"id": [None], "title": ["A"]}, schema=published.collect_schema())
    kept = pl.LazyFrame({"id": [None, 1]})
    whole = merged(published, changes, Merge(key=("id",), kept=kept)).collect()
    assert whole.rows() == [(1, "b"), (None, "A")]
