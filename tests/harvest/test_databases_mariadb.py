"""MariaDB: its tables, views and queries, who may ask, and what changed."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from sqlalchemy.engine import make_url

from collectionflow import SourceError
from collectionflow.errors import SourceUnavailable
from collectionflow.harvest import DatabaseSource
from collectionflow.harvest.databases._dialect import dialect_of
from collectionflow.harvest.databases._reading import Reading, batches
from collectionflow.harvest.databases.mariadb import MariaDB
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes


def test_odd_names_views_and_other_databases_are_read(
    mariadb_url: str, execute: Any, harvested: Any
) -> None:
    execute(
        mariadb_url,
        "CREATE DATABASE tms",
        "CREATE TABLE tms.`Odd ``name` (`select` int PRIMARY KEY, `it's \"` text)",
        "INSERT INTO tms.`Odd ``name` VALUES (1, 'a')",
        "CREATE VIEW tms.shown AS SELECT * FROM tms.`Odd ``name`",
    )
    columns = {"select": pl.Int64, "it's \"": pl.String}
    assert harvested(mariadb_url, "tms.Odd `name", **columns) == [(1, "a")]
    assert harvested(mariadb_url, "tms.shown", **columns) == [(1, "a")]
    with pytest.raises(SourceError, match=r"has no table 'show'.*'tms\.shown'"):
        harvested(mariadb_url, "show", **columns)
    execute(mariadb_url, "DROP DATABASE tms")


def test_a_password_may_have_any_character(mariadb_url: str, execute: Any, schema: Any) -> None:
    odd = "a b+c%/@:?#'é"
    literal = odd.replace("'", "''")
    execute(mariadb_url, f"CREATE USER 'o''dd @'@'127.0.0.1' IDENTIFIED BY '{literal}'")
    url = make_url(mariadb_url).set(username="o'dd @", password=odd, database="information_schema")
    source = DatabaseSource(
        url=url.render_as_string(hide_password=False), queries={"rows": "SELECT 'a' AS id"}
    )
    assert source.harvest("rows", schema(id=pl.String)).collect().rows() == [("a",)]
    execute(mariadb_url, "DROP USER 'o''dd @'@'127.0.0.1'")


def test_nothing_can_be_written(mariadb_url: str, execute: Any, schema: Any) -> None:
    execute(mariadb_url, "CREATE SEQUENCE numbers")
    source = DatabaseSource(url=mariadb_url, queries={"rows": "SELECT NEXTVAL(numbers) AS n"})
    with pytest.raises(SourceError, match="READ ONLY"):
        source.harvest("rows", schema(n=pl.Int64)).collect()
    execute(mariadb_url, "DROP SEQUENCE numbers")


def test_a_query_that_fails_says_why(mariadb_url: str, schema: Any) -> None:
    source = DatabaseSource(url=mariadb_url, queries={"rows": "SELECT nope FROM nowhere"})
    with pytest.raises(SourceError, match="nowhere' doesn't exist"):
        source.harvest("rows", schema(id=pl.Int32))
    place = "SELECT point(1, 2) AS place"
    source = DatabaseSource(url=mariadb_url, queries={"rows": place})
    with pytest.raises(SourceError, match="MYSQL_TYPE_GEOMETRY"):
        source.harvest("rows", schema(place=pl.String))


def test_an_empty_table_has_no_rows(mariadb_url: str, execute: Any, harvested: Any) -> None:
    execute(mariadb_url, "CREATE TABLE empty (id int PRIMARY KEY, title text)")
    assert harvested(mariadb_url, "empty", id=pl.Int32, title=pl.String) == []
    execute(mariadb_url, "DROP TABLE empty")


@pytest.mark.parametrize(
    ("change", "told"),
    [({"host": "nowhere.invalid"}, "Name or service"), ({"port": 1}, "Connection refused")],
)
def test_a_server_that_does_not_answer_is_told(
    mariadb_url: str, change: Any, told: str, harvested: Any
) -> None:
    url = make_url(mariadb_url).set(**change)
    with pytest.raises(SourceUnavailable, match=told) as raised:
        harvested(url.render_as_string(hide_password=False), "objects", id=pl.Int64)
    assert str(url.password) not in str(raised.value)


ASK = """
import sys
import pandera.polars as pa
from collectionflow.harvest import DatabaseSource
class Objects(pa.DataFrameModel):
    id: int
DatabaseSource(url=sys.argv[1]).harvest("objects", Objects)
"""


@pytest.fixture(scope="module", autouse=True)
def refused(mariadb_url: str) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Ask in vain while the other tests run, since connectorx takes half a minute to give up."""
    url = make_url(mariadb_url)
    wrong = {
        "password": url.set(password="wr0ng-s3cret"),
        "database": url.set(database="nowhere"),
    }
    processes = {
        what: subprocess.Popen(
            [sys.executable, "-c", ASK, each.render_as_string(hide_password=False)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for what, each in wrong.items()
    }
    yield processes
    for process in processes.values():
        with process:
            process.kill()


def test_changes_since_a_moment_are_compared_in_utc(mariadb_url: str, execute: Any) -> None:
    execute(
        mariadb_url,
        "SET time_zone = '+00:00'",
        "CREATE TABLE edits (id int PRIMARY KEY, at timestamp NULL, n decimal(9,2))",
        "INSERT INTO edits VALUES (1, '2020-01-01 10:00:00', 1.5), (2, '2020-01-01 12:00:00', 3.5)",
    )
    dialect = dialect_of(mariadb_url)
    relation = DatabaseSource(url=mariadb_url)._relation(dialect, "edits")
    _, at, number = relation.columns
    moment = datetime(2020, 1, 1, 11, tzinfo=UTC)
    for condition in (dialect.since(at, moment), dialect.since(number, 2)):
        reading = Reading(
            dialect=dialect, relation=relation, wanted={"id": pl.Int32()}, condition=str(condition)
        )
        (batch,) = batches(reading, Harvest(table="edits", source="a server"), Notes(), ["id"])
        assert batch.rows() == [(2,)]
    execute(mariadb_url, "DROP TABLE edits")


def test_a_decimal_key_leads_from_statement_to_statement(
    mariadb_url: str, execute: Any, monkeypatch: pytest.MonkeyPatch, harvested: Any
) -> None:
    execute(
        mariadb_url,
        "CREATE TABLE prices (price decimal(9,2) PRIMARY KEY)",
        "INSERT INTO prices VALUES (10.5), (9.25), (-1)",
    )
    monkeypatch.setattr(MariaDB, "page_rows", 1)
    rows = harvested(mariadb_url, "prices", price=pl.Decimal(9, 2))
    assert rows == [(Decimal(-1),), (Decimal("9.25"),), (Decimal("10.5"),)]
    execute(mariadb_url, "DROP TABLE prices")


@pytest.mark.parametrize(
    ("what", "told"),
    [("password", "Access denied for user"), ("database", "Unknown database 'nowhere'")],
)
def test_a_database_that_lets_nobody_in_is_told_without_secrets(
    mariadb_url: str, refused: dict[str, subprocess.Popen[str]], what: str, told: str
) -> None:
    _, errors = refused[what].communicate()
    last = errors.strip().splitlines()[-1]
    assert last.startswith("collectionflow.errors.SourceError: MariaDB database")
    assert told in last
    assert "wr0ng-s3cret" not in errors
    assert str(make_url(mariadb_url).password) not in errors
