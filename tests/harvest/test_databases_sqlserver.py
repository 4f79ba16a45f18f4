"""SQL Server: the SQL and the connection string, since there is no server to ask."""

from datetime import UTC, date, datetime
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from sqlalchemy.engine import make_url

from collectionflow import SourceError
from collectionflow.harvest import DatabaseSource
from collectionflow.harvest.databases import odbc
from collectionflow.harvest.databases._dialect import Column, Relation, Table, dialect_of
from collectionflow.harvest.databases._reading import Reading
from collectionflow.harvest.databases.sqlserver import SQLServer, longest


class Objects(pa.DataFrameModel):
    id: int


SERVER = dialect_of("mssql://sa:s3;cr}et@tms.example.org:1433/TMS")


def column(kind: str) -> Column:
    return Column(name="a]b", type=kind)


@pytest.mark.parametrize(
    ("kind", "dtype", "sql", "arrives"),
    [
        ("tinyint", pl.Int64(), "t.[a]]b]", pl.Int64()),
        ("bigint", pl.Int32(), "CONVERT(nvarchar(max), t.[a]]b])", pl.String()),
        ("bit", pl.Boolean(), "t.[a]]b]", pl.Boolean()),
        ("float", pl.Float64(), "t.[a]]b]", pl.Float64()),
        ("float", pl.String(), "CONVERT(nvarchar(max), t.[a]]b], 3)", pl.String()),
        ("nvarchar", pl.Date(), "t.[a]]b]", pl.String()),
        ("ntext", pl.String(), "CONVERT(nvarchar(max), t.[a]]b])", pl.String()),
        ("decimal", pl.Decimal(12, 2), "CONVERT(nvarchar(max), t.[a]]b])", pl.String()),
        ("money", pl.Decimal(19, 4), "CONVERT(nvarchar(max), t.[a]]b], 2)", pl.String()),
        ("date", pl.Date(), "CONVERT(nvarchar(max), t.[a]]b], 126)", pl.String()),
        ("datetime2", pl.Datetime("us"), "CONVERT(nvarchar(max), t.[a]]b], 126)", pl.String()),
        ("datetimeoffset", pl.String(), "CONVERT(nvarchar(max), t.[a]]b], 126)", pl.String()),
        ("uniqueidentifier", pl.String(), "CONVERT(nvarchar(max), t.[a]]b])", pl.String()),
        ("varbinary", pl.Binary(), "t.[a]]b]", pl.Binary()),
        (
            "varbinary",
            pl.String(),
            "CONVERT(nvarchar(max), CONVERT(varbinary(max), t.[a]]b]), 1)",
            pl.String(),
        ),
        ("timestamp", pl.Int64(), "CONVERT(bigint, t.[a]]b])", pl.Int64()),
        (
            "timestamp",
            pl.String(),
            "CONVERT(nvarchar(max), CONVERT(varbinary(max), t.[a]]b]), 1)",
            pl.String(),
        ),
        ("xml", pl.String(), "CONVERT(nvarchar(max), t.[a]]b])", pl.String()),
        ("geography", pl.String(), "t.[a]]b].ToString()", pl.String()),
    ],
)
def test_a_type_is_read_without_loss(kind: str, dtype: Any, sql: str, arrives: Any) -> None:
    assert SERVER.deliver(column(kind), dtype) == (sql, arrives)


def test_a_type_without_text_of_its_own_is_refused() -> None:
    with pytest.raises(SourceError, match=r"Column 'a\]b' is a 'sql_variant'"):
        SERVER.deliver(column("sql_variant"), pl.String())


