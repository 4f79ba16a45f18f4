"""Tables and columns as a database's own catalog lists them."""

import polars as pl

from collectionflow.harvest.databases._dialect import Column, Schema, Session, Table

_TABLES: Schema = {
    "schema": pl.String(),
    "name": pl.String(),
    "is_default": pl.Boolean(),
    "is_view": pl.Boolean(),
}
_COLUMNS: Schema = {"name": pl.String(), "type": pl.String(), "place": pl.Int64()}


def listed_tables(session: Session, sql: str) -> list[Table]:
    """Return the tables that SQL lists by schema, name, is_default and is_view."""
    return [Table(**row) for batch in session.read(sql, _TABLES) for row in batch.to_dicts()]


def listed_columns(session: Session, sql: str, order: str) -> tuple[list[Column], list[str]]:
    """Return the columns that SQL lists by name, type and place in the key, and the key's names."""
    rows = [row for batch in session.read(sql, _COLUMNS, order) for row in batch.rows()]
    key = sorted((place, name) for name, _, place in rows if place is not None)
    return [Column(name=name, type=kind) for name, kind, _ in rows], [name for _, name in key]
