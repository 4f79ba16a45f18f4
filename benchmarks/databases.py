"""What it costs to harvest a table of a database, beside dlt reading it by its fastest backend.

Run: make bench ONLY=databases
dlt asks for these two drivers to look at a table before connectorx reads it.
"""

import hashlib
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

from _measure import compare

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

ROWS: Final = 1_000_000
MANY_ROWS: Final = 4 * ROWS
LIMIT: Final = "Limit: ours at most 0.75 of the peer's CPU s."

POSTGRESQL: Final = """
CREATE TABLE {table} AS SELECT
  n::bigint AS id,
  concat('NPG ', n % 7000, '.', n) AS object_number,
  concat_ws(' ', 'Portrait of', md5(n::text), md5((n + 1)::text)) AS title,
  CASE WHEN n % 7 > 0 THEN repeat(md5((n * 3)::text), 4) END AS description,
  1500 + n % 500 AS year_begin,
  1505 + n % 500 AS year_end,
  date '1856-12-02' + n % 60000 AS acquired,
  timestamptz '2015-01-01 00:00+00' + n % 300000 * interval '17 minutes' AS changed,
  (n % 100000 / 100.0)::numeric(12, 2) AS height,
  n % 5 = 0 AS on_view,
  n * 0.37::float8 AS weight,
  concat('Given by ', md5((n % 5000)::text), ' in memory of the founders of the gallery') AS credit
FROM generate_series(1, {rows}) n;
ALTER TABLE {table} ADD PRIMARY KEY (id);
ANALYZE {table};
"""
MARIADB: Final = """
CREATE TABLE {table} (
  id bigint PRIMARY KEY, object_number varchar(40), title varchar(200), description text,
  year_begin int, year_end int, acquired date, changed datetime, height decimal(12, 2),
  on_view tinyint(1), weight double, credit varchar(200)
);
INSERT INTO {table} SELECT
  seq,
  concat('NPG ', seq % 7000, '.', seq),
  concat_ws(' ', 'Portrait of', md5(seq), md5(seq + 1)),
  IF(seq % 7 > 0, repeat(md5(seq * 3), 4), NULL),
  1500 + seq % 500,
  1505 + seq % 500,
  date '1856-12-02' + INTERVAL seq % 60000 DAY,
  timestamp '2015-01-01 00:00:00' + INTERVAL seq % 300000 * 17 MINUTE,
  seq % 100000 / 100,
  seq % 5 = 0,
  seq * 0.37e0,
  concat('Given by ', md5(seq % 5000), ' in memory of the founders of the gallery')
FROM seq_1_to_{rows};
"""
SQLITE: Final = """
CREATE TABLE {table} (
  id INTEGER PRIMARY KEY, object_number TEXT, title TEXT, description TEXT, year_begin INTEGER,
  year_end INTEGER, acquired TEXT, changed TEXT, height REAL, on_view INTEGER, weight REAL,
  credit TEXT
)
"""
# Four times the same rows, but for their identifiers.
MANY_SQLITE: Final = """
INSERT INTO many_objects SELECT id + 1000000 * copy, object_number, title, description, year_begin,
  year_end, acquired, changed, height, on_view, weight, credit
FROM (SELECT 0 AS copy UNION SELECT 1 UNION SELECT 2 UNION SELECT 3) CROSS JOIN objects
"""


def main() -> None:
    """Print the three comparisons, and what four times as many rows take."""
    from servers import mariadb, postgresql

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgresql.running())
        fill(server, POSTGRESQL)
        against_dlt("PostgreSQL", server.url, folder)
        memory("PostgreSQL", server.url, folder)
        server = stack.enter_context(mariadb.running())
        fill(server, MARIADB)
        against_dlt("MariaDB", server.url, folder)
        memory("MariaDB", server.url, folder)
        write_sqlite(folder / "tms.db")
        against_dlt("SQLite", f"sqlite:///{folder}/tms.db", folder)
        memory("SQLite", f"sqlite:///{folder}/tms.db", folder)


def fill(server: Any, sql: str) -> None:
    """Make the table, and one of four times as many rows."""
    for table, rows in {"objects": ROWS, "many_objects": MANY_ROWS}.items():
        server.execute(sql.format(table=table, rows=rows))


def against_dlt(title: str, url: str, folder: Path) -> None:
    """Print what both take for the table."""
    compare(
        f"{title}, {ROWS:,} rows of 12 columns",
        {
            "ours": command("ours", url, "objects", folder),
            "peer: dlt, connectorx, Arrow stream": command("peer", url, "objects", folder),
        },
        environment={"RUNTIME__DLTHUB_TELEMETRY": "false"},
        limits=LIMIT,
    )


