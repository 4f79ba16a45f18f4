"""Parquet files as readings: native types where the contract wants exactly those, else text."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from collectionflow.errors import SourceError
from collectionflow.harvest._file import File, Reading, Request
from collectionflow.harvest._source import choose_columns


def read(file: File, request: Request) -> Reading:
    """Return how to read a Parquet file.

    Raises:
        SourceError: where the file is damaged, or a column is missing or has a type that is
            neither its contract's nor becomes exact text.
    """
    with file.on_disk() as path:
        present = _schema(path, file.where)
    contract = request.contract
    names = choose_columns(request.table, contract, list(present), file.where, request.notes)
    schema = {name: _dtype(name, present[name], contract.dtypes[name], file) for name in names}
    return Reading(
        file=file, form="Parquet", schema=schema, batches=partial(_batches, file, schema)
    )


def _schema(path: Path, where: str) -> pl.Schema:
    try:
        return _scan(path).collect_schema()
    except (PolarsError, OSError) as error:
        raise _damaged(where, error) from error


def _dtype(name: str, present: pl.DataType, wanted: pl.DataType, file: File) -> pl.DataType:
    if present == wanted:
        return present
    if present.is_nested() or isinstance(present, pl.Binary | pl.Duration | pl.Object):
        message = (
            f"Column '{name}' of {file.where} is {present}, expected {wanted}, and cannot be told "
            "exactly as text. Change the contract, or ask for a file with that type."
        )
        raise SourceError(message)
    return pl.String()


def _batches(
    file: File, schema: dict[str, pl.DataType], wanted: Sequence[str]
) -> Iterator[pl.DataFrame]:
    with file.on_disk() as path:
        frame = _scan(path).select(pl.col(name).cast(schema[name]) for name in wanted)
        try:
            yield from frame.collect_batches()
        except (PolarsError, OSError) as error:
            raise _damaged(file.where, error) from error


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _damaged(where: str, error: Exception) -> SourceError:
    reason = str(error).split("\n", 1)[0]
    return SourceError(
        f"{where} is no Parquet file that can be read: {reason}. It may have been cut off: ask for "
        "it again."
    )
