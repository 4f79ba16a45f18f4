import json
from collections.abc import Callable
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from upath import UPath

from collectionflow import Frame, SourceError, SourceUnavailable, drop_guard
from collectionflow.contract import Contract
from collectionflow.harvest import TableSource
from collectionflow.harvest._stream import stream
from collectionflow.notes import Notes
from collectionflow.storage.ledger import LINES_KEPT, gaps, read_ledger, record
from collectionflow.storage.versions import StoredTable


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)


class Numbers(TableSource):
    """Sends so many objects, and says that it has so many."""

    count: int = 3
    expected: int | None = None
    fault: str = ""

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        if self.fault == "at once":
            message = "There is no table 'objects'.\nThere is: 'persons'."
            raise SourceError(message)
        harvest = notes.begin(table, "a list of numbers")
        harvest.expected = self.expected
        harvest.since, harvest.until = "2026-01-01", "2026-01-02"

        def batches(_wanted: list[str]) -> Any:
            yield pl.DataFrame({"object_id": range(self.count)}, schema={"object_id": pl.Int64})
            harvest.count(deleted=1, retries=2, resumed=1)
            if self.fault == "midway":
                message = "secret"
                raise RuntimeError(message)

        if self.fault == "later":
            message = "The source does not answer."
            raise SourceUnavailable(message)
        return stream(contract.dtypes, batches, harvest)


@dg.asset(metadata=drop_guard(stop=0.5))
def objects(source: Numbers) -> Frame[Objects]:
    return source.harvest("objects", Objects)


def ledger(run: Any, name: str = "objects") -> pl.DataFrame:
    return read_ledger(StoredTable(base=UPath(run.folder), name=name))


def test_a_published_harvest_is_a_line_with_its_counts(run: Callable[..., Any]) -> None:
    made = run(objects, resources={"source": Numbers(expected=3)})
    (line,) = ledger(made).to_dicts()
    assert line.pop("seconds") >= 0
    assert line.pop("started_at").tzinfo is not None
    assert line == {
        "table": "objects",
        "source": "a list of numbers",
        "since": "2026-01-01",
        "until": "2026-01-02",
        "expected": 3,
        "received": 3,
        "deleted": 1,
        "resumed": 1,
        "retries": 2,
        "outcome": "published",
        "reason": None,
    }


def test_the_page_of_the_asset_shows_the_same_counts(run: Callable[..., Any]) -> None:
    metadata = run(objects, resources={"source": Numbers(expected=3)}).metadata("objects")
    assert metadata["source"] == "a list of numbers"
    assert metadata["source_window"] == "2026-01-01 to 2026-01-02"
    assert metadata["source_count"] == metadata["records_received"] == 3
    assert metadata["records_deleted"] == metadata["records_resumed"] == 1
    assert metadata["requests_repeated"] == 2


def test_a_count_that_differs_from_the_sources_own_stops_the_harvest(
    run: Callable[..., Any],
) -> None:
    made = run(objects, resources={"source": Numbers(expected=4)})
    assert not made.is_success
    (line,) = ledger(made).to_dicts()
    assert (line["outcome"], line["expected"], line["received"]) == ("failed", 4, 3)
    assert not (made.folder / "objects.parquet").exists()


def test_a_refused_harvest_is_a_line_with_the_reason(run: Callable[..., Any]) -> None:
    run(objects, resources={"source": Numbers(count=10)})
    made = run(objects, resources={"source": Numbers(count=1)})
    lines = ledger(made)
    assert lines["outcome"].to_list() == ["published", "refused"]
    assert lines["reason"][1].startswith("'objects' lost too much")
    assert made.stored("objects").height == 10


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("at once", "There is no table 'objects'."),
        ("later", "The source does not answer."),
        ("midway", "RuntimeError"),
    ],
)
def test_a_failed_harvest_is_a_line_without_what_others_said(
    run: Callable[..., Any], fault: str, reason: str
) -> None:
    made = run(objects, resources={"source": Numbers(fault=fault)})
    assert not made.is_success
    (line,) = ledger(made).to_dicts()
    assert line["outcome"] == "failed"
    assert line["reason"] == reason


def test_an_asset_that_harvests_nothing_has_no_ledger(run: Callable[..., Any]) -> None:
    @dg.asset
    def plain() -> pl.LazyFrame:
        return pl.LazyFrame({"a": [1]})

    made = run(plain)
    assert ledger(made, "plain").is_empty()
    assert not (made.folder / ".collectionflow/ledger").exists()


def test_two_harvests_of_one_asset_are_two_lines(run: Callable[..., Any]) -> None:
    @dg.asset
    def both(source: Numbers) -> pl.LazyFrame:
        tables = ["objects", "persons"]
        return pl.concat([source.harvest(table, Objects) for table in tables])

    made = run(both, resources={"source": Numbers()})
    assert ledger(made, "both")["table"].to_list() == ["objects", "persons"]
    metadata = made.metadata("both")
    assert metadata["source_1"] == metadata["source_2"] == "a list of numbers"


def test_the_oldest_lines_go(tmp_path: Any) -> None:
    table = StoredTable(base=UPath(tmp_path), name="objects")
    notes = Notes()
    for number in range(LINES_KEPT + 5):
        notes.begin(str(number), "a list")
    record(table, notes.harvests, "published")
    lines = read_ledger(table)
    assert lines.height == LINES_KEPT
    assert lines["table"][0] == "5"
    assert json.loads(
        (tmp_path / ".collectionflow/ledger/objects.ndjson").read_text().split("\n")[0]
    )


def test_a_failed_window_is_a_gap_until_it_is_harvested() -> None:
    windows = {
        "since": ["2026-01-01", "2026-01-02", "2026-01-03", None],
        "until": ["2026-01-02", "2026-01-03", "2026-01-04", None],
        "outcome": ["published", "failed", "published", "published"],
    }
    assert gaps(pl.DataFrame(windows)).rows() == [("2026-01-02", "2026-01-03")]
    mended = {**windows, "outcome": ["published"] * 4}
    assert gaps(pl.DataFrame(mended)).is_empty()


def test_a_harvest_without_a_beginning_covers_what_was_before_it() -> None:
    ledger = pl.DataFrame(
        {
            "since": ["2026-01-01", None],
            "until": ["2026-01-02", "2026-01-05"],
            "outcome": "published",
        }
    )
    assert gaps(ledger).is_empty()