def memory(title: str, url: str, folder: Path) -> None:
    """Print what four times as many rows take."""
    compare(
        f"{title}, by rows",
        {
            f"{ROWS:,} rows": command("ours", url, "objects", folder),
            f"{MANY_ROWS:,} rows": command("ours", url, "many_objects", folder),
        },
        runs=1,
        limits="Limit: the same memory.",
    )


def command(who: str, url: str, table: str, folder: Path) -> list[str]:
    """Return the command that harvests a table."""
    return [sys.executable, __file__, who, url, table, str(folder)]


def write_sqlite(path: Path) -> None:
    """Write the tables as a SQLite database."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("objects", "many_objects"):
            connection.execute(SQLITE.format(table=table))
        places = ", ".join("?" * 12)
        connection.executemany(f"INSERT INTO objects VALUES ({places})", objects())  # noqa: S608
        connection.execute(MANY_SQLITE)


def objects() -> Iterator[tuple[object, ...]]:
    """Yield the rows for SQLite."""
    for n in range(1, ROWS + 1):
        yield (
            n,
            f"NPG {n % 7000}.{n}",
            f"Portrait of {md5(n)} {md5(n + 1)}",
            md5(n * 3) * 4 if n % 7 else None,
            1500 + n % 500,
            1505 + n % 500,
            f"{1856 + n % 160}-12-{1 + n % 28:02}",
            f"2015-01-{1 + n % 28:02} {n % 24:02}:{n % 60:02}:00",
            n % 100000 / 100,
            int(n % 5 == 0),
            n * 0.37,
            f"Given by {md5(n % 5000)} in memory of the founders of the gallery",
        )


def md5(number: int) -> str:
    """Return text that does not compress well."""
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


def ours(url: str, table: str, folder: Path) -> None:
    """Harvest the table and publish it, as a run of an asset does."""
    from upath import UPath

    from collectionflow.contract import contract_of
    from collectionflow.harvest import DatabaseSource
    from collectionflow.storage.publication import publish_frame
    from collectionflow.storage.terms import Terms
    from collectionflow.storage.versions import StoredTable

    schema = schema_of(url.partition(":")[0])
    source = DatabaseSource(url=url, tables={"objects": table})
    frame = source.harvest("objects", schema)
    terms = Terms(contract=contract_of(schema))
    # As the peer: nothing is published yet, so that there is nothing to compare with.
    with tempfile.TemporaryDirectory(dir=folder) as own:
        publish_frame(frame, StoredTable(base=UPath(own), name=table), terms)


def schema_of(backend: str) -> Any:
    """Return what an object has, as a project declares it for a kind of database."""
    import pandera.polars as pa
    import polars as pl

    class Objects(pa.DataFrameModel):
        id: int = pa.Field(unique=True)
        object_number: str
        title: str
        description: str = pa.Field(nullable=True)
        year_begin: pl.Int32
        year_end: pl.Int32
        acquired: pl.Date
        changed: pl.Datetime("us", "UTC")  # ty: ignore[invalid-type-form]
        height: pl.Decimal(12, 2)  # ty: ignore[invalid-type-form]
        on_view: bool
        weight: float
        credit: str

        class Config:
            coerce = True

    class LocalObjects(Objects):
        changed: pl.Datetime("us")  # ty: ignore[invalid-type-form]

    class PlainObjects(Objects):
        """What SQLite has no types for stays text, as it does with the peer."""

        year_begin: int
        year_end: int
        acquired: str
        changed: str
        height: float
        on_view: int

    return {"postgresql": Objects, "mysql": LocalObjects, "sqlite": PlainObjects}[backend]


def peer(url: str, table: str, folder: Path) -> None:
    """Have dlt load the table into Parquet files."""
    import dlt
    from dlt.sources.sql_database import sql_table

    os.environ["DATA_WRITER__DISABLE_COMPRESSION"] = "true"
    drivers = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite"}
    backend, _, rest = url.partition(":")
    connectorx = url.replace("sqlite:///", "sqlite://")
    with tempfile.TemporaryDirectory(dir=folder) as own:
        resource = sql_table(
            credentials=f"{drivers[backend]}:{rest}",
            table=table,
            backend="connectorx",
            backend_kwargs={"return_type": "arrow_stream", "conn": connectorx},
            reflection_level="full_with_precision",
            chunk_size=50_000,
        )
        pipeline = dlt.pipeline(
            "peer",
            destination=dlt.destinations.filesystem(f"file://{own}/tables"),
            dataset_name="tms",
            pipelines_dir=f"{own}/pipelines",
        )
        pipeline.run(resource, loader_file_format="parquet", write_disposition="replace")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        who, url, table, folder = sys.argv[1:]
        {"ours": ours, "peer": peer}[who](url, table, Path(folder))
    else:
        main()
