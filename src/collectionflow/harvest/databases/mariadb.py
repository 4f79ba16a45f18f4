"""MariaDB and MySQL, streamed by connectorx. Tested against MariaDB 10.11."""

import re
import socket
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Final

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

_PORT: Final = 3306
_CONNECT_SECONDS: Final = 30.0
_BATCH_ROWS: Final = 20_000
# Times in UTC, and no limits on a long read. What is in comments is for MariaDB and MySQL alone.
_SETTINGS: Final = (
    (
        "SET time_zone = '+00:00', net_write_timeout = 3600, net_read_timeout = 3600"
        " /*M!100100 , max_statement_time = 0 */ /*!50708 , max_execution_time = 0 */"
    ),
    "SET SESSION TRANSACTION READ ONLY",
)
_TABLES: Final = """
SELECT table_schema AS `schema`, table_name AS `name`,
       table_schema <=> DATABASE() AS `is_default`, table_type <> 'BASE TABLE' AS `is_view`
FROM information_schema.tables
WHERE table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
"""
_COLUMNS: Final = """
SELECT c.column_name AS `name`,
       CONCAT(
         IF(c.data_type = 'decimal', SUBSTRING_INDEX(c.column_type, ' ', 1), c.data_type),
         IF(c.column_type LIKE '% unsigned%', ' unsigned', '')
       ) AS `type`,
       k.ordinal_position AS `place`
FROM information_schema.columns c
LEFT JOIN information_schema.key_column_usage k
  ON k.constraint_name = 'PRIMARY' AND k.table_schema = c.table_schema
 AND k.table_name = c.table_name AND k.column_name = c.column_name
WHERE c.table_schema = {schema} AND c.table_name = {name}
"""
_TEXT: Final = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_BINARY: Final = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_PLACES: Final = frozenset(
    {
        *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"),
        *("multipolygon", "geometrycollection", "geomcollection"),
    }
)
_DECIMAL: Final = re.compile(r"decimal\((\d+),(\d+)\)( unsigned)?")
_LOST: Final = re.compile(
    r"Could not connect|IO error|timed out waiting|Connection (refused|reset)|lookup address|"
    r"ERROR (1040|1053|1152|1158|1159|1160|1161|1205|1213|1317|1927|2006|2013)\b|Broken pipe"
)
_NEVER: Final = re.compile(r"ERROR (1044|1045|1049|1130|1227|1698)\b")
_NO_DATE: Final = re.compile(r"convert the value `\w+\(\"(.*?)\"\)`")


class StreamError(Exception):
    """What connectorx says where it panics; a panic itself is no ordinary exception."""


