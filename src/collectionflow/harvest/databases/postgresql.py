"""PostgreSQL, read as binary COPY by its ADBC driver."""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

import polars as pl

from collectionflow.errors import SourceError
from collectionflow.harvest.databases._arrow import DECIMAL_DIGITS, arrow_errors, frame_of
from collectionflow.harvest.databases._catalog import listed_columns, listed_tables
from collectionflow.harvest.databases._dialect import (
    Column,
    Dialect,
    Schema,
    Session,
    Table,
    driver,
    is_passing,
)
from collectionflow.markdown import quoted

_DRIVER: Final = "adbc_driver_postgresql.dbapi"
# All that changes how a value is written, and all that would end a long read.
_SETTINGS: Final = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "on",
}
# Half of the default: it costs no time, and less memory.
_BATCH: Final = {"adbc.postgresql.batch_size_hint_bytes": str(8 << 20)}
_TABLES: Final = """
SELECT n.nspname::text AS "schema", c.relname::text AS "name",
       pg_table_is_visible(c.oid) AS "is_default", c.relkind NOT IN ('r', 'p', 'm') AS "is_view"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%'
"""
_COLUMNS: Final = """
SELECT a.attname::text AS "name",
       format_type(a.atttypid, CASE WHEN a.atttypid = 'numeric'::regtype THEN a.atttypmod END)
       AS "type",
       array_position(i.indkey::int2[], a.attnum)::int8 AS "place"
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""
_DECIMAL: Final = re.compile(r"numeric\((\d+),(\d+)\)")
_LOST: Final = re.compile(
    r"server closed|terminating connection|\bFATAL:|SSL|could not (connect|receive|send|translate)|"
    r"[Cc]onnection (refused|reset|timed out)|timeout expired|conflict with recovery|"
    r"No route to host|Network is unreachable"
)
_NEVER: Final = re.compile(
    r"authentication|does not exist|no pg_hba|not permitted|permission denied|no password|"
    r"certificate|FATAL:\s+invalid"
)


@dataclass(frozen=True)
class PostgreSQL(Dialect):
    """PostgreSQL 12 or newer. `postgresql://user:password@host:5432/database`."""

    title: ClassVar[str] = "PostgreSQL"
    natives: ClassVar[Schema] = {
        "smallint": pl.Int16(),
        "integer": pl.Int32(),
        "bigint": pl.Int64(),
        "real": pl.Float32(),
        "double precision": pl.Float64(),
        "boolean": pl.Boolean(),
        "text": pl.String(),
        "character varying": pl.String(),
        "character": pl.String(),
        "name": pl.String(),
        "bytea": pl.Binary(),
        "date": pl.Date(),
        "timestamp without time zone": pl.Datetime("us"),
        "timestamp with time zone": pl.Datetime("us", "UTC"),
    }
    times: ClassVar[frozenset[str]] = frozenset(
        {"date", "timestamp without time zone", "timestamp with time zone"}
    )
    numbers: ClassVar[frozenset[str]] = frozenset({"smallint", "integer", "bigint", "numeric"})
    keeps_moment: ClassVar[bool] = True

    @contextmanager
    def connect(self) -> Generator[Session]:
        """Open a connection in UTC, with ISO dates and all digits, without timeouts."""
        settings = ", ".join(f"set_config('{k}', '{v}', false)" for k, v in _SETTINGS.items())
        with driver(_DRIVER, "postgresql").connect(self.uri, autocommit=True) as connection:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT {settings}")
                cursor.fetchall()
                cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield _Session(self, connection)

    @property
    def uri(self) -> str:
        """The URL as libpq reads it: to it, a plus is no space, and a space is none."""
        plain = self.url.set(drivername="postgresql", query={})
        query = urlencode(self.url.query, doseq=True, quote_via=quote)
        return plain.render_as_string(hide_password=False).replace(" ", "%20") + f"?{query}"

    def deliver(self, column: Column, wanted: pl.DataType) -> tuple[str, pl.DataType]:
        """Return a decimal as how many of its last digit it has: cheaper than text, and exact."""
        declared = _DECIMAL.fullmatch(column.type)
        if declared and isinstance(wanted, pl.Decimal):
            precision, scale = map(int, declared.groups())
            if precision <= min(wanted.precision, DECIMAL_DIGITS) and scale == wanted.scale:
                return f"({self.column(column)} * {10**scale})::bigint", wanted
        return super().deliver(column, wanted)

    def text(self, column: Column) -> str:
        """Return a cast to text: it writes what the type's own output writes."""
        return f"{self.column(column)}::text"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises: its own errors, and Arrow's while rows stream."""
        return (driver(_DRIVER, "postgresql").Error, *arrow_errors())

    def is_lost(self, error: Exception) -> bool:
        """Whether libpq says so: it has no code for what happens before and between answers."""
        return is_passing(error, _LOST, _NEVER)


@dataclass(frozen=True)
class _Session:
    dialect: PostgreSQL
    connection: Any

    def read(self, sql: str, schema: Schema, order: str = "") -> Iterator[pl.DataFrame]:
        ordered = f"{sql} ORDER BY {order}" if order else sql
        # A cursor must be closed before its connection, also when nobody reads on.
        with self.connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**_BATCH)
            try:
                cursor.execute(ordered)
                with cursor.fetch_record_batch() as reader:
                    for batch in reader:
                        yield frame_of(batch, schema)
            except self.dialect.errors as error:
                if "cannot convert NaN" in str(error):
                    raise _no_number(schema) from error
                raise

    def columns(self, query: str) -> list[Column]:
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({query}\n) t LIMIT 0")  # noqa: S608 (the query of the configuration)
            names = cursor.fetch_record_batch().schema.names
            # By place, since a query may give a name twice. No row of the query is asked for.
            places = [f"c{place}" for place in range(len(names))]
            kinds = ", ".join(f"pg_typeof(t.{place})::text" for place in places)
            cursor.execute(
                f"SELECT {kinds} FROM (SELECT 1) one LEFT JOIN ({query}\n) "  # noqa: S608 (likewise)
                f"t({', '.join(places)}) ON false"
            )
            (types,) = cursor.fetchall()
        return [Column(name=name, type=kind) for name, kind in zip(names, types, strict=True)]

    def tables(self) -> list[Table]:
        return listed_tables(self, _TABLES)

    def describe(self, table: Table) -> tuple[list[Column], list[str]]:
        name = self.dialect.literal(Column(name="", type="text"), self.dialect.table_sql(table))
        return listed_columns(self, _COLUMNS.format(table=name), order="a.attnum")


def _no_number(schema: Schema) -> SourceError:
    decimals = [name for name, dtype in schema.items() if dtype.is_decimal()]
    return SourceError(
        f"One of the columns {quoted(decimals)} has 'NaN', which is no decimal. Take it as text in "
        "the contract (`str`): it is then kept as the database writes it."
    )


DIALECT = PostgreSQL
