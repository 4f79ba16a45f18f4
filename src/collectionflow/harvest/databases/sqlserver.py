"""SQL Server through ODBC. Untested against a server: its SQL and its connection string are tested.

The reading itself is `odbc`, which is tested with the ODBC drivers of other databases.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, Final

import polars as pl

from collectionflow.errors import SourceError
from collectionflow.harvest.databases import odbc
from collectionflow.harvest.databases._catalog import listed_columns, listed_tables
from collectionflow.harvest.databases._dialect import Column, Dialect, Schema, Session, Table

_DRIVER: Final = "ODBC Driver 18 for SQL Server"
_TABLES: Final = """
SELECT s.name AS [schema], o.name AS [name],
       CAST(CASE WHEN s.name = SCHEMA_NAME() THEN 1 ELSE 0 END AS bit) AS [is_default],
       CAST(CASE WHEN o.type = 'V' THEN 1 ELSE 0 END AS bit) AS [is_view]
FROM sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id
WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0
"""
# An alias type goes by the type that it stands for; places share one system type.
_COLUMNS: Final = """
SELECT c.name AS [name],
       CASE WHEN t.is_user_defined = 1 AND t.is_assembly_type = 0
            THEN TYPE_NAME(c.system_type_id) ELSE t.name END AS [type],
       CAST(k.key_ordinal AS bigint) AS [place]
FROM sys.columns c JOIN sys.types t ON t.user_type_id = c.user_type_id
LEFT JOIN sys.indexes i ON i.object_id = c.object_id AND i.is_primary_key = 1
LEFT JOIN sys.index_columns k ON k.object_id = c.object_id AND k.index_id = i.index_id
     AND k.column_id = c.column_id AND k.key_ordinal > 0
WHERE c.object_id = OBJECT_ID({table})
"""
_QUERY: Final = """
SELECT name AS [name], system_type_name AS [type], CAST(column_ordinal AS bigint) AS [place]
FROM sys.dm_exec_describe_first_result_set({query}, NULL, 0)
WHERE is_hidden = 0
"""
_BINARY: Final = frozenset({"binary", "varbinary", "image"})
_PLACES: Final = frozenset({"geography", "geometry", "hierarchyid"})
# Style 126 is ISO 8601, style 2 of money has four decimals, style 3 of a float has 17 digits.
_STYLES: Final = {
    **dict.fromkeys(("date", "time", "datetime2", "datetimeoffset"), 126),
    **dict.fromkeys(("datetime", "smalldatetime"), 126),
    **dict.fromkeys(("money", "smallmoney"), 2),
    **dict.fromkeys(("float", "real"), 3),
}


@dataclass(frozen=True)
class SQLServer(Dialect):
    """SQL Server 2016 or newer: `mssql://user:password@host:1433/database?driver=...`.

    `driver` is the name of an installed ODBC driver; what else stands behind the question mark is
    handed to it, such as `Encrypt=yes`. Without a user, Windows or Kerberos says who asks.
    """

    title: ClassVar[str] = "SQL Server"
    natives: ClassVar[Schema] = {
        "tinyint": pl.UInt8(),
        "smallint": pl.Int16(),
        "int": pl.Int32(),
        "bigint": pl.Int64(),
        "bit": pl.Boolean(),
        "real": pl.Float32(),
        "float": pl.Float64(),
        "char": pl.String(),
        "varchar": pl.String(),
        "nchar": pl.String(),
        "nvarchar": pl.String(),
        "sysname": pl.String(),
    } | dict.fromkeys(_BINARY, pl.Binary())
    times: ClassVar[frozenset[str]] = frozenset(
        {"date", "datetime", "smalldatetime", "datetime2", "datetimeoffset"}
    )
    numbers: ClassVar[frozenset[str]] = frozenset(
        {"tinyint", "smallint", "int", "bigint", "decimal", "numeric", "money", "smallmoney"}
    )

    @contextmanager
    def connect(self) -> Generator[Session]:
        """Open a connection through the ODBC driver."""
        yield _Session(self, odbc.connect(self.parts))

    @property
    def parts(self) -> dict[str, str]:
        """The parts of the connection string."""
        query = {key: str(value) for key, value in self.url.query.items()}
        driver = query.pop("driver", _DRIVER)
        port = f",{self.url.port}" if self.url.port else ""
        who = {"Trusted_Connection": "yes"}
        if self.url.username:
            who = {"UID": self.url.username, "PWD": str(self.url.password or "")}
        place = {"Driver": driver, "Server": f"{self.url.host}{port}"}
        return place | {"Database": self.url.database or ""} | who | query

    def deliver(self, column: Column, wanted: pl.DataType) -> tuple[str, pl.DataType]:
        """Return the version of a row as a number, so that it can say what changed."""
        if column.type in {"timestamp", "rowversion"} and wanted == pl.Int64():
            return f"CONVERT(bigint, {self.column(column)})", wanted
        return super().deliver(column, wanted)

    def text(self, column: Column) -> str:
        """Return text in the styles that lose nothing, bytes as 0x..., places as WKT."""
        name = self.column(column)
        if column.type in _PLACES:
            return f"{name}.ToString()"
        if column.type in {*_BINARY, "timestamp", "rowversion"}:
            return f"CONVERT(nvarchar(max), CONVERT(varbinary(max), {name}), 1)"
        if column.type == "sql_variant":
            message = (
                f"Column '{column.name}' is a 'sql_variant', which has no text without loss. Cast "
                "it in a query (`queries`) of the source."
            )
            raise SourceError(message)
        style = f", {_STYLES[column.type]}" if column.type in _STYLES else ""
        return f"CONVERT(nvarchar(max), {name}{style})"

    def can_order(self, column: Column) -> bool:
        """Whether a literal is exact."""
        exact = {"tinyint", "smallint", "int", "bigint", "decimal", "numeric", "uniqueidentifier"}
        return column.type in exact | {"char", "varchar", "nchar", "nvarchar", "sysname"}

    def since(self, column: Column, moment: date | int) -> str | None:
        """Return a comparison in which neither language nor date format has a say."""
        name = self.column(column)
        if isinstance(moment, int) and column.type in {"timestamp", "rowversion"}:
            return f"{name} >= CONVERT(binary(8), CONVERT(bigint, {max(moment, 0)}))"
        if isinstance(moment, int) or column.type not in self.times:
            return super().since(column, moment)
        is_zoned = isinstance(moment, datetime) and moment.tzinfo is not None
        kind = "datetimeoffset" if is_zoned else "datetime2"
        return f"{name} >= CONVERT({kind}, '{moment.isoformat()}', 126)"

    def literal(self, column: Column, text: str) -> str:
        """Return a number, bytes, or text."""
        return text if column.type in self.numbers | _BINARY else _text(text)

    def quote(self, name: str) -> str:
        """Return a name in brackets, which need no setting."""
        return "[" + name.replace("]", "]]") + "]"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What ODBC raises."""
        return odbc.errors()

    def is_lost(self, error: Exception) -> bool:
        """Whether the driver's SQLSTATE says so."""
        return odbc.is_lost(error)


