"""Reads through ODBC, as Arrow, with buffers as long as the longest value."""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

import polars as pl

from collectionflow.harvest.databases._arrow import arrow_errors, frame_of
from collectionflow.harvest.databases._dialect import Schema, driver, is_passing

_BATCH_ROWS: Final = 10_000
_BATCH_BYTES: Final = 16 << 20
_PLAIN: Final = re.compile(r"[\w.:\\/,+-]+")
# A value that has grown since its column was measured is measured again.
_LOST: Final = re.compile(
    r"State: (08\w{3}|HYT0\d|40001|40003)|too large to be written into the allocated buffer"
)
_NEVER: Final = re.compile(r"State: 28\w{3}|authentication|[Ll]ogin failed|does not exist")


def connection_string(parts: Mapping[str, str]) -> str:
    """Return an ODBC connection string in which no value can be taken for another part.

    Examples:
        >>> from collectionflow.harvest.databases.odbc import connection_string
        >>> connection_string({"Server": "tms.example.org", "PWD": "a;b}c"})
        'Server=tms.example.org;PWD={a;b}}c}'
    """
    return ";".join(f"{key}={_braced(value)}" for key, value in parts.items())


def _braced(value: str) -> str:
    # Only where it must be: not every driver takes braces off.
    return value if _PLAIN.fullmatch(value) else "{" + value.replace("}", "}}") + "}"


def connect(parts: Mapping[str, str]) -> Any:
    """Open a connection."""
    return _arrow_odbc().connect(connection_string(parts), login_timeout_sec=30)


def read(connection: Any, sql: str, schema: Schema, longest: int) -> Iterator[pl.DataFrame]:
    """Yield what a SELECT finds; it is an error if a value has more than `longest` characters."""
    import pyarrow as pa

    types = {
        pl.String(): pa.string(),
        pl.Binary(): pa.binary(),
        pl.Boolean(): pa.bool_(),
        pl.Float32(): pa.float32(),
        pl.Float64(): pa.float64(),
    }
    wanted = pa.schema([(name, types.get(dtype, pa.int64())) for name, dtype in schema.items()])
    reader = connection.read_arrow_batches(
        sql,
        batch_size=_BATCH_ROWS,
        max_bytes_per_batch=_BATCH_BYTES,
        max_text_size=max(longest, 1),
        max_binary_size=max(longest, 1),
        schema=wanted,
        # Whatever this machine's locale is.
        payload_text_encoding=_arrow_odbc().TextEncoding.UTF16,
        fetch_concurrently=False,
    )
    with closing(reader.into_pyarrow_record_batch_reader()) as batches:
        for batch in batches:
            yield frame_of(batch, schema)


def is_lost(error: Exception) -> bool:
    """Whether the connection was lost or could not be had, by the driver's SQLSTATE."""
    return is_passing(error, _LOST, _NEVER)


def errors() -> tuple[type[Exception], ...]:
    """Return what the driver raises, and Arrow while rows stream."""
    return (_arrow_odbc().Error, *arrow_errors())


def _arrow_odbc() -> Any:
    return driver("arrow_odbc", "odbc")
