"""DuckDB, the engine of `Relation[Schema]`: stages written in SQL."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg
import polars as pl
from pydantic import Field
from upath import UPath

from collectionflow.errors import CollectionflowError
from collectionflow.frame import Table
from collectionflow.storage import _files
from collectionflow.storage.engines._engine import ZSTD_LEVEL, Engine, Writing, row_group_rows

try:
    import duckdb
except ImportError as error:
    _message = (
        "`Relation` needs DuckDB. Install it with `uv add 'collectionflow[duckdb]'`, or "
        "`pip install 'collectionflow[duckdb]'`."
    )
    raise CollectionflowError(_message) from error


class DuckDB(dg.ConfigurableResource[None], Engine):
    """The engine of `Relation[...]`: a project has it as its resource `duckdb`.

    All relations belong to DuckDB's default connection, so `duckdb.sql` finds them by the names
    that an asset gives them.

    Examples:
        >>> import dagster as dg
        >>> import duckdb
        >>> import pandera.polars as pa
        >>> from collectionflow import ParquetIOManager
        >>> from collectionflow.storage.engines.duckdb import DuckDB, Relation
        >>> class Objects(pa.DataFrameModel):
        ...     object_id: int = pa.Field(unique=True)
        ...     title: str
        >>> @dg.asset
        ... def titled_objects(objects: Relation[Objects]) -> Relation[Objects]:
        ...     return duckdb.sql("SELECT * FROM objects WHERE title <> '' ORDER BY object_id")
        >>> resources = {
        ...     "io_manager": ParquetIOManager(base_dir="data"),
        ...     "duckdb": DuckDB(memory_limit="2GiB"),
        ... }
    """

    memory_limit: str | None = Field(
        default=None,
        description="What DuckDB may take before it writes to disk, such as '2GiB'; its own "
        "default, four fifths of the memory, if not set.",
    )
    threads: int | None = Field(
        default=None, ge=1, description="How many threads compute; one a core if not set."
    )
    temp_directory: str | None = Field(
        default=None,
        description="Folder for what does not fit into the memory; the system's if not set.",
    )

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Set up the connection; Dagster calls this before a run."""
        # Two processes that spill into one folder would overwrite each other's files.
        folder = Path(self.temp_directory or tempfile.gettempdir(), f"duckdb-{os.getpid()}")
        settings = {
            "memory_limit": self.memory_limit,
            "threads": self.threads,
            "temp_directory": str(folder),
            # A table must be the same when it is made again.
            "preserve_insertion_order": True,
            "TimeZone": "UTC",
        }
        for name, value in settings.items():
            if value is not None and value != _setting(name):
                _fetch(f"SET {name} = {_literal(value)}")

    def scan(
        self, tables: Sequence[UPath], columns: Sequence[str] | None
    ) -> "duckdb.DuckDBPyRelation":
        """Return a relation."""
        files = [file for table in tables for file in _files.files(table)]
        for file in files[:1]:
            if _files.local_path(file) is None and not duckdb.filesystem_is_registered(
                file.protocol
            ):
                duckdb.register_filesystem(file.fs)
        found = duckdb.read_parquet(
            [_files.location(file) for file in files],
            hive_partitioning=False,
            union_by_name=True,
        )
        return found if columns is None else self.select(found, columns)

    def describe(self, table: "duckdb.DuckDBPyRelation") -> pl.Schema:
        """Return the columns as Parquet holds them: no rows are written to learn that."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "no_rows.parquet")
            _copy(table.limit(0), path, {})
            return pl.Schema(pl.read_parquet_schema(path))

    def select(
        self, table: "duckdb.DuckDBPyRelation", columns: Sequence[str]
    ) -> "duckdb.DuckDBPyRelation":
        """Return the relation with these columns."""
        return table.select(*(duckdb.ColumnExpression(name) for name in columns))

    def sink(self, table: "duckdb.DuckDBPyRelation", path: Path, writing: Writing) -> None:
        """Write the relation as one file, in the order of its own ORDER BY."""
        _copy(table, path, writing.metadata(), row_group_rows(self.describe(table)))


def _copy(
    relation: "duckdb.DuckDBPyRelation",  # noqa: ARG001 (the SQL finds it by its name)
    path: Path,
    metadata: dict[str, str],
    rows: int | None = None,
) -> None:
    pairs = ", ".join(f"{_literal(key)}: {_literal(value)}" for key, value in metadata.items())
    options = {
        "FORMAT": "parquet",
        "COMPRESSION": "zstd",
        "COMPRESSION_LEVEL": str(ZSTD_LEVEL),
        # Storage has staged the file already, and has locked it.
        "USE_TMP_FILE": "false",
        "ROW_GROUP_SIZE": str(rows or 1),
    } | ({"KV_METADATA": f"{{{pairs}}}"} if metadata else {})
    listed = ", ".join(f"{name} {value}" for name, value in options.items())
    duckdb.sql(f"COPY relation TO {_literal(str(path))} ({listed})")


def _setting(name: str) -> Any:
    return _fetch(f"SELECT current_setting('{name}')")[0][0]


def _fetch(sql: str) -> list[Any]:
    """Run SQL to its end: a result that is not fetched keeps the connection from other work."""
    return duckdb.execute(sql).fetchall()


def _literal(value: object) -> str:
    return f"'{str(value).replace(chr(39), chr(39) * 2)}'"


class _Relation(Table):
    """A `duckdb.DuckDBPyRelation` that keeps the contract of a Pandera `DataFrameModel`.

    On an asset's input, exactly the schema's columns are read. On its output, the schema is the
    gate, as with `Frame`. The project needs a resource `duckdb`.
    """

    engine = "duckdb"
    values = (duckdb.DuckDBPyRelation,)


if TYPE_CHECKING:
    from typing_extensions import TypeAliasType

    SchemaT = TypeVar("SchemaT")
    # Type checkers and editors see what flows: a plain relation.
    Relation = TypeAliasType("Relation", duckdb.DuckDBPyRelation, type_params=(SchemaT,))
else:
    Relation = _Relation
    Relation.__name__ = Relation.__qualname__ = "Relation"