@dataclass(frozen=True)
class _Session:  # pragma: no cover (no server to ask)
    dialect: SQLServer
    connection: Any

    def read(self, sql: str, schema: Schema, order: str = "") -> Iterator[pl.DataFrame]:
        ordered = f"{sql} ORDER BY {order}" if order else sql
        return odbc.read(self.connection, ordered, schema, self._longest(sql, schema))

    def columns(self, query: str) -> list[Column]:
        sql = _QUERY.format(query=_text(f"SELECT * FROM ({query}\n) t"))  # noqa: S608 (the query of the configuration)
        columns, _ = listed_columns(self, sql, order="column_ordinal")
        return [Column(name=each.name, type=each.type.split("(")[0]) for each in columns]

    def tables(self) -> list[Table]:
        return listed_tables(self, _TABLES)

    def describe(self, table: Table) -> tuple[list[Column], list[str]]:
        name = _text(self.dialect.table_sql(table))
        return listed_columns(self, _COLUMNS.format(table=name), order="c.column_id")

    def _longest(self, sql: str, schema: Schema) -> int:
        """Return the bytes of the longest value: ODBC must be told before it reads."""
        query = longest(sql, schema)
        if query is None:
            return 0
        (batch,) = odbc.read(self.connection, query, {"longest": pl.Int64()}, 0)
        return batch.item() or 0


def longest(sql: str, schema: Schema) -> str | None:
    """Return SQL for the bytes of the longest text or bytes that a SELECT finds."""
    names = [name for name, dtype in schema.items() if dtype in (pl.String(), pl.Binary())]
    if not names:
        return None
    quoted = ("[" + name.replace("]", "]]") + "]" for name in names)
    lengths = ", ".join(f"(DATALENGTH(q.{name}))" for name in quoted)
    return (
        "SELECT CAST(MAX(v.length) AS bigint) AS [longest] "  # noqa: S608 (made of quoted names)
        f"FROM ({sql}) q CROSS APPLY (VALUES {lengths}) v(length)"
    )


def _text(text: str) -> str:
    return "N'" + text.replace("'", "''") + "'"


DIALECT = SQLServer