@dataclass(frozen=True)
class MariaDB(Dialect):
    """`mysql://` or `mariadb://user:password@host:3306/database`."""

    title: ClassVar[str] = "MariaDB"
    natives: ClassVar[Schema] = {
        "tinyint": pl.Int8(),
        "tinyint unsigned": pl.UInt8(),
        "smallint": pl.Int16(),
        "smallint unsigned": pl.UInt16(),
        "mediumint": pl.Int32(),
        "mediumint unsigned": pl.UInt32(),
        "int": pl.Int32(),
        "int unsigned": pl.UInt32(),
        "bigint": pl.Int64(),
        "bigint unsigned": pl.UInt64(),
        "double": pl.Float64(),
        **dict.fromkeys(_TEXT, pl.String()),
        **dict.fromkeys(_BINARY, pl.Binary()),
        "date": pl.Date(),
        "datetime": pl.Datetime("us"),
        # What arrives is in the session's zone, which is UTC.
        "timestamp": pl.Datetime("us", "UTC"),
    }
    times: ClassVar[frozenset[str]] = frozenset({"date", "datetime", "timestamp"})
    numbers: ClassVar[frozenset[str]] = frozenset(
        {
            *("tinyint", "smallint", "mediumint", "int", "bigint", "decimal"),
            *("tinyint unsigned", "smallint unsigned", "mediumint unsigned", "int unsigned"),
            *("bigint unsigned", "decimal unsigned"),
        }
    )
    page_rows: ClassVar[int | None] = 100_000

    @contextmanager
    def connect(self) -> Generator[Session]:
        """Make sure that somebody listens: connectorx would try for half a minute."""
        connectorx = driver("connectorx", "mariadb")
        address = (self.url.host or "localhost", self.url.port or _PORT)
        with closing(socket.create_connection(address, timeout=_CONNECT_SECONDS)):
            pass
        uri = self.url.set(drivername="mysql").render_as_string(hide_password=False)
        yield _Session(connectorx, uri)

    def deliver(self, column: Column, wanted: pl.DataType) -> tuple[str, pl.DataType]:
        """Return floats as doubles, decimals as how many of the last digit, tinyint as it is."""
        name, declared = self.column(column), _DECIMAL.fullmatch(column.type)
        if column.type == "float" and wanted == pl.Float64():
            return f"CAST({name} AS DOUBLE)", wanted
        if column.type.startswith("tinyint") and wanted == pl.Boolean():
            return name, self.natives[column.type]
        if declared and isinstance(wanted, pl.Decimal):
            precision, scale = map(int, declared.groups()[:2])
            if precision <= min(wanted.precision, DECIMAL_DIGITS) and scale == wanted.scale:
                return f"CAST({name} * {10**scale} AS SIGNED)", wanted
        return super().deliver(column, wanted)

    def text(self, column: Column) -> str:
        """Return text, timestamps with their zone, bytes as 0x..., places as WKT."""
        name = self.column(column)
        if column.type in _BINARY:
            return f"CONCAT('0x', HEX({name}))"
        if column.type in _PLACES:
            return f"ST_AsText({name})"
        if column.type == "bit":
            return f"CAST(CAST({name} AS UNSIGNED) AS CHAR)"
        if column.type == "timestamp":
            return f"CONCAT({name}, '+00:00')"
        if column.type == "float":  # Its own text has six digits.
            return f"CAST(CAST({name} AS DOUBLE) AS CHAR)"
        return f"CAST({name} AS CHAR)"

    def can_order(self, column: Column) -> bool:
        """Whether a literal is exact: an enum is sorted by place, and compared by name."""
        exact = (set(self.natives) | self.numbers) - {"double", "timestamp"}
        return _kind(column) in exact

    def since(self, column: Column, moment: date | int) -> str | None:
        """Return a comparison in the session's zone, which is UTC."""
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return super().since(column, moment)

    def literal(self, column: Column, text: str) -> str:
        """Return a number, bytes, or text in which no backslash and no quote means anything."""
        if _kind(column) in self.numbers or column.type in _BINARY:
            return text
        return _text(text)

    def quote(self, name: str) -> str:
        """Return a name in backticks, which need no setting."""
        return "`" + name.replace("`", "``") + "`"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What connectorx raises, and the socket."""
        return (RuntimeError, StreamError, *arrow_errors())

    def is_lost(self, error: Exception) -> bool:
        """Whether the server went away or could not be reached."""
        return isinstance(error, OSError) or is_passing(error, _LOST, _NEVER)


@dataclass(frozen=True)
class _Session:
    connectorx: Any
    uri: str

    def read(self, sql: str, schema: Schema, order: str = "") -> Iterator[pl.DataFrame]:
        with closing(self._open(f"{sql} ORDER BY {order}" if order else sql)) as reader:
            try:
                while (batch := _next(reader)) is not None:
                    yield frame_of(batch, schema)
            except StreamError as error:
                if value := _NO_DATE.search(str(error)):
                    raise _no_date(value[1], schema) from error
                raise

    def columns(self, query: str) -> list[Column]:
        import pyarrow as pa

        kinds = {
            pa.string(): "text",
            pa.large_binary(): "blob",
            pa.float32(): "float",
            pa.float64(): "double",
            pa.int8(): "tinyint",
            pa.uint8(): "tinyint unsigned",
            pa.int16(): "smallint",
            pa.uint16(): "smallint unsigned",
            pa.int32(): "int",
            pa.uint32(): "int unsigned",
            pa.int64(): "bigint",
            pa.uint64(): "bigint unsigned",
        }
        sql = f"SELECT * FROM ({query}\n) t LIMIT 0"  # noqa: S608 (the query of the configuration)
        with closing(self._open(sql)) as reader:
            return [Column(name=each.name, type=kinds.get(each.type, "")) for each in reader.schema]

    def tables(self) -> list[Table]:
        return listed_tables(self, _TABLES)

    def describe(self, table: Table) -> tuple[list[Column], list[str]]:
        names = {"schema": _text(table.schema), "name": _text(table.name)}
        return listed_columns(self, _COLUMNS.format(**names), order="c.ordinal_position")

    def _open(self, sql: str) -> Any:
        try:
            return self.connectorx.read_sql(
                self.uri,
                sql,
                return_type="arrow_stream",
                batch_size=_BATCH_ROWS,
                pre_execution_query=list(_SETTINGS),
            )
        except BaseException as error:  # noqa: BLE001 (a panic is no ordinary exception)
            raise _ordinary(error) from None


def _next(reader: Any) -> Any:
    try:
        return next(reader, None)
    except BaseException as error:  # noqa: BLE001 (likewise)
        raise _ordinary(error) from None


def _ordinary(error: BaseException) -> BaseException:
    """Return a panic as an exception: it is none, so that nobody would catch it."""
    return StreamError(str(error)) if type(error).__name__ == "PanicException" else error


def _no_date(value: str, schema: Schema) -> SourceError:
    dates = [name for name, dtype in schema.items() if dtype.is_temporal()]
    return SourceError(
        f"One of the columns {quoted(dates)} has a date that no calendar has: {value}. Take it as "
        "text in the contract (`str`): it is then kept as the database writes it."
    )


def _kind(column: Column) -> str:
    """Return a column's type without its digits."""
    return re.sub(r"\(.*\)", "", column.type)


def _text(text: str) -> str:
    return f"_utf8mb4 X'{text.encode().hex()}'"


DIALECT = MariaDB
