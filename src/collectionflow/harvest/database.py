"""A database, read table by table. SQLite for now."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import quote

import polars as pl
from pydantic import Field
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._source import TableSource, choose_columns, missing_table
from collectionflow.harvest._stream import stream
from collectionflow.notes import Notes

_BATCH_ROWS = 20_000


class DatabaseSource(TableSource):
    """A SQLite database. `url` is `sqlite:///relative/path` or `sqlite:////absolute/path`.

    Cells arrive as text, since a SQLite column may hold values of any type; numbers keep all
    their digits. A schema with `coerce = True` has storage cast them strictly.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow.harvest import DatabaseSource
        >>> source = DatabaseSource(url=dg.EnvVar("TMS_URL"), tables={"objects": "dbo_Objects"})
    """

    url: str = Field(description="The database; an EnvVar where it holds a password.")
    tables: Mapping[str, str] = Field(
        default={}, description="Name in the database by table, where they differ."
    )

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return one table or view as a lazy frame of text, read in batches when it is stored.

        Raises:
            SourceError: where the database, the table or a column is missing; while the frame is
                written, where the database cannot be read.
        """
        path = _sqlite_path(self.url)
        name = self.tables.get(table, table)
        with closing(_connect(path)) as connection:
            names = _names(connection)
            if name not in names:
                raise missing_table(name, names, f"'{path.name}'")
            present = _columns(connection, name)
        where = f"Table '{name}' of '{path.name}'"
        columns = choose_columns(table, contract, present, where, notes)
        harvest = notes.begin(table, f"{path.name} (SQLite, table '{name}')")
        schema = dict.fromkeys(columns, pl.String())
        return stream(schema, partial(_batches, path, name), harvest)


def _sqlite_path(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        message = "The database URL cannot be read. Expected the form 'sqlite:///path/to/file'."
        raise SourceError(message) from error
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        message = (
            f"Databases of the kind '{parsed.get_backend_name()}' are not supported yet. Expected "
            "'sqlite:///path/to/file'."
        )
        raise SourceError(message)
    return Path(parsed.database)


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        message = f"There is no database file '{path}'. Set the source's url."
        raise SourceError(message)
    # Read-only, and from whichever thread Polars calls.
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def _names(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
    try:
        return [name for (name,) in connection.execute(query)]
    except sqlite3.DatabaseError as error:
        message = f"The file is not a SQLite database that can be read: {error}."
        raise SourceError(message) from error


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", [table])
    return [name for (name,) in rows]


def _batches(path: Path, table: str, wanted: list[str]) -> Iterator[pl.DataFrame]:
    schema = dict.fromkeys(wanted, pl.String())
    query = f"SELECT {', '.join(map(_as_text, wanted))} FROM {_quoted(table)}"  # noqa: S608 (quoted)
    with closing(_connect(path)) as connection:
        try:
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(_BATCH_ROWS):
                yield pl.DataFrame(rows, schema=schema, orient="row")
        except sqlite3.Error as error:
            message = f"Table '{table}' of '{path.name}' cannot be read to its end: {error}."
            raise SourceError(message) from error


def _as_text(name: str) -> str:
    """Return SQL for a cell as text. SQLite writes 15 digits of a float: 17 where it takes them."""
    column = _quoted(name)
    text = f"CAST({column} AS TEXT)"
    return (
        f"CASE WHEN typeof({column}) = 'real' AND CAST({text} AS REAL) <> {column} "
        f"THEN printf('%!.17g', {column}) ELSE {text} END"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
