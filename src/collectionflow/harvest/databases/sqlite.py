"""SQLite, read by its ADBC driver where that is installed, otherwise by Python's own."""

import re
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote

import polars as pl

from collectionflow.errors import SourceError
from collectionflow.harvest.databases._arrow import arrow_errors, frame_of
from collectionflow.harvest.databases._dialect import (
    Column,
    Dialect,
    Schema,
    Session,
    Table,
    driver,
)

_BATCH_ROWS: Final = 20_000
_TABLES: Final = """
SELECT schema, name, type IN ('view', 'virtual') FROM pragma_table_list
WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND type <> 'shadow' ORDER BY name
"""
# Generated columns are hidden from the plain list.
_COLUMNS: Final = "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden IN (0, 2, 3)"
# The first that is part of a column's declared type says which values SQLite prefers there.
_AFFINITIES: Final = {
    "INT": "INTEGER",
    "CHAR": "TEXT",
    "CLOB": "TEXT",
    "TEXT": "TEXT",
    "BLOB": "BLOB",
    "REAL": "REAL",
    "FLOA": "REAL",
    "DOUB": "REAL",
}
# A row of these fixes the type of each column: the driver takes it from the first values.
_EXAMPLES: Final[Mapping[pl.DataType, str]] = {
    pl.Int64(): "0",
    pl.Float64(): "0.0",
    pl.String(): "''",
    pl.Binary(): "x''",
}


