"""Spark, the engine of `SparkFrame[Schema]`: stages that are too large for one machine."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import dagster as dg
import polars as pl
from pydantic import Field, PrivateAttr
from upath import UPath

from collectionflow.errors import CollectionflowError, StopRun
from collectionflow.frame import Table
from collectionflow.storage import _files
from collectionflow.storage.engines._engine import ZSTD_LEVEL, Engine, Writing, row_group_rows

try:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql import types as st
    from pyspark.util import is_remote_only
except ImportError as error:
    _message = (
        "`SparkFrame` needs Spark's client. Install it with `uv add 'collectionflow[spark]'`, or "
        "`pip install 'collectionflow[spark]'`."
    )
    raise CollectionflowError(_message) from error

_DEFAULT_PORT = 15002
_ANSWER_SECONDS = 10.0
_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    # Spark's own default is a type that no other engine writes.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # What is too large or no number is an error, as it is for Polars and DuckDB.
    "spark.sql.ansi.enabled": "true",
    # A column is found by its name as it is written.
    "spark.sql.caseSensitive": "true",
}


class SparkCluster(dg.ConfigurableResource[None], Engine):
    """The engine of `SparkFrame[...]`: a project has it as its resource `spark`.

    It talks to Spark Connect, so no Java is needed here. The workers must see the tables under the
    same path as this machine, on a shared file system.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow import ParquetIOManager
        >>> from collectionflow.storage.engines.spark import SparkCluster
        >>> resources = {
        ...     "io_manager": ParquetIOManager(base_dir="/mnt/shared/tables"),
        ...     "spark": SparkCluster(remote=dg.EnvVar("SPARK_REMOTE")),
        ... }
    """

    remote: str = Field(
        description="The cluster's Spark Connect server, such as sc://spark.example.org:15002. For "
        "development `local[2]`, which starts Spark on this machine: it needs Java, and the "
        "package pyspark[connect] in the place of pyspark-client.",
    )

    _session: SparkSession | None = PrivateAttr(default=None)

    @property
    def session(self) -> SparkSession:
        """The session that all tables of a run belong to."""
        if self._session is None:
            self._session = _connected(self.remote)
        return self._session

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """End the session; Dagster calls this after a run."""
        if self._session is not None:
            self._session.stop()
            self._session = None

    def scan(self, tables: Sequence[UPath], columns: Sequence[str] | None) -> DataFrame:
        """Return a Spark frame."""
        paths = [str(_shared(file)) for table in tables for file in _files.files(table)]
        found = self.session.read.option("mergeSchema", "true").parquet(*paths)
        return found if columns is None else self.select(found, columns)

    def describe(self, table: DataFrame) -> pl.Schema:
        """Return the frame's schema, which the cluster tells without computing anything."""
        return pl.Schema({field.name: _stored(field.dataType) for field in table.schema})

    def select(self, table: DataFrame, columns: Sequence[str]) -> DataFrame:
        """Return the frame with these columns."""
        return table.select(*(table[_quoted(name)] for name in columns))

    def sink(self, table: DataFrame, path: Path, writing: Writing) -> None:  # noqa: ARG002
        """Have the workers write the frame as parts, in the order of its own `orderBy`."""
        folder = _files.parts_folder(path)
        options = {
            "compression": "zstd",
            "parquet.compression.codec.zstd.level": str(ZSTD_LEVEL),
            "parquet.block.row.count.limit": str(row_group_rows(self.describe(table))),
            "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
        }
        table.write.options(**options).parquet(str(_shared(UPath(folder)).absolute()))


_STORED: dict[type[st.DataType], pl.DataType] = {
    st.BooleanType: pl.Boolean(),
    st.ByteType: pl.Int8(),
    st.ShortType: pl.Int16(),
    st.IntegerType: pl.Int32(),
    st.LongType: pl.Int64(),
    st.FloatType: pl.Float32(),
    st.DoubleType: pl.Float64(),
    st.StringType: pl.String(),
    st.BinaryType: pl.Binary(),
    st.DateType: pl.Date(),
    st.TimestampType: pl.Datetime("us", "UTC"),
    st.TimestampNTZType: pl.Datetime("us"),
}


def _stored(dtype: st.DataType) -> pl.DataType:
    """Return the type that a type of Spark is stored in, unknown where a contract has none."""
    match dtype:
        case st.DecimalType():
            return pl.Decimal(dtype.precision, dtype.scale)
        case st.ArrayType():
            return pl.List(_stored(dtype.elementType))
        case st.StructType():
            return pl.Struct({field.name: _stored(field.dataType) for field in dtype})
        case _:
            return _STORED.get(type(dtype), pl.Unknown())


def _connected(remote: str) -> SparkSession:
    builder = SparkSession.builder.remote(remote)
    for name, value in _SESSION.items():
        builder = builder.config(name, value)
    if remote.startswith("local"):
        _check_has_java()
        return builder.getOrCreate()
    _check_answers(remote)
    return builder.create()


def _check_has_java() -> None:
    if is_remote_only():
        message = (
            "A local cluster needs all of Spark, and only its client is installed. Put the package "
            "pyspark[connect] in the place of pyspark-client, or set `remote` to sc://HOST:PORT."
        )
        raise CollectionflowError(message)


def _check_answers(remote: str) -> None:
    """Say at once that nobody is there: Spark's client would ask again for many minutes."""
    parts = urlsplit(remote)
    # What stands behind the host may hold a token.
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORT
    try:
        socket.create_connection((host, port), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        message = f"No Spark Connect server answers at '{host}:{port}'. Is the cluster up?"
        raise CollectionflowError(message) from error


def _shared(path: UPath) -> Path:
    local = _files.local_path(path)
    if local is not None:
        return local
    message = (
        f"'{path}' lies in an object store. Spark's workers read and write the tables themselves, "
        "on a file system that they share with this machine: set base_dir to a folder of it."
    )
    raise StopRun(message)


def _quoted(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


class _SparkFrame(Table):
    """A `pyspark.sql.DataFrame` that keeps the contract of a Pandera `DataFrameModel`.

    On an asset's input, exactly the schema's columns are read. On its output, the schema is the
    gate, as with `Frame`. The project needs a resource `spark`.
    """

    engine = "spark"
    values = (DataFrame,)


if TYPE_CHECKING:
    from typing_extensions import TypeAliasType

    SchemaT = TypeVar("SchemaT")
    # Type checkers and editors see what flows: a plain frame of Spark.
    SparkFrame = TypeAliasType("SparkFrame", DataFrame, type_params=(SchemaT,))
else:
    SparkFrame = _SparkFrame
    SparkFrame.__name__ = SparkFrame.__qualname__ = "SparkFrame"
