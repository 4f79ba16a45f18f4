"""Any other database: rows through SQLAlchemy, here of SQLite by the driver that its URL names."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from sqlalchemy import exc
from sqlalchemy.types import UserDefinedType

from collectionflow import SourceError
from collectionflow._patience import TransientError
from collectionflow.harvest import DatabaseSource
from collectionflow.harvest.databases._dialect import Column, dialect_of
from collectionflow.harvest.databases._reading import fault
from collectionflow.harvest.databases.sqlalchemy import _kind, _text


@pytest.fixture
def url(tmp_path: Path) -> str:
    with closing(sqlite3.connect(tmp_path / "tms.db")) as connection, connection:
        connection.executescript(
            'CREATE TABLE objects (id BIGINT PRIMARY KEY, "it\'s %" TEXT, weight FLOAT, shown BOOLEAN,'
            " picture BLOB, price NUMERIC(12, 2), made DATE, changed DATETIME, odd POINT);"
            "INSERT INTO objects VALUES (1, 'é', 0.1, 1, x'00ff', 12.50, '2020-02-29', "
            "  '2020-01-01 10:00:00.5', 'x'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 7);"
            "CREATE VIEW later AS SELECT * FROM objects WHERE id > 1"
        )
    return f"sqlite+pysqlite:///{tmp_path}/tms.db"


def test_values_arrive_as_what_they_are_or_as_text(url: str, harvested: Any) -> None:
    columns = {
        "id": pl.Int64,
        "it's %": pl.String,
        "weight": pl.Float64,
        "picture": pl.Binary,
        "price": pl.Decimal(12, 2),
        "made": pl.Date,
        "odd": pl.String,
    }
    assert harvested(url, "objects", **columns) == [
        (1, "é", 0.1, b"\x00\xff", "12.5", "2020-02-29", "x"),
        (2, None, None, None, None, None, "7"),
    ]
    assert harvested(url, "objects", id=pl.String, picture=pl.String)[0] == ("1", "0x00ff")


def test_views_queries_and_qualified_names_are_tables_too(
    url: str, schema: Any, harvested: Any
) -> None:
    assert harvested(url, "later", id=pl.Int64) == [(2,)]
    assert harvested(url, "main.later", id=pl.Int64) == [(2,)]
    queries = {"n": "SELECT count(*) AS n, '50 % :x' AS t FROM objects -- all\n;"}
    source = DatabaseSource(url=url, queries=queries)
    assert source.harvest("n", schema(n=pl.Int64, t=pl.String)).collect().rows() == [
        ("2", "50 % :x")
    ]


def test_a_value_that_is_not_what_its_column_says_stops_the_harvest(
    url: str, tmp_path: Path, harvested: Any
) -> None:
    with closing(sqlite3.connect(tmp_path / "tms.db")) as connection, connection:
        connection.execute("UPDATE objects SET weight = 'heavy'")
    with pytest.raises(
        SourceError, match=r"Column 'weight' was declared for Float64.*`weight: str`"
    ):
        harvested(url, "objects", weight=pl.Float64)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("a", "a"),
        (True, "true"),
        (2**80, str(2**80)),
        (0.1, "0.1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (datetime(2020, 1, 1, 10, tzinfo=UTC), "2020-01-01 10:00:00+00:00"),
        (date(1, 1, 1), "0001-01-01"),
        (time(1, 2, 3, 4), "01:02:03.000004"),
        (b"\x00\xff", "0x00ff"),
        (memoryview(b"a"), "0x61"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"é": [1, None]}, '{"é": [1, null]}'),
    ],
)
def test_a_value_is_written_so_that_it_could_be_made_again(value: object, text: str | None) -> None:
    assert _text("any", value) == text


def test_a_value_that_cannot_be_written_stops_the_harvest() -> None:
    with pytest.raises(
        SourceError, match="Column 'span' holds values of the driver's own type 'timedelta'"
    ):
        _text("span", timedelta(1))


def test_what_changed_is_compared_as_the_database_writes_it(url: str) -> None:
    dialect = dialect_of(url)
    moment = datetime(2020, 1, 1, 9)
    assert (
        dialect.since(Column(name="at", type="datetime"), moment)
        == "t.\"at\" >= '2020-01-01 09:00:00.000000'"
    )
    assert dialect.since(Column(name="n", type="int"), 5) == 't."n" >= 5'
    assert dialect.since(Column(name="n", type="str"), moment) is None
    assert dialect.equals(Column(name="n", type="int"), "5") == 't."n" = 5'
    assert dialect.equals(Column(name="it's", type="str"), "it's") == "t.\"it's\" = 'it''s'"


def test_what_is_missing_is_told(url: str, schema: Any, harvested: Any) -> None:
    with pytest.raises(SourceError, match=r"no table 'object'.*Is 'object' now 'objects'"):
        harvested(url, "object", id=pl.Int64)
    with pytest.raises(
        SourceError, match=r"Sqlite database .* cannot be read: unable to open database"
    ):
        harvested("sqlite+pysqlite:////nowhere/tms.db", "objects", id=pl.Int64)
    source = DatabaseSource(url=url, queries={"n": "SELECT nope FROM objects"})
    with pytest.raises(SourceError, match=r"cannot be read: no such column: nope\.$"):
        source.harvest("n", schema(nope=pl.Int64))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exc.OperationalError(None, None, OSError("Connection refused")), TransientError),
        (exc.OperationalError(None, None, OSError("Access denied for user")), SourceError),
        (
            exc.OperationalError("SELECT", None, OSError("gone"), connection_invalidated=True),
            TransientError,
        ),
        (exc.ProgrammingError("SELECT", None, ValueError("syntax")), SourceError),
        (exc.ResourceClosedError("This result object is closed"), SourceError),
    ],
)
def test_a_lost_connection_is_told_from_a_fault(
    url: str, error: Any, expected: type[Exception]
) -> None:
    assert isinstance(fault(dialect_of(url), "table 'objects'", error), expected)


def test_a_type_that_python_does_not_know_is_text() -> None:
    class Unknown(UserDefinedType[Any]):
        @property
        def python_type(self) -> type[Any]:
            raise NotImplementedError

    assert _kind(Unknown()) == ""
