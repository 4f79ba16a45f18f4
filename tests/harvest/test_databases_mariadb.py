"""MariaDB: what arrives is what is there, whatever the type, and whatever breaks."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import connectorx
import pandera.polars as pa
import polars as pl
import pytest
from servers import mariadb
from sqlalchemy.engine import make_url

from collectionflow import SourceError
from collectionflow.errors import SourceUnavailable
from collectionflow.harvest import DatabaseSource
from collectionflow.harvest.databases._dialect import dialect_of
from collectionflow.harvest.databases._reading import Reading, batches
from collectionflow.harvest.databases.mariadb import MariaDB
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes


def execute(url: str, *statements: str) -> None:
    """Run statements that answer nothing: connectorx runs them before a query that does."""
    connectorx.read_sql(
        url, "SELECT 1 AS one", return_type="arrow", pre_execution_query=list(statements)
    )


def schema(**columns: Any) -> Any:
    """Return a Pandera schema of nullable columns."""
    fields = {name: pa.Column(dtype, nullable=True) for name, dtype in columns.items()}
    built = pa.DataFrameSchema(fields, name="Rows", coerce=True)

    class Rows:
        to_schema = staticmethod(lambda: built)

    return Rows


def harvested(url: str, table: str, **columns: Any) -> list[tuple[Any, ...]]:
    return DatabaseSource(url=url).harvest(table, schema(**columns)).collect().rows()


DIGITS = "12345678901234567890123456789012345.123456789012345678901234567890"

# Declared type, what is inserted, the contract's type, what arrives.
VALUES = [
    ("tinyint", "-128", pl.Int8, -128),
    ("tinyint unsigned", "255", pl.Int64, 255),
    ("tinyint(1)", "1", pl.Boolean, "1"),
    ("smallint unsigned", "65535", pl.UInt16, 65535),
    ("mediumint", "-8388608", pl.Int32, -8388608),
    ("int(10) unsigned", "4294967295", pl.Int64, 4294967295),
    ("int unsigned", "4294967295", pl.Int32, "4294967295"),
    ("bigint", "-9223372036854775808", pl.Int64, -9223372036854775808),
    ("bigint unsigned", "18446744073709551615", pl.UInt64, 18446744073709551615),
    ("bigint unsigned", "18446744073709551615", pl.Int64, "18446744073709551615"),
    ("double", "0.1e0 + 0.2e0", pl.Float64, 0.30000000000000004),
    ("double", "1.7976931348623157e308", pl.String, "1.7976931348623157e308"),
    ("float", "0.1", pl.Float64, 0.10000000149011612),
    ("float", "16777217", pl.String, "16777216"),
    ("decimal(65,30)", DIGITS, pl.String, DIGITS),
    ("decimal(12,2)", "1.5", pl.Decimal(12, 2), "1.50"),
    ("varchar(40)", "'Brontë 😀 \\\\ '' \"'", pl.String, "Brontë 😀 \\ ' \""),
    ("varchar(40) character set latin1", "'Brontë'", pl.String, "Brontë"),
    ("longtext", "''", pl.String, ""),
    ("longtext", "repeat('x', 1000000)", pl.String, "x" * 1_000_000),
    ("text", "NULL", pl.String, None),
    ("blob", "x'00ff'", pl.Binary, b"\x00\xff"),
    ("binary(3)", "x'00ff'", pl.String, "0x00FF00"),
    ("bit(9)", "b'101'", pl.String, "5"),
    ("bit(1)", "b'1'", pl.Boolean, "1"),
    ("enum('a', 'b')", "'b'", pl.String, "b"),
    ("enum('a', 'b')", "'zzz'", pl.String, ""),
    ("set('a', 'b')", "'b,a'", pl.String, "a,b"),
    ("json", "'{\"a\": 1.50}'", pl.String, '{"a": 1.50}'),
    ("date", "'9999-12-31'", pl.Date, date(9999, 12, 31)),
    ("date", "'0000-00-00'", pl.String, "0000-00-00"),
    ("date", "'2020-02-00'", pl.String, "2020-02-00"),
    (
        "datetime(6)",
        "'2020-02-29 12:00:00.123456'",
        pl.Datetime("us"),
        datetime(2020, 2, 29, 12, 0, 0, 123456),
    ),
    ("datetime(6)", "'2020-02-29 12:00:00.5'", pl.Datetime("ms"), "2020-02-29 12:00:00.500000"),
    ("datetime", "'0000-00-00 00:00:00'", pl.String, "0000-00-00 00:00:00"),
    ("timestamp(3) null", "'2020-03-29 01:30:00.5'", pl.String, "2020-03-29 01:30:00.500+00:00"),
    ("timestamp null", "'2020-03-29 01:30:00'", pl.Datetime("us"), "2020-03-29 01:30:00+00:00"),
    (
        "timestamp null",
        "'2020-03-29 01:30:00'",
        pl.Datetime("us", "UTC"),
        datetime(2020, 3, 29, 1, 30, tzinfo=UTC),
    ),
    ("time(6)", "'-838:59:59'", pl.String, "-838:59:59.000000"),
    ("year", "2155", pl.String, "2155"),
    ("point", "point(1.5, -2)", pl.String, "POINT(1.5 -2)"),
    (
        "uuid",
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
        pl.String,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    ("inet6", "'::1'", pl.String, "::1"),
    ("int generated always as (6 * 7) stored", "DEFAULT", pl.Int32, 42),
]


@pytest.fixture(scope="session")
def types_url(mariadb_url: str) -> Iterator[str]:
    columns = ", ".join(f"c{place} {kind}" for place, (kind, *_) in enumerate(VALUES))
    values = ", ".join(value for _, value, *_ in VALUES)
    execute(
        mariadb_url,
        "SET sql_mode = '', time_zone = '+00:00'",
        f"CREATE TABLE kinds ({columns}) ROW_FORMAT=DYNAMIC",
        f"INSERT INTO kinds VALUES ({values})",
    )
    yield mariadb_url
    execute(mariadb_url, "DROP TABLE kinds")


@pytest.mark.parametrize(
    ("place", "dtype", "expected"), [(place, *value[2:]) for place, value in enumerate(VALUES)]
)
def test_a_value_arrives_as_it_is_or_as_its_own_text(
    types_url: str, place: int, dtype: Any, expected: Any
) -> None:
    frame = DatabaseSource(url=types_url).harvest("kinds", schema(**{f"c{place}": dtype}))
    assert frame.collect_schema()[f"c{place}"] == (
        dtype if not isinstance(expected, str) else pl.String
    )
    assert frame.collect().rows() == [(expected,)]


@pytest.mark.parametrize(
    ("sql", "dtype", "expected"),
    [
        ("CAST(1 AS SIGNED)", pl.Int64, 1),
        ("1.50", pl.String, "1.50"),
        ("CAST(0.1 AS FLOAT)", pl.String, "0.10000000149011612"),
        ("0.5e0", pl.Float64, 0.5),
        ("'é'", pl.String, "é"),
        ("x'00ff'", pl.String, "0x00FF"),
        ("DATE '2020-01-01'", pl.String, "2020-01-01"),
        ("NULL", pl.String, None),
    ],
)
def test_a_query_has_the_types_of_its_values(
    mariadb_url: str, sql: str, dtype: Any, expected: Any
) -> None:
    source = DatabaseSource(url=mariadb_url, queries={"rows": f"SELECT {sql} AS v -- one\n;"})
    assert source.harvest("rows", schema(v=dtype)).collect().rows() == [(expected,)]


@pytest.mark.parametrize(
    ("sql", "dtype", "shown"),
    [
        ("'0000-00-00'", pl.Date, r"\['0000-00-00'|: '0000-00-00'"),
        ("'2020-02-00'", pl.Date, "2020-02-00"),
        ("'0000-01-01'", pl.Date, "is not in the years 1 to 9999"),
        ("'2020-00-15 00:00:00'", pl.Datetime("us"), "2020-00-15"),
    ],
)
def test_a_date_that_no_calendar_has_stops_the_harvest(
    mariadb_url: str, sql: str, dtype: Any, shown: str
) -> None:
    kind = "date" if dtype == pl.Date else "datetime"
    execute(
        mariadb_url,
        "SET sql_mode = ''",
        f"CREATE TABLE dated (made {kind})",
        f"INSERT INTO dated VALUES ('2020-01-01'), ({sql})",
    )
    with pytest.raises(SourceError, match=rf"'made'.*({shown}).*ake it as text"):
        harvested(mariadb_url, "dated", made=dtype)
    execute(mariadb_url, "DROP TABLE dated")


def test_odd_names_views_and_other_databases_are_read(mariadb_url: str) -> None:
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


def test_a_password_may_have_any_character(mariadb_url: str) -> None:
    odd = "a b+c%/@:?#'é"
    literal = odd.replace("'", "''")
    execute(mariadb_url, f"CREATE USER 'o''dd @'@'127.0.0.1' IDENTIFIED BY '{literal}'")
    url = make_url(mariadb_url).set(username="o'dd @", password=odd, database="information_schema")
    source = DatabaseSource(
        url=url.render_as_string(hide_password=False), queries={"rows": "SELECT 'a' AS id"}
    )
    assert source.harvest("rows", schema(id=pl.String)).collect().rows() == [("a",)]
    execute(mariadb_url, "DROP USER 'o''dd @'@'127.0.0.1'")


def test_nothing_can_be_written(mariadb_url: str) -> None:
    execute(mariadb_url, "CREATE SEQUENCE numbers")
    source = DatabaseSource(url=mariadb_url, queries={"rows": "SELECT NEXTVAL(numbers) AS n"})
    with pytest.raises(SourceError, match="READ ONLY"):
        source.harvest("rows", schema(n=pl.Int64)).collect()
    execute(mariadb_url, "DROP SEQUENCE numbers")


def test_a_query_that_fails_says_why(mariadb_url: str) -> None:
    source = DatabaseSource(url=mariadb_url, queries={"rows": "SELECT nope FROM nowhere"})
    with pytest.raises(SourceError, match="nowhere' doesn't exist"):
        source.harvest("rows", schema(id=pl.Int32))
    place = "SELECT point(1, 2) AS place"
    source = DatabaseSource(url=mariadb_url, queries={"rows": place})
    with pytest.raises(SourceError, match="MYSQL_TYPE_GEOMETRY"):
        source.harvest("rows", schema(place=pl.String))


def test_an_empty_table_has_no_rows(mariadb_url: str) -> None:
    execute(mariadb_url, "CREATE TABLE empty (id int PRIMARY KEY, title text)")
    assert harvested(mariadb_url, "empty", id=pl.Int32, title=pl.String) == []
    execute(mariadb_url, "DROP TABLE empty")


@pytest.mark.parametrize(
    ("change", "told"),
    [({"host": "nowhere.invalid"}, "Name or service"), ({"port": 1}, "Connection refused")],
)
def test_a_server_that_does_not_answer_is_told(mariadb_url: str, change: Any, told: str) -> None:
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


@pytest.fixture(scope="module")
def server(mariadb_url: str) -> Iterator[mariadb.Server]:
    """A server that may be hurt, with more than can be on its way. Skipped with `mariadb_url`."""
    with mariadb.running() as server:
        server.execute(
            "CREATE TABLE objects (part bigint unsigned, nr varchar(20) COLLATE utf8mb4_unicode_ci,"
            " made date, id int, title varchar(3000), PRIMARY KEY (part, made, nr));"
            "INSERT INTO objects SELECT 18446744073709551615 - seq DIV 7, concat('O''\\\\r. ', seq % 7),"
            " '2020-01-01', seq, repeat('x', 3000) FROM seq_1_to_60000;"
            "CREATE VIEW keyless AS SELECT * FROM objects;"
            "CREATE TABLE moods (mood enum('z', 'a') PRIMARY KEY, id int, title text)"
        )
        yield server


def cut(server: mariadb.Server) -> None:
    server.execute("KILL USER collection")


def restart(server: mariadb.Server) -> None:
    server.stop()
    server.start()


def broken(url: str, table: str, break_: Callable[[], None]) -> tuple[list[int], Harvest]:
    """Return the ids that come where the connection breaks after the first batch, and the count."""
    relation = DatabaseSource(url=url)._relation(dialect_of(url), table)
    wanted = {"id": pl.Int64(), "title": pl.String()}
    reading = Reading(dialect=dialect_of(url), relation=relation, wanted=wanted)
    harvest = Harvest(table=table, source="a server")
    ids = []
    for batch in batches(reading, harvest, Notes(), ["id", "title"]):
        if not ids:
            break_()
        ids += batch["id"].to_list()
        harvest.count(received=batch.height)
    return ids, harvest


@pytest.mark.parametrize("break_", [cut, restart])
def test_a_broken_read_goes_on_behind_the_last_key(
    server: mariadb.Server, break_: Callable[[mariadb.Server], None]
) -> None:
    ids, harvest = broken(server.url, "objects", lambda: break_(server))
    assert sorted(ids) == list(range(1, 60_001))
    assert harvest.expected == harvest.received == 60_000
    assert harvest.retries == 1


def test_a_table_is_read_in_statements_of_so_many_rows(
    server: mariadb.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows in (7_000, 20_000, 60_000):
        monkeypatch.setattr(MariaDB, "page_rows", rows)
        ids, harvest = broken(server.url, "objects", lambda: None)
        assert sorted(ids) == list(range(1, 60_001))
        assert harvest.expected == harvest.received == 60_000


def test_a_broken_read_without_a_key_says_so(server: mariadb.Server) -> None:
    with pytest.raises(SourceUnavailable, match=r"Table 'keyless' has no primary key"):
        broken(server.url, "keyless", lambda: cut(server))


def test_an_enum_is_no_key_to_go_on_by(server: mariadb.Server) -> None:
    dialect = dialect_of(server.url)
    relation = DatabaseSource(url=server.url)._relation(dialect, "moods")
    assert [column.name for column in relation.key] == ["mood"]
    assert Reading(dialect=dialect, relation=relation, wanted={}).key == ()


def test_changes_since_a_moment_are_compared_in_utc(mariadb_url: str) -> None:
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
