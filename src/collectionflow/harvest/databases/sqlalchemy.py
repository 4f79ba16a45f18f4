"""Any other database, read row by row through its SQLAlchemy dialect."""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final
from uuid import UUID

import polars as pl
import sqlalchemy as sa
from sqlalchemy import exc

from collectionflow.errors import SourceError
from collectionflow.harvest.databases._dialect import Column, Dialect, Schema, Session, Table

_BATCH_ROWS: Final = 20_000
# What waiting does not cure, in the words of the drivers.
_NEVER: Final = re.compile(
    r"password|authentic|login|access denied|does not exist|no such|unknown database|"
    r"unable to open",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class AnyDatabase(Dialect):
    """A database that SQLAlchemy knows, by the driver that the URL names or that is its usual one.

    Values come as the driver's Python objects. Whole numbers, floats, truth values, text and bytes
    come as such where the contract says so; what else can be written exactly comes as text.
    """

    title: ClassVar[str] = "SQL"
    natives: ClassVar[Schema] = {
        "int": pl.Int64(),
        "float": pl.Float64(),
        "bool": pl.Boolean(),
        "str": pl.String(),
        "bytes": pl.Binary(),
    }
    times: ClassVar[frozenset[str]] = frozenset({"date", "datetime"})
    numbers: ClassVar[frozenset[str]] = frozenset({"int", "Decimal"})

    @property
    def where(self) -> str:
        """Which database it is, by the name that its URL gives it."""
        host = f" on '{self.url.host}'" if self.url.host else ""
        return f"{self.url.get_backend_name()} database '{self.url.database}'{host}"

    @cached_property
    def engine(self) -> sa.Engine:
        """Where connections come from, each of its own."""
        try:
            return sa.create_engine(self.url, poolclass=sa.NullPool)
        except exc.NoSuchModuleError as error:
            message = (
                f"'{self.url.drivername}' is no database that is known here. Expected the URL of "
                "PostgreSQL, MariaDB, MySQL, SQLite or SQL Server, or of a database whose "
                "SQLAlchemy dialect is installed."
            )
            raise SourceError(message) from error
        except ImportError as error:
            message = (
                f"To read '{self.url.drivername}', its driver '{error.name}' must be installed."
            )
            raise SourceError(message) from error

    @contextmanager
    def connect(self) -> Generator[Session]:
        """Open a connection whose rows stream, where its driver can."""
        with self.engine.connect() as connection:
            yield _Session(connection.execution_options(stream_results=True, no_parameters=True))

    def text(self, column: Column) -> str:
        """Return the column as it is: Python writes its values."""
        return self.column(column)

    def since(self, column: Column, moment: date | int) -> str | None:
        """Return a comparison with a literal as this database writes it."""
        known = self.numbers if isinstance(moment, int) else self.times
        if column.type not in known:
            return None
        literal = sa.literal(moment).compile(
            dialect=self.engine.dialect, compile_kwargs={"literal_binds": True}
        )
        return f"{self.column(column)} >= {literal}"

    def literal(self, column: Column, text: str) -> str:
        """Return a number as it is, and text in quotes."""
        return text if column.type in self.numbers else super().literal(column, text)

    def quote(self, name: str) -> str:
        """Return a name as this database writes it."""
        return self.engine.dialect.identifier_preparer.quote_identifier(name)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What SQLAlchemy raises, which wraps what its drivers do."""
        return (exc.SQLAlchemyError,)

    def is_lost(self, error: Exception) -> bool:
        """Whether SQLAlchemy knows the connection to be gone, or it could not be made."""
        if not isinstance(error, exc.DBAPIError):
            return False
        could_not = isinstance(error, exc.OperationalError) and error.statement is None
        return (error.connection_invalidated or could_not) and not _NEVER.search(str(error.orig))

    def hidden(self, error: Exception) -> str:
        """Return what the driver itself says, without SQLAlchemy's advice."""
        return super().hidden(getattr(error, "orig", None) or error)


@dataclass(frozen=True)
class _Session:
    connection: sa.Connection

    def read(self, sql: str, schema: Schema, order: str = "") -> Iterator[pl.DataFrame]:
        result = self.connection.exec_driver_sql(f"{sql} ORDER BY {order}" if order else sql)
        with result:
            for rows in result.partitions(_BATCH_ROWS):
                cells = zip(schema.items(), zip(*rows, strict=True), strict=True)
                yield pl.DataFrame([_series(name, dtype, each) for (name, dtype), each in cells])

    def columns(self, query: str) -> list[Column]:
        sql = f"SELECT * FROM ({query}\n) t WHERE 1 = 0"  # noqa: S608 (the query of the configuration)
        with self.connection.exec_driver_sql(sql) as found:
            return [Column(name=name, type="") for name in found.keys()]  # noqa: SIM118 (no dict)

    def tables(self) -> list[Table]:
        inspector = sa.inspect(self.connection)
        default = inspector.default_schema_name
        listings = ((False, inspector.get_table_names), (True, inspector.get_view_names))
        return [
            Table(schema=schema, name=name, is_default=schema == default, is_view=is_view)
            for schema in inspector.get_schema_names()
            for is_view, names in listings
            for name in names(schema=schema)
        ]

    def describe(self, table: Table) -> tuple[list[Column], list[str]]:
        # No key, since no literal is known to be exact everywhere.
        found = sa.inspect(self.connection).get_columns(table.name, schema=table.schema)
        return [Column(name=each["name"], type=_kind(each["type"])) for each in found], []


def _kind(kind: Any) -> str:
    """Return the name of the Python type that a column's values have, empty where it is unknown."""
    try:
        return kind.python_type.__name__
    except NotImplementedError:
        return ""


def _series(name: str, dtype: pl.DataType, values: Sequence[object]) -> pl.Series:
    try:
        return pl.Series(name, values, dtype=dtype, strict=True)
    except (TypeError, OverflowError) as error:
        if dtype == pl.String():
            return pl.Series(name, [_text(name, value) for value in values], dtype=dtype)
        message = (
            f"Column '{name}' was declared for {dtype}, but a row holds something else. Take it as "
            f"text in the contract (`{name}: str`)."
        )
        raise SourceError(message) from error


def _text(name: str, value: object) -> str | None:  # noqa: PLR0911 (one a type)
    """Return a value as text from which it could be made again."""
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case int() | UUID():
            return str(value)
        case float():
            return repr(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return f"0x{bytes(value).hex()}"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    message = (
        f"Column '{name}' holds values of the driver's own type '{type(value).__name__}', which "
        "cannot be written exactly. Cast it to text in a query (`queries`) of the source."
    )
    raise SourceError(message)


DIALECT = AnyDatabase