@pytest.mark.parametrize(
    ("kind", "moment", "sql"),
    [
        ("int", 5, "t.[a]]b] >= 5"),
        ("timestamp", -5, "t.[a]]b] >= CONVERT(binary(8), CONVERT(bigint, 0))"),
        (
            "datetime",
            datetime(2020, 1, 1, 10),
            "t.[a]]b] >= CONVERT(datetime2, '2020-01-01T10:00:00', 126)",
        ),
        ("date", date(2020, 1, 1), "t.[a]]b] >= CONVERT(datetime2, '2020-01-01', 126)"),
        (
            "datetimeoffset",
            datetime(2020, 1, 1, 10, tzinfo=UTC),
            "t.[a]]b] >= CONVERT(datetimeoffset, '2020-01-01T10:00:00+00:00', 126)",
        ),
        ("nvarchar", date(2020, 1, 1), None),
    ],
)
def test_changes_are_compared_whatever_the_language_is(
    kind: str, moment: Any, sql: str | None
) -> None:
    assert SERVER.since(column(kind), moment) == sql


def test_a_read_goes_on_behind_a_key_in_the_database_s_own_order() -> None:
    id_, nr, floating = (
        Column(name=n, type=t) for n, t in [("id", "int"), ("nr", "nvarchar"), ("f", "float")]
    )
    relation = Relation(
        shown="table 'dbo.Objects'",
        sql=SERVER.table_sql(Table(schema="dbo", name="Objects")),
        columns=(id_, nr, floating),
        key=(id_, nr),
        is_counted=True,
    )
    reading = Reading(dialect=SERVER, relation=relation, wanted={"nr": pl.String()})
    behind = "(t.[id] >= 7 AND (t.[id] > 7 OR t.[nr] > N'it''s'))"
    assert reading.select(["nr"], (7, "it's")) == (
        "SELECT t.[nr] AS [nr], t.[id] AS [collectionflow_key_0], "
        f"(SELECT count(*) FROM [dbo].[Objects] t WHERE {behind}) AS [collectionflow_count] "
        f"FROM [dbo].[Objects] t WHERE {behind}"
    )
    assert reading.order == "t.[id], t.[nr]"
    assert SERVER.can_order(floating) is False


def test_the_longest_value_is_asked_for_before_odbc_reads() -> None:
    assert longest("SELECT 1 AS [n]", {"n": pl.Int64()}) is None
    assert longest("SELECT ...", {"a]b": pl.String(), "n": pl.Int64(), "p": pl.Binary()}) == (
        "SELECT CAST(MAX(v.length) AS bigint) AS [longest] FROM (SELECT ...) q "
        "CROSS APPLY (VALUES (DATALENGTH(q.[a]]b])), (DATALENGTH(q.[p]))) v(length)"
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "mssql://sa:s3;cr}et@tms.example.org:1433/TMS?Encrypt=yes",
            (
                "Driver={ODBC Driver 18 for SQL Server};Server=tms.example.org,1433;Database=TMS;"
                "UID=sa;PWD={s3;cr}}et};Encrypt=yes"
            ),
        ),
        (
            "mssql://tms/TMS?driver=ODBC+Driver+17+for+SQL+Server",
            "Driver={ODBC Driver 17 for SQL Server};Server=tms;Database=TMS;Trusted_Connection=yes",
        ),
    ],
)
def test_a_connection_string_holds_any_password(url: str, expected: str) -> None:
    assert odbc.connection_string(SQLServer(make_url(url)).parts) == expected


def test_numbers_bytes_and_text_are_written_as_literals() -> None:
    assert SERVER.literal(column("decimal"), "1.5") == "1.5"
    assert SERVER.literal(column("varbinary"), "0x00FF") == "0x00FF"
    assert SERVER.literal(column("uniqueidentifier"), "it's") == "N'it''s'"


def test_a_driver_that_is_not_installed_is_told_and_not_waited_for() -> None:
    url = "mssql://sa:s3cret@tms.example.org/TMS?driver=Nowhere"
    with pytest.raises(SourceError, match=r"SQL Server database 'TMS' .*Nowhere") as error:
        DatabaseSource(url=url).harvest("objects", Objects)
    assert "s3cret" not in str(error.value)
