"""A database, read table by table: one class for all of them."""

from collections.abc import Mapping
from functools import partial

import polars as pl
from pydantic import Field

from collectionflow.contract import Contract
from collectionflow.errors import CollectionflowError
from collectionflow.harvest._retry import retrying
from collectionflow.harvest._source import TableSource, choose_columns, missing_table
from collectionflow.harvest._stream import stream
from collectionflow.harvest.databases._changes import Changes, changed_rows
from collectionflow.harvest.databases._dialect import Dialect, Relation, Session, dialect_of
from collectionflow.harvest.databases._reading import Reading, batches, fault
from collectionflow.notes import Notes


class DatabaseSource(TableSource):
    """The tables, views and queries of a database: PostgreSQL, MariaDB, SQLite, SQL Server, others.

    A column comes in its contract's type where the database has exactly that type, otherwise as
    the database's own text, which a schema with `coerce = True` has storage cast strictly. A
    connection that breaks is taken up again behind the last row, where the table has a primary
    key.

    Where `changed` says which column tells when a row changed, or up to which number, a table that
    is already published is brought up to date: the rows that changed since are read, and the keys
    of all rows, so that what was deleted goes.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow.harvest import DatabaseSource
        >>> source = DatabaseSource(
        ...     url=dg.EnvVar("TMS_URL"),
        ...     tables={"objects": "dbo.Objects"},
        ...     queries={"media": "SELECT ID AS id, Path AS path FROM dbo.Media WHERE Public = 1"},
        ...     changed={"objects": "EnteredDate"},
        ... )
    """

    url: str = Field(
        repr=False,
        description="Where it is: 'postgresql://user:password@host/database'. An EnvVar.",
    )
    tables: Mapping[str, str] = Field(
        default={},
        description="Name in the database by table, where they differ; 'schema.name' if need be.",
    )
    queries: Mapping[str, str] = Field(
        default={}, description="SELECT by table, for what is no table of the database."
    )
    changed: Mapping[str, str] = Field(
        default={}, description="By table, the column that says when a row last changed."
    )
    overlap: int = Field(
        default=3600,
        ge=0,
        description="How far before the last change to begin, in seconds (or in its numbers).",
    )

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return one table, view or query as a lazy frame, read in batches when it is stored.

        Raises:
            SourceError: where the database, the table or a column is missing; while the frame is
                written, where something in it cannot be read safely.
            SourceUnavailable: where the database does not answer.
        """
        dialect = dialect_of(self.url)
        harvest = notes.begin(table, dialect.where)
        relation = retrying(partial(self._relation, dialect, table), harvest, notes)
        harvest.source = f"{dialect.where}, {relation.shown}"
        present = [column.name for column in relation.columns]
        where = f"{_capital(relation.shown)} of {dialect.where}"
        names = choose_columns(table, contract, present, where, notes)
        wanted = {name: contract.dtypes[name] for name in names}
        reading = Reading(dialect=dialect, relation=relation, wanted=wanted)
        if table in self.changed:
            changes = Changes(column=self.changed[table], overlap=self.overlap)
            changed = changed_rows(reading, changes, contract, harvest, notes)
            if changed is not None:
                return changed
        return stream(reading.schema, partial(batches, reading, harvest, notes), harvest)

    def _relation(self, dialect: Dialect, table: str) -> Relation:
        try:
            with dialect.connect() as session:
                if table in self.queries:
                    return _query(session, table, self.queries[table])
                return _table(session, dialect, self.tables.get(table, table))
        except CollectionflowError:
            raise
        except dialect.errors as error:
            raise fault(dialect, dialect.where, error) from error


def _query(session: Session, table: str, query: str) -> Relation:
    query = query.strip().rstrip(";")
    return Relation(
        shown=f"the query for '{table}'",
        # The line end keeps a last comment from swallowing the bracket.
        sql=f"({query}\n)",
        columns=session.columns(query),
    )


def _table(session: Session, dialect: Dialect, name: str) -> Relation:
    tables = session.tables()
    found = [table for table in tables if name in (table.shown, f"{table.schema}.{table.name}")]
    if not found:
        raise missing_table(name, [table.shown for table in tables], dialect.where)
    columns, key = session.describe(found[0])
    by_name = {column.name: column for column in columns}
    return Relation(
        shown=f"table '{name}'",
        sql=dialect.table_sql(found[0]),
        columns=columns,
        key=[by_name[column] for column in key],
        is_counted=not found[0].is_view,
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
