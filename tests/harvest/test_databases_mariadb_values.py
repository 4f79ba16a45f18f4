"""MariaDB: what arrives is what is there, whatever the type."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from collectionflow import SourceError
from collectionflow.harvest import DatabaseSource

DIGITS = "12345678901234567890123456789012345.123456789012345678901234567890"

# Declared type, what is inserted, the contract's type, what arrives.
VALUES = [
    ("tinyint", "-128", pl.Int8, -128),
    ("tinyint unsigned", "255", pl.Int64, 255),
    ("tinyint(1)", "1", pl.Boolean, 1),
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
    ("decimal(12,2)", "1.5", pl.Decimal(12, 2), Decimal("1.50")),
    ("decimal(12,2)", "NULL", pl.Decimal(12, 2), None),
    ("decimal(12,2)", "1.5", pl.Decimal(12, 3), "1.50"),
    ("decimal(18,4)", "-99999999999999.9999", pl.Decimal(18, 4), Decimal("-99999999999999.9999")),
    ("decimal(18,0) unsigned zerofill", "7", pl.Decimal(38, 0), Decimal(7)),
    ("decimal(19,2)", "1.5", pl.Decimal(19, 2), "1.50"),
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
def types_url(mariadb_url: str, execute: Any) -> Iterator[str]:
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
    types_url: str, place: int, dtype: Any, expected: Any, schema: Any
) -> None:
    frame = DatabaseSource(url=types_url).harvest("kinds", schema(**{f"c{place}": dtype}))
    # Storage casts text and whole numbers strictly, where the contract asks for it.
    arrives = {str: pl.String, int: pl.Int8 if dtype == pl.Boolean else dtype}
    assert frame.collect_schema()[f"c{place}"] == arrives.get(type(expected), dtype)
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
    mariadb_url: str, sql: str, dtype: Any, expected: Any, schema: Any
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
    mariadb_url: str, execute: Any, harvested: Any, *, sql: str, dtype: Any, shown: str
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