@dataclass(frozen=True)
class SQLite(Dialect):
    """A file, opened read-only. `sqlite:///relative/path` or `sqlite:////absolute/path`.

    A cell may hold a value of any type, whatever its column was declared as. So text is what a
    column gives, with all digits; whole numbers, floats and bytes come as such only where the
    column was declared so, and a cell that is something else stops the harvest.
    """

    title: ClassVar[str] = "SQLite"
    natives: ClassVar[Schema] = {
        "INTEGER": pl.Int64(),
        "REAL": pl.Float64(),
    }
    keeps_moment: ClassVar[bool] = True

    @property
    def where(self) -> str:
        """The name of the file: its folder is nobody's business."""
        return f"SQLite database '{Path(self.url.database or '').name}'"

    @contextmanager
    def connect(self) -> Generator[Session]:
        """Open the file."""
        path = Path(self.url.database or "")
        if not self.url.database or not path.is_file():
            message = (
                f"There is no database file '{path}'. Set the source's url: "
                "'sqlite:///relative/path' or 'sqlite:////absolute/path'."
            )
            raise SourceError(message)
        # From whichever thread Polars calls; who waits for a writer is `retrying`.
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        adbc = _adbc()
        with ExitStack() as stack:
            own = sqlite3.connect(uri, uri=True, check_same_thread=False, timeout=0.5)
            connection = stack.enter_context(closing(own))
            connection.execute("BEGIN")
            # This begins with what is read first.
            arrow = stack.enter_context(adbc.connect(uri)) if adbc else None
            yield _Session(connection, arrow)

    def deliver(self, column: Column, wanted: pl.DataType) -> tuple[str, pl.DataType]:
        """Return bytes too, where a column was declared as such or as text."""
        if wanted == pl.Binary() and column.type in {"BLOB", "TEXT"}:
            return f"CAST({self.column(column)} AS BLOB)", wanted
        return super().deliver(column, wanted)

    def text(self, column: Column) -> str:
        """Return text. SQLite writes 15 digits of a float: 17 or 20 where it takes them.

        Versions before 3.43 get the last digit of large and small floats wrong, and read some texts
        as the float beside. But a quotient of two whole numbers is right everywhere.
        """
        name = self.column(column)
        text = f"CAST({name} AS TEXT)"
        if column.type == "TEXT":
            return text
        digits = f"CAST(replace({text}, '.', '') AS INTEGER)"
        power = f"CAST('1e' || (length({text}) - instr({text}, '.')) AS REAL)"
        return (
            f"CASE WHEN typeof({name}) <> 'real' OR {name} = 0 THEN {text} "
            f"WHEN instr({text}, 'e') = 0 AND {digits} / {power} = {name} THEN {text} "
            f"WHEN abs({name}) BETWEEN 1e-90 AND 1e90 THEN printf('%!.17g', {name}) "
            f"ELSE printf('%!.20g', {name}) END"
        )

    def since(self, column: Column, moment: date | int) -> str:
        """Return a comparison of times as SQLite reads them; what it cannot read is taken."""
        name = self.column(column)
        if isinstance(moment, int):
            return f"CAST({name} AS NUMERIC) >= {moment}"
        # A day as a float is exact to a millisecond or so.
        first = f"julianday('{moment}') - 1.0 / 86400"
        return f"(julianday({name}) >= {first} OR julianday({name}) IS NULL)"

    def equals(self, column: Column, value: str) -> str:
        """Return a comparison as text, since 7 is not '7' to SQLite."""
        return f"{self.text(column)} = {self.literal(column, value)}"

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What the drivers raise, and Arrow while rows stream."""
        adbc = _adbc()
        return (sqlite3.Error, *([adbc.Error, *arrow_errors()] if adbc else []))

    def is_lost(self, error: Exception) -> bool:
        """Whether somebody else is writing."""
        return "database is locked" in str(error)


@dataclass(frozen=True)
class _Session:
    connection: sqlite3.Connection
    arrow: Any

    def read(self, sql: str, schema: Schema, order: str = "") -> Iterator[pl.DataFrame]:  # noqa: ARG002 (no key, no order)
        return self._arrow(sql, schema) if self.arrow else self._rows(sql, schema)

    def columns(self, query: str) -> list[Column]:
        cursor = self.connection.execute(f"SELECT * FROM ({query}\n) LIMIT 0")  # noqa: S608 (the query of the configuration)
        return [Column(name=name, type="") for name, *_ in cursor.description]

    def tables(self) -> list[Table]:
        rows = self.connection.execute(_TABLES)
        return [Table(schema=schema, name=name, is_view=bool(view)) for schema, name, view in rows]

    def describe(self, table: Table) -> tuple[list[Column], list[str]]:
        # No key is needed: a file is not lost on the way.
        rows = self.connection.execute(_COLUMNS, [table.name])
        return [Column(name=name, type=_affinity(declared)) for name, declared in rows], []

    def _arrow(self, sql: str, schema: Schema) -> Iterator[pl.DataFrame]:
        examples = ", ".join(_EXAMPLES[dtype] for dtype in schema.values())
        typed = f"SELECT {examples} UNION ALL SELECT * FROM ({sql})"  # noqa: S608 (made of quoted names)
        with self.arrow.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(_BATCH_ROWS)})
            cursor.execute(typed)
            with cursor.fetch_record_batch() as reader:
                try:
                    batches = (frame_of(batch, schema) for batch in reader)
                    yield _typed(next(batches), schema).slice(1)
                    yield from batches
                except OSError as error:
                    if place := re.search(r"mismatch in column (\d+)", str(error)):
                        raise _mixed(list(schema)[int(place[1])], schema) from error
                    raise

    def _rows(self, sql: str, schema: Schema) -> Iterator[pl.DataFrame]:
        cursor = self.connection.execute(sql)
        while rows := cursor.fetchmany(_BATCH_ROWS):
            cells = zip(schema, zip(*rows, strict=True), strict=True)
            yield pl.DataFrame([_series(name, values, schema) for name, values in cells])


def _series(name: str, values: Sequence[object], schema: Schema) -> pl.Series:
    try:
        return pl.Series(name, values, dtype=schema[name], strict=True)
    except TypeError as error:
        raise _mixed(name, schema) from error


def _typed(first: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Refuse a first batch whose values have made the driver take another type for a column."""
    for name, dtype in schema.items():
        if first.schema[name] != dtype:
            raise _mixed(name, schema)
    return first


def _mixed(name: str, schema: Schema) -> SourceError:
    what = "whole numbers" if schema[name].is_integer() else "numbers"
    return SourceError(
        f"Column '{name}' is declared for {what}, but a row holds something else there, which "
        f"SQLite allows. Take it as text in the contract (`{name}: str`), and mend it in clean."
    )


def _affinity(declared: str) -> str:
    """Return which values a column prefers, by SQLite's own rules."""
    name = declared.upper()
    return next(
        (kind for part, kind in _AFFINITIES.items() if part in name), "NUMERIC" if name else "BLOB"
    )


def _adbc() -> Any:
    """Return the ADBC driver, None where it is not installed."""
    try:
        return driver("adbc_driver_sqlite.dbapi", "sqlite")
    except SourceError:
        return None


DIALECT = SQLite
