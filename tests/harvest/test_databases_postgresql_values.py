"""PostgreSQL: what arrives is what is there, whatever the type."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from collectionflow import SourceError
from collectionflow.harvest import DatabaseSource
from collectionflow.harvest.databases._dialect import dialect_of

NUMBER = "1234567890" * 80 + "." + "0987654321" * 40


VALUES = [
    # Native: the contract's type is exactly what the database has.
    ("(-32768)::int2", pl.Int16, -32768),
    ("2147483647::int4", pl.Int64, 2147483647),
    ("9223372036854775807::int8", pl.Int64, 9223372036854775807),
    ("true", pl.Boolean, True),
    ("0.30000000000000004::float8", pl.Float64, 0.30000000000000004),
    ("'-Infinity'::float8", pl.Float64, float("-inf")),
    ("0.5::float4", pl.Float32, 0.5),
    ("''::text", pl.String, ""),
    ("NULL::text", pl.String, None),
    ("'Brontë 😀 ''x'' \\ \"'::varchar(40)", pl.String, "Brontë 😀 'x' \\ \""),
    ("'ab'::char(4)", pl.String, "ab  "),
    ("'\\x00ff'::bytea", pl.Binary, b"\x00\xff"),
    ("date '0001-01-01'", pl.Date, date(1, 1, 1)),
    ("date '9999-12-31'", pl.Date, date(9999, 12, 31)),
    (
        "timestamp '9999-12-31 23:59:59.999999'",
        pl.Datetime("us"),
        datetime(9999, 12, 31, 23, 59, 59, 999999),
    ),
    (
        "timestamptz '2020-03-29 01:30:00+01'",
        pl.Datetime("us", "UTC"),
        datetime(2020, 3, 29, 0, 30, tzinfo=UTC),
    ),
    (
        "timestamptz '2020-10-25 02:30:00 Europe/Amsterdam'",
        pl.Datetime("us", "UTC"),
        datetime(2020, 10, 25, 1, 30, tzinfo=UTC),
    ),
    # Text: everything else, as the database writes it.
    ("7::int4", pl.String, "7"),
    ("7::int8", pl.Int32, "7"),
    ("0.1::float4", pl.Float64, "0.1"),
    ("0.30000000000000004::float8", pl.String, "0.30000000000000004"),
    ("true", pl.String, "true"),
    (f"{NUMBER}::numeric", pl.String, NUMBER),
    ("'NaN'::numeric", pl.String, "NaN"),
    ("'Infinity'::numeric", pl.String, "Infinity"),
    ("1.50::numeric(12,2)", pl.Decimal(12, 2), "1.50"),
    ("'\\x00ff'::bytea", pl.String, "\\x00ff"),
    ("'infinity'::date", pl.String, "infinity"),
    ("'0044-03-15 BC'::date", pl.String, "0044-03-15 BC"),
    ("'12000-01-01'::date", pl.String, "12000-01-01"),
    ("'294276-12-31 23:59:59.999999'::timestamp", pl.String, "294276-12-31 23:59:59.999999"),
    ("'-infinity'::timestamptz", pl.String, "-infinity"),
    ("'2020-03-29 01:30:00+01'::timestamptz", pl.String, "2020-03-29 00:30:00+00"),
    ("'2020-03-29 01:30:00+01'::timestamptz", pl.Datetime("us"), "2020-03-29 00:30:00+00"),
    ("'2020-03-29 01:30:00'::timestamp", pl.Datetime("us", "UTC"), "2020-03-29 01:30:00"),
    ("'2020-03-29 01:30:00'::timestamp", pl.Datetime("ms"), "2020-03-29 01:30:00"),
    ("'24:00:00'::time", pl.Time, "24:00:00"),
    ("'10:00:00.5+02'::timetz", pl.String, "10:00:00.5+02"),
    ("interval '-1 year 2 days 03:04:05.678'", pl.String, "-1 years +2 days 03:04:05.678"),
    ('\'{"b": 1.50, "a": [1]}\'::json', pl.String, '{"b": 1.50, "a": [1]}'),
    ('\'{"b": 1.50, "a": [1]}\'::jsonb', pl.String, '{"a": [1], "b": 1.50}'),
    (
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
        pl.String,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    ("ARRAY[1, NULL, 3]", pl.String, "{1,NULL,3}"),
    ("ARRAY[['a', 'b,c'], ['\"', '']]", pl.String, '{{a,"b,c"},{"\\"",""}}'),
    ("'-1234.56'::money", pl.String, "-$1,234.56"),
    ("'<a>é</a>'::xml", pl.String, "<a>é</a>"),
    ("'10.0.0.1/8'::inet", pl.String, "10.0.0.1/8"),
    ("point(1.5, -2)", pl.String, "(1.5,-2)"),
    ("int4range(1, 5)", pl.String, "[1,5)"),
    ("B'0101'", pl.String, "0101"),
    ("'sad'::mood", pl.Categorical, "sad"),
    ("'NPG 1'::object_number", pl.String, "NPG 1"),
    ("ROW(1, 'a b')", pl.String, '(1,"a b")'),
]


@pytest.fixture(scope="session")
def types_url(postgresql_url: str, execute: Any) -> Iterator[str]:
    execute(
        postgresql_url,
        "CREATE TYPE mood AS ENUM ('happy', 'sad')",
        "CREATE DOMAIN object_number AS text",
    )
    yield postgresql_url
    execute(postgresql_url, "DROP TYPE mood", "DROP DOMAIN object_number")


@pytest.mark.parametrize(("sql", "dtype", "expected"), VALUES)
def test_a_value_arrives_as_it_is_or_as_its_own_text(
    types_url: str, sql: str, dtype: Any, expected: Any, schema: Any
) -> None:
    source = DatabaseSource(url=types_url, queries={"rows": f"SELECT {sql} AS v"})
    frame = source.harvest("rows", schema(v=dtype))
    assert frame.collect_schema()["v"] == (dtype if not isinstance(expected, str) else pl.String)
    assert frame.collect().rows() == [(expected,)]


@pytest.mark.parametrize(
    ("sql", "dtype"),
    [
        ("'infinity'::date", pl.Date),
        ("'-infinity'::date", pl.Date),
        ("'0044-03-15 BC'::date", pl.Date),
        ("'12000-01-01'::date", pl.Date),
        ("'infinity'::timestamp", pl.Datetime("us")),
        ("'-infinity'::timestamptz", pl.Datetime("us", "UTC")),
        ("'294276-12-31 23:59:59.999999'::timestamp", pl.Datetime("us")),
        ("'0044-03-15 BC'::timestamptz", pl.Datetime("us", "UTC")),
    ],
)
def test_a_date_that_no_calendar_has_stops_the_harvest(
    postgresql_url: str, sql: str, dtype: Any, schema: Any
) -> None:
    query = f"SELECT {sql} AS made UNION ALL SELECT NULL"
    source = DatabaseSource(url=postgresql_url, queries={"rows": query})
    with pytest.raises(SourceError, match=r"Column 'made' of the query for 'rows' .*`made: str`"):
        source.harvest("rows", schema(made=dtype)).collect()


def test_a_table_has_the_types_that_a_query_has(
    own_database: str, execute: Any, harvested: Any
) -> None:
    execute(
        own_database,
        'CREATE TABLE "Odd ""name""" ("select" int PRIMARY KEY, "it\'s" numeric(5,2), "Title" text, '
        'title text, made date, at timestamptz, twice int GENERATED ALWAYS AS ("select" * 2) STORED)',
        "INSERT INTO \"Odd \"\"name\"\"\" VALUES (1, 1.50, 'A', 'a', '2020-02-29', '2020-01-01 00:00+01')",
    )
    columns = {
        "select": pl.Int64,
        "it's": pl.String,
        "Title": pl.String,
        "title": pl.String,
        "made": pl.Date,
        "at": pl.Datetime("us", "UTC"),
        "twice": pl.Int32,
    }
    moment = datetime(2019, 12, 31, 23, tzinfo=UTC)
    rows = harvested(own_database, 'Odd "name"', **columns)
    assert rows == [(1, "1.50", "A", "a", date(2020, 2, 29), moment, 2)]


