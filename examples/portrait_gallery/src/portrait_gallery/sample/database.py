"""The sample as a database: numbers are numbers there, and what is missing is NULL."""

import tempfile
from pathlib import Path

import polars as pl

from portrait_gallery.sample.files import tables


def write_database(path: Path, object_count: int, seed: int) -> None:
    """Write the sample's tables to a new SQLite database, which takes the place of an old one."""
    from adbc_driver_sqlite import dbapi

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        partial = Path(folder, path.name)
        with dbapi.connect(str(partial)) as connection, connection.cursor() as cursor:
            for name, table in tables(object_count, seed).items():
                text = pl.col(pl.String)
                rows = table.with_columns(pl.when(~text.is_in(["", "NULL"])).then(text))
                cursor.adbc_ingest(name, rows.collect())
            connection.commit()
        partial.replace(path)
