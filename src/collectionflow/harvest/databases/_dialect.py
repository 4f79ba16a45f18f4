"""What a database says of itself so that it can be harvested. Each file here says it of one."""

import importlib
import importlib.util
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import polars as pl

from collectionflow.errors import SourceError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

Schema = Mapping[str, pl.DataType]

# A file is named after the product where a URL says it in another word.
_FILES: Final = {"mssql": "sqlserver", "mysql": "mariadb", "postgres": "postgresql"}
_SECRET: Final = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column, and its type in the database's own word for it."""

    name: str
    type: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table or a view. One in the default schema goes by its bare name."""

    schema: str
    name: str
    is_default: bool = True
    is_view: bool = False

    @property
    def shown(self) -> str:
        """The name that people use."""
        return self.name if self.is_default else f"{self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class Relation:
    """What can stand behind FROM. `key` is what its rows can be told apart and ordered by.

    A view or a query is not counted: that could cost as much as to read it.
    """

    shown: str
    sql: str
    columns: Sequence[Column]
    key: Sequence[Column] = ()
    is_counted: bool = False


class Session(Protocol):
    """An open connection that only reads."""

    def read(self, sql: str, schema: Schema, order: str = "") -> Iterator[pl.DataFrame]:
        """Yield what a SELECT finds, in batches of the columns of `schema`, sorted by `order`."""
        ...

    def columns(self, query: str) -> list[Column]:
        """Return the columns of a query, without running it to its end."""
        ...

    def tables(self) -> list[Table]:
        """Return the tables and views that there are."""
        ...

    def describe(self, table: Table) -> tuple[list[Column], list[str]]:
        """Return a table's columns, and the names of its primary key's columns in their order."""
        ...


@dataclass(frozen=True)
class Dialect(ABC):
    """One kind of database, at one URL.

    `natives` is the allow-list: the types that arrive exactly as they are, and what as. Any other
    type is cast to text by the database itself. `times` and `numbers` are the types that can be
    compared with a time or a whole number. `page_rows` is for a driver that reads ahead without
    bounds: a table with a key is asked for in statements of so many rows. `keeps_moment` is for
    sessions whose statements all see the database as it was at the first: rows are counted by a
    statement of their own then, which is cheaper than a count beside each row.
    """

    url: "URL"

    title: ClassVar[str]
    natives: ClassVar[Schema] = {}
    times: ClassVar[frozenset[str]] = frozenset()
    numbers: ClassVar[frozenset[str]] = frozenset()
    page_rows: ClassVar[int | None] = None
    keeps_moment: ClassVar[bool] = False

    @property
    def where(self) -> str:
        """Which database it is, without secrets."""
        return f"{self.title} database '{self.url.database}' on '{self.url.host}'"

    @abstractmethod
    def connect(self) -> AbstractContextManager[Session]:
        """Open a connection, with every setting that changes what a value looks like."""

    @abstractmethod
    def text(self, column: Column) -> str:
        """Return SQL for a column as the database's own text, with nothing lost."""

    @property
    @abstractmethod
    def errors(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""

    @abstractmethod
    def is_lost(self, error: Exception) -> bool:
        """Whether a connection was lost or could not be had, so that another may do better."""

    def deliver(self, column: Column, wanted: pl.DataType) -> tuple[str, pl.DataType]:
        """Return SQL for a column, and the type in which it arrives: `wanted`, or text."""
        native = self.natives.get(column.type)
        if native is not None and holds(wanted, native):
            return self.column(column), wanted
        text = self.column(column) if native == pl.String() else self.text(column)
        return text, pl.String()

    def can_order(self, column: Column) -> bool:  # noqa: ARG002 (others need it)
        """Whether ORDER BY and > agree on a column of a key, and a literal is exact there."""
        return True

    def since(self, column: Column, moment: date | int) -> str | None:
        """Return SQL for rows whose column is at or after a moment, None where it has none."""
        known = self.numbers if isinstance(moment, int) else self.times
        if column.type.partition("(")[0] not in known:
            return None
        return f"{self.column(column)} >= {self.literal(column, str(moment))}"

    def equals(self, column: Column, value: str) -> str:
        """Return SQL for rows that have a value, given as its text, in a column."""
        return f"{self.column(column)} = {self.literal(column, value)}"

    def literal(self, column: Column, text: str) -> str:  # noqa: ARG002 (others need it)
        """Return SQL for a value of a column, from its text."""
        return "'" + text.replace("'", "''") + "'"

    def column(self, column: Column) -> str:
        """Return SQL for a column of the relation, which every SELECT calls `t`."""
        return f"t.{self.quote(column.name)}"

    def quote(self, name: str) -> str:
        """Return a name as it is written in SQL, exactly as it is."""
        return '"' + name.replace('"', '""') + '"'

    def table_sql(self, table: Table) -> str:
        """Return what stands behind FROM for a table."""
        return f"{self.quote(table.schema)}.{self.quote(table.name)}"

    def hidden(self, error: Exception) -> str:
        """Return what a driver says without the URL's secrets, on one line."""
        told = str(error)
        more = [value for key, value in self.url.query.items() if _SECRET.search(key)]
        for secret in filter(None, map(str, [self.url.password or "", *more])):
            told = told.replace(secret, "***")
        return " ".join(told.split())[:500].rstrip(".")


def is_passing(error: Exception, lost: re.Pattern[str], never: re.Pattern[str]) -> bool:
    """Whether what an error says is a fault that passes, and none of those that never do."""
    told = str(error)
    return bool(lost.search(told)) and not never.search(told)


def holds(wanted: pl.DataType, native: pl.DataType) -> bool:
    """Whether each value of `native` is one of `wanted`: the same type, or a wider integer."""
    if not (native.is_integer() and wanted.is_integer()):
        return wanted == native
    low, high = _range(native)
    wanted_low, wanted_high = _range(wanted)
    return wanted_low <= low and high <= wanted_high


def _range(integer: pl.DataType) -> tuple[int, int]:
    name = str(integer)
    bits = int(name.lstrip("UInt"))
    return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def dialect_of(url: str) -> Dialect:
    """Return the database of a URL such as `postgresql://user:password@host/database`.

    A URL that names a driver as well (`oracle+oracledb://...`) is read through SQLAlchemy with it,
    and so is a database that has no file of its own here.

    Raises:
        SourceError: where the URL is none, or what reads it is not installed.
    """
    # Its import takes longer than all the rest of this package, and only databases need it.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        message = (
            "The database URL cannot be read. Expected a form such as "
            "'postgresql://user:password@host/database' or 'sqlite:///path/to/file'."
        )
        raise SourceError(message) from None  # The cause would show the URL.
    name = f"{__package__}.{_FILES.get(parsed.drivername, parsed.drivername)}"
    is_there = parsed.drivername.isidentifier() and importlib.util.find_spec(name)
    module = importlib.import_module(name) if is_there else None
    if not hasattr(module, "DIALECT"):
        module = importlib.import_module(f"{__package__}.sqlalchemy")
    return module.DIALECT(parsed)


def driver(module: str, extra: str) -> Any:
    """Return the module of a driver, which reads into Arrow.

    Raises:
        SourceError: where it is not installed, with the extra that installs it.
    """
    try:
        importlib.import_module("pyarrow")
        return importlib.import_module(module)
    except ImportError as error:
        message = (
            f"'{error.name}' is not installed, without which this database cannot be read. Install "
            f"it: uv add 'collectionflow[{extra}]'."
        )
        raise SourceError(message) from error
