"""Reading through ODBC, with the drivers of PostgreSQL, MariaDB and SQLite."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy.engine import make_url

from collectionflow.harvest.databases import odbc


def installed(driver: str) -> str:
    """Return a driver's name; skip where it is not installed."""
    lister = shutil.which("odbcinst")
    command = [lister or "true", "-q", "-d"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    if f"[{driver}]" not in found:
        pytest.skip(f"The ODBC driver '{driver}' is not installed.")
    return driver


def parts(url: str, driver: str, **more: str) -> dict[str, str]:
    parsed = make_url(url)
    return {
        "Driver": installed(driver),
        "Server": str(parsed.host),
        "Port": str(parsed.port),
        "Database": str(parsed.database),
        "UID": str(parsed.username),
        "PWD": str(parsed.password),
    } | more


@pytest.fixture
def postgresql(postgresql_url: str) -> Mapping[str, str]:
    return parts(postgresql_url, "PostgreSQL Unicode", MaxLongVarcharSize="400000")


def read(place: Mapping[str, str], sql: str, schema: Any, longest: int = 100) -> list[pl.DataFrame]:
    return list(odbc.read(odbc.connect(place), sql, schema, longest))


KINDS = {
    "n": pl.Int64(),
    "small": pl.Int16(),
    "text": pl.String(),
    "empty": pl.String(),
    "missing": pl.String(),
    "weight": pl.Float64(),
}


def test_values_of_postgresql_arrive_as_they_are(postgresql: Mapping[str, str]) -> None:
    sql = (
        "SELECT 9223372036854775807 AS n, 7::int2 AS small, 'Brontë 😀'::text AS text, ''::text AS empty,"
        " NULL::text AS missing, 0.1::float8 AS weight, true AS shown, '\\x00ff'::bytea AS picture"
    )
    schema = {**KINDS, "shown": pl.Boolean(), "picture": pl.Binary()}
    (batch,) = read(postgresql, sql, schema)
    assert batch.rows() == [(9223372036854775807, 7, "Brontë 😀", "", None, 0.1, True, b"\x00\xff")]


def test_values_of_mariadb_arrive_as_they_are(mariadb_url: str) -> None:
    sql = (
        "SELECT 9223372036854775807 AS n, 7 AS small, 'Brontë 😀' AS text, '' AS empty,"
        " CAST(NULL AS CHAR) AS missing, 0.1e0 AS weight"
    )
    (batch,) = read(parts(mariadb_url, "MariaDB Unicode"), sql, KINDS)
    assert batch.rows() == [(9223372036854775807, 7, "Brontë 😀", "", None, 0.1)]


def test_values_of_sqlite_arrive_as_they_are(tmp_path: Path) -> None:
    place = {"Driver": installed("SQLite3"), "Database": str(tmp_path / "tms.db")}
    sql = "SELECT 'Brontë' AS text, '' AS empty, NULL AS missing"
    (batch,) = read(place, sql, {name: pl.String() for name in ("text", "empty", "missing")})
    assert batch.rows() == [("Brontë", "", None)]


def test_many_rows_come_in_batches(postgresql: Mapping[str, str]) -> None:
    sql = "SELECT i AS n, repeat('é', i % 50) AS text FROM generate_series(1, 25000) i"
    batches = read(postgresql, sql, {"n": pl.Int64(), "text": pl.String()}, 50)
    assert len(batches) > 2
    whole = pl.concat(batches)
    assert whole["n"].to_list() == list(range(1, 25_001))
    assert whole["text"].str.len_chars().to_list() == [n % 50 for n in range(1, 25_001)]


def test_a_value_that_has_grown_is_cut_nowhere_and_read_anew(postgresql: Mapping[str, str]) -> None:
    sql = "SELECT repeat('x', 200000) AS text"
    with pytest.raises(odbc.errors(), match="too large to be written") as error:
        read(postgresql, sql, {"text": pl.String()}, 1000)
    assert odbc.is_lost(error.value)
    (batch,) = read(postgresql, sql, {"text": pl.String()}, 200_000)
    assert batch.item() == "x" * 200_000


@pytest.mark.parametrize(
    ("change", "is_lost"),
    [({"PWD": "wrong"}, False), ({"Database": "nope"}, False), ({"Port": "1"}, True)],
)
def test_a_connection_that_may_be_had_later_is_told_from_one_that_may_not(
    postgresql: Mapping[str, str], change: Mapping[str, str], is_lost: bool
) -> None:
    with pytest.raises(odbc.errors()) as error:
        odbc.connect({**postgresql, **change})
    assert odbc.is_lost(error.value) is is_lost
