"""The sample as a database: numbers are numbers there, and what is missing is NULL."""

import tempfile
from pathlib import Path
from typing import Any

from portrait_gallery.sample.files import tables
from portrait_gallery.sample.missing import blank_as_null


def write_database(url: str, object_count: int, seed: int) -> None:
    """Write the sample's tables to a database, in the place of tables of the same names.

    `url` is `sqlite:////path/to/file`, a new file that takes the place of an old one, or
    `postgresql://user@host/database`, where all tables appear in one transaction.
    """
    if not url.startswith("sqlite:///"):
        from adbc_driver_postgresql import dbapi

        _write(dbapi, url, object_count, seed)
        return
    from adbc_driver_sqlite import dbapi as sqlite

    path = Path(url.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        partial = Path(folder, path.name)
        _write(sqlite, str(partial), object_count, seed)
        partial.replace(path)


def _write(driver: Any, address: str, object_count: int, seed: int) -> None:
    with driver.connect(address) as connection, connection.cursor() as cursor:
        for name, table in tables(object_count, seed).items():
            cursor.adbc_ingest(name, blank_as_null(table).collect(), mode="replace")
        connection.commit()
