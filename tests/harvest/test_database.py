import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import SourceError
from collectionflow.harvest import DatabaseSource


class Objects(pa.DataFrameModel):
    id: str
    title: str = pa.Field(nullable=True)


Fill = Callable[..., DatabaseSource]


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Make a database with one table and return it as a source."""

    def fill(*rows: tuple[object, object], name: str = "objects") -> DatabaseSource:
        with closing(sqlite3.connect(tmp_path / "tms.db")) as connection, connection:
            connection.execute(f'CREATE TABLE "{name}" (id, title, extra)')
            connection.executemany(f'INSERT INTO "{name}" (id, title) VALUES (?, ?)', rows)
        return DatabaseSource(url=f"sqlite:///{tmp_path}/tms.db")

    return fill


def test_cells_of_any_type_are_their_text(fill: Fill) -> None:
    source = fill((1, None), ("007", ""), (2.5, "é"), (0.30000000000000004, b"abc"))
    assert source.harvest("objects", Objects).collect().rows() == [
        ("1", None),
        ("007", ""),
        ("2.5", "é"),
        ("0.30000000000000004", "abc"),
    ]


def test_a_null_in_every_first_row_changes_nothing(fill: Fill) -> None:
    source = fill(*[(number, None) for number in range(30_000)], (30_000, "last"))
    frame = source.harvest("objects", Objects).collect()
    assert frame.height == 30_001
    assert frame.row(-1) == ("30000", "last")


def test_tables_says_where_the_names_differ(fill: Fill) -> None:
    source = fill((1, "a"), name='odd "name" here'.replace('"', "'"))
    renamed = DatabaseSource(url=source.url, tables={"objects": "odd 'name' here"})
    assert renamed.harvest("objects", Objects).collect().rows() == [("1", "a")]


def test_a_view_is_a_table(fill: Fill, tmp_path: Path) -> None:
    source = fill((1, "a"), (2, "b"))
    with closing(sqlite3.connect(tmp_path / "tms.db")) as connection, connection:
        connection.execute("CREATE VIEW late AS SELECT * FROM objects WHERE id > 1")
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
    with pytest.raises(SourceError, match="not a SQLite database"):
        DatabaseSource(url=f"sqlite:///{tmp_path}/tms.db").harvest("objects", Objects)


def test_text_that_is_no_text_stops_the_harvest(fill: Fill) -> None:
    source = fill((1, "a"), (2, b"\xff\xfe"))
    with pytest.raises(
        SourceError, match=r"Table 'objects' of 'tms\.db' cannot be read to its end"
    ):
        source.harvest("objects", Objects).collect()


@pytest.mark.parametrize("url", ["postgresql://user:secret@host/tms", "sqlite://", "secret"])
def test_another_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SourceError, match=r"Expected.*sqlite:///path/to/file") as error:
        DatabaseSource(url=url).harvest("objects", Objects)
    assert "secret" not in str(error.value)
