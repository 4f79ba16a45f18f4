"""SQLite, by its ADBC driver and by Python's own: a cell may hold a value of any type."""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collectionflow import SourceError
from collectionflow.errors import SourceUnavailable
from collectionflow.harvest import DatabaseSource
from collectionflow.harvest.databases._dialect import dialect_of
from collectionflow.harvest.databases._reading import Reading, batches
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

Fill = Callable[..., DatabaseSource]


class Objects(pa.DataFrameModel):
    id: str
    title: str = pa.Field(nullable=True)


@pytest.fixture(params=["adbc", "python"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """By which driver a test reads. Python's own reads where the other is not installed."""
    if request.param == "python":
        monkeypatch.setitem(sys.modules, "adbc_driver_sqlite.dbapi", None)
    return request.param


@pytest.fixture
def fill(tmp_path: Path, driver: str) -> Fill:
    """Make a database with one table and return it as a source."""

    def fill(
        *rows: tuple[object, ...], name: str = "objects", columns: str = "id, title, extra"
    ) -> DatabaseSource:
        with closing(sqlite3.connect(tmp_path / "tms.db")) as connection, connection:
            connection.execute(f'CREATE TABLE "{name}" ({columns})')
            if rows:
                names = ", ".join(
                    f'"{part.split()[0]}"' for part in columns.split(", ")[: len(rows[0])]
                )
                places = ", ".join("?" * len(rows[0]))
                connection.executemany(f'INSERT INTO "{name}" ({names}) VALUES ({places})', rows)
        return DatabaseSource(url=f"sqlite:///{tmp_path}/tms.db")

    return fill


def test_cells_of_any_type_are_their_text(fill: Fill) -> None:
    source = fill(
        (1, None), ("007", ""), (2.5, "é"), (0.30000000000000004, b"abc"), (1e21, "a\x00b")
    )
    assert source.harvest("objects", Objects).collect().rows() == [
        ("1", None),
        ("007", ""),
        ("2.5", "é"),
        ("0.30000000000000004", "abc"),
        ("1.0e+21", "a\x00b"),
    ]


def test_a_null_in_every_first_row_changes_nothing(fill: Fill) -> None:
    source = fill(*[(number, None) for number in range(30_000)], (30_000, "last"))
    frame = source.harvest("objects", Objects).collect()
    assert frame.height == 30_001
    assert frame.row(-1) == ("30000", "last")


def test_rows_that_come_between_the_count_and_the_rows_are_not_seen(
    tmp_path: Path, fill: Fill
) -> None:
    source = fill((1, "a"), (2, "b"))
    harvest = Harvest(table="objects", source="a file")
    with closing(sqlite3.connect(tmp_path / "tms.db")) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        dialect = dialect_of(source.url)
        relation = source._relation(dialect, "objects")
        reading = Reading(dialect=dialect, relation=relation, wanted={"id": pl.String()})
        with dialect.connect() as session:
            counted = pl.concat(session.read(reading.count(None), {"count": pl.Int64()})).item()
            with writer:
                writer.execute("INSERT INTO objects (id) VALUES (3)")
            rows = pl.concat(session.read(reading.select(["id"], None), reading.schema))
        assert (counted, rows["id"].to_list()) == (2, ["1", "2"])
        (batch,) = batches(reading, harvest, Notes(), ["id"])
        assert batch["id"].to_list() == ["1", "2", "3"]
        assert harvest.expected == 3


TYPED = "id INTEGER, weight REAL, title VARCHAR(20), picture BLOB, price NUMERIC"


def test_numbers_and_bytes_are_such_where_their_column_was_declared_so(
    fill: Fill, schema: Any
) -> None:
    source = fill(
        (2**63 - 1, 0.1, "é", b"\x00\xff", 1.50), (None, None, None, None, None), columns=TYPED
    )
    columns = {"id": pl.Int64, "weight": pl.Float64, "title": pl.String, "picture": pl.Binary}
    frame = source.harvest("objects", schema(**columns, price=pl.Float64))
    assert dict(frame.collect_schema()) == {
        "id": pl.Int64(),
        "weight": pl.Float64(),
        "title": pl.String(),
        "picture": pl.Binary(),
        "price": pl.String(),
    }
    assert frame.collect().rows() == [(2**63 - 1, 0.1, "é", b"\x00\xff", "1.5"), (None,) * 5]


def test_numbers_are_text_where_the_contract_says_something_else(fill: Fill, schema: Any) -> None:
    source = fill((7, 0.1, "a", b"b", 2), columns=TYPED)
    wanted = {"id": pl.Int32, "weight": pl.String, "price": pl.Int64}
    assert source.harvest("objects", schema(**wanted)).collect().rows() == [("7", "0.1", "2")]


@pytest.mark.parametrize("rows_before", [0, 40_000])
@pytest.mark.parametrize(
    ("column", "dtype", "cell", "kind"),
    [
        ("id", pl.Int64, "about 7", "whole numbers"),
        ("id", pl.Int64, 7.5, "whole numbers"),
        ("weight", pl.Float64, "heavy", "numbers"),
    ],
)
def test_a_cell_that_is_not_what_its_column_was_declared_for_stops_the_harvest(
    fill: Fill, schema: Any, *, rows_before: int, column: str, dtype: Any, cell: object, kind: str
) -> None:
    place = ["id", "weight"].index(column)
    odd = [1, 1.0]
    odd[place] = cell
    source = fill(*[(1, 1.0)] * rows_before, tuple(odd), columns=TYPED)
    with pytest.raises(
        SourceError, match=rf"Column '{column}' is declared for {kind},.*`{column}: str`"
    ):
        source.harvest("objects", schema(**{column: dtype})).collect()
    frame = source.harvest("objects", schema(**{column: pl.String})).collect()
    assert frame.row(-1) == (str(cell),)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@example(cells=[1.7976931348623025e308, 4.9e-324, -1.101590086861659e105, float("inf"), -0.0])
@given(
    cells=st.lists(
        st.none()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        min_size=1,
    )
)
def test_no_cell_loses_anything_on_its_way_to_text(
    cells: list[Any], tmp_path: Path, driver: str, schema: Any
) -> None:
    path = tmp_path / "any.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE objects (title)")
        connection.executemany("INSERT INTO objects VALUES (?)", [(cell,) for cell in cells])
    source = DatabaseSource(url=f"sqlite:///{path}")
    found = source.harvest("objects", schema(title=pl.String)).collect().to_series().to_list()
    for cell, text in zip(cells, found, strict=True):
        if isinstance(cell, float):
            assert float(text) == cell
        else:
            assert text == (None if cell is None else str(cell))


def test_tables_says_where_the_names_differ(fill: Fill) -> None:
    source = fill((1, "a"), name='odd "name" here'.replace('"', "'"))
    renamed = DatabaseSource(url=source.url, tables={"objects": "odd 'name' here"})
    assert renamed.harvest("objects", Objects).collect().rows() == [("1", "a")]


def test_views_and_generated_columns_are_read(fill: Fill, tmp_path: Path, schema: Any) -> None:
    source = fill((1, "a"), (2, "b"), columns="id, title, twice AS (id * 2)")
    with closing(sqlite3.connect(tmp_path / "tms.db")) as connection, connection:
        connection.execute("CREATE VIEW late AS SELECT * FROM objects WHERE id > 1")
    assert source.harvest("late", Objects).collect().rows() == [("2", "b")]
    assert source.harvest("objects", schema(twice=pl.String)).collect().rows() == [("2",), ("4",)]


def test_a_query_is_a_table(fill: Fill) -> None:
    url = fill((1, "a"), (2, "b")).url
    queries = {
        "late": "WITH n AS (SELECT 1 AS least) SELECT id, title FROM objects, n WHERE id > least;"
    }
    source = DatabaseSource(url=url, queries=queries)
    assert source.harvest("late", Objects).collect().rows() == [("2", "b")]


def test_only_as_many_rows_are_read_as_are_asked_for(fill: Fill) -> None:
    source = fill(*[(number, "a") for number in range(50_000)])
    frame = source.harvest("objects", Objects)
    assert frame.head(3).collect().height == 3
    assert frame.head(30_000).collect().height == 30_000


def test_a_filter_and_a_selection_reach_the_source(fill: Fill) -> None:
    frame = fill((1, "a"), (2, "b")).harvest("objects", Objects)
    assert frame.filter(pl.col("id") == "2").select("title").collect().rows() == [("b",)]


def test_the_same_frame_can_run_twice(fill: Fill) -> None:
    frame = fill((1, "a")).harvest("objects", Objects)
    assert frame.collect().rows() == frame.collect().rows()


def test_an_empty_table_has_no_rows(fill: Fill) -> None:
    assert fill().harvest("objects", Objects).collect().rows() == []


def test_a_missing_table_is_told_with_those_there(fill: Fill) -> None:
    with pytest.raises(
        SourceError, match=r"has no table 'object'. There is: 'objects'. Is 'object'"
    ):
        fill().harvest("object", Objects)


def test_a_missing_column_is_told(fill: Fill) -> None:
    class More(Objects):
        medium: str

    with pytest.raises(SourceError, match=r"Column 'medium' is missing from 'objects'\. Table"):
        fill().harvest("objects", More)


def test_a_missing_file_is_told_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "nope.db"
    with pytest.raises(SourceError, match=r"There is no database file .*Set the source's url"):
        DatabaseSource(url=f"sqlite:///{path}").harvest("objects", Objects)
    assert not path.exists()


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "tms.db").write_text("id,title\n")
    with pytest.raises(SourceError, match="cannot be read: file is not a database"):
        DatabaseSource(url=f"sqlite:///{tmp_path}/tms.db").harvest("objects", Objects)


def test_text_that_is_no_text_stops_the_harvest(fill: Fill, schema: Any) -> None:
    source = fill((1, "a"), (2, b"\xff\xfe"))
    with pytest.raises(SourceError, match=r"not UTF-8|Could not decode to UTF-8"):
        source.harvest("objects", Objects).collect()
    frame = source.harvest("objects", schema(title=pl.Binary))
    assert frame.collect().rows() == [(b"a",), (b"\xff\xfe",)]


def test_a_file_that_somebody_writes_is_waited_for(fill: Fill, tmp_path: Path) -> None:
    source = fill((1, "a"))
    with closing(sqlite3.connect(tmp_path / "tms.db", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceUnavailable, match=r"'tms\.db' does not answer: .*locked"):
            source.harvest("objects", Objects).collect()


def test_a_query_that_fails_on_the_way_says_why(fill: Fill) -> None:
    url = fill(*[(1, "a")] * 30_000, (-(2**63), "b"), columns="id INTEGER, title").url
    source = DatabaseSource(
        url=url, queries={"objects": "SELECT abs(id) AS id, title FROM objects"}
    )
    with pytest.raises(
        SourceError, match=r"The query for .objects. cannot be read: .*integer overflow"
    ):
        source.harvest("objects", Objects).collect()