@pytest.mark.parametrize(
    ("kind", "values", "dtype", "expected"),
    [
        ("numeric(5,2)", "999.99, -0.01, NULL, 1.5", pl.Decimal(5, 2), "999.99 -0.01 None 1.50"),
        ("numeric(5,2)", "-999.99", pl.Decimal(38, 2), "-999.99"),
        ("numeric(18,18)", f"0.{'9' * 18}", pl.Decimal(18, 18), f"0.{'9' * 18}"),
        ("numeric(18)", "-" + "9" * 18, pl.Decimal(18, 0), "-" + "9" * 18),
    ],
)
def test_a_decimal_of_up_to_18_digits_arrives_as_one(
    own_database: str,
    execute: Any,
    schema: Any,
    *,
    kind: str,
    values: str,
    dtype: Any,
    expected: str,
) -> None:
    execute(
        own_database,
        f"CREATE TABLE sizes AS SELECT v::{kind} AS height FROM unnest(ARRAY[{values}]) v",
        "CREATE VIEW shown AS SELECT * FROM sizes",
    )
    for table in ("sizes", "shown"):
        frame = DatabaseSource(url=own_database).harvest(table, schema(height=dtype))
        assert frame.collect_schema()["height"] == dtype
        assert [str(height) for height in frame.collect()["height"]] == expected.split()


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("numeric", pl.Decimal(9, 2)),
        ("numeric(19,2)", pl.Decimal(19, 2)),
        ("numeric(9,2)", pl.Decimal(8, 2)),
        ("numeric(9,3)", pl.Decimal(9, 2)),
        ("numeric(9,2)", pl.Float64),
        ("float8", pl.Decimal(9, 2)),
    ],
)
def test_any_other_decimal_arrives_as_text(
    own_database: str, kind: str, dtype: Any, execute: Any, harvested: Any
) -> None:
    execute(own_database, f"CREATE TABLE sizes AS SELECT 1.125::{kind} AS height")
    ((height,),) = harvested(own_database, "sizes", height=dtype)
    assert height in {"1.125", "1.13"}


def test_a_decimal_that_is_no_number_stops_the_harvest(
    own_database: str, execute: Any, harvested: Any
) -> None:
    execute(
        own_database,
        "CREATE TABLE sizes (height numeric(5,2), weight numeric(5,2))",
        "INSERT INTO sizes VALUES (1, 2), (1, 'NaN')",
    )
    with pytest.raises(SourceError, match=r"the columns 'height', 'weight' has 'NaN'.* as text in"):
        harvested(own_database, "sizes", height=pl.Decimal(5, 2), weight=pl.Decimal(5, 2))
    assert harvested(own_database, "sizes", weight=pl.String) == [("2.00",), ("NaN",)]


def test_changes_are_told_by_whole_decimals_too(own_database: str, execute: Any) -> None:
    execute(own_database, "CREATE TABLE edits AS SELECT 1 AS id, 3.50::numeric(9,2) AS version")
    dialect = dialect_of(own_database)
    _, version = DatabaseSource(url=own_database)._relation(dialect, "edits").columns
    assert dialect.since(version, 2) == "t.\"version\" >= '2'"
