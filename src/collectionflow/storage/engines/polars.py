"""Polars, the engine of `Frame[Schema]`: streams, casts strictly and counts rows as they come."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl
from upath import UPath

from collectionflow.buckets import buckets_of, in_each_bucket
from collectionflow.casts import cast_rules, casts
from collectionflow.contract import Contract
from collectionflow.progress import counted
from collectionflow.storage import _files
from collectionflow.storage.engines._engine import (
    ZSTD_LEVEL,
    Engine,
    UncastableError,
    Writing,
    row_group_rows,
)
from collectionflow.storage.gate import FAILS, Measurement, one_pass


class Polars(Engine):
    """Scans and sinks lazy frames; a frame in key buckets becomes a part a bucket."""

    def scan(self, tables: Sequence[UPath], columns: Sequence[str] | None) -> pl.LazyFrame:
        """Return a lazy frame."""
        frames = [_files.scan(table) for table in tables]
        if columns is None:
            return pl.concat(frames)
        return pl.concat(frames, how="diagonal").select(columns)

    def describe(self, table: pl.LazyFrame) -> pl.Schema:
        """Return the frame's schema."""
        return table.collect_schema()

    def select(self, table: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
        """Return the frame with these columns."""
        return in_each_bucket(table, lambda frame: frame.select(columns))

    def sink(self, table: pl.LazyFrame, path: Path, writing: Writing) -> Measurement | None:
        """Write the frame with the contract's strict casts, and judge its rows on the way."""
        buckets = buckets_of(table)
        if not buckets:
            return _sink(table, path, writing)
        folder = _files.parts_folder(path)
        folder.mkdir()
        rows = 0
        for number, bucket in enumerate(buckets):
            part = folder / f"part-{number:05}.parquet"
            _sink(bucket, part, writing, rows)
            rows += pl.scan_parquet(part).select(pl.len()).collect().item()
            writing.log(f"'{writing.table}': bucket {number + 1} of {len(buckets)} is written.")
        return None


POLARS: Final = Polars()


def _sink(frame: pl.LazyFrame, path: Path, writing: Writing, rows: int = 0) -> Measurement:
    cast = _cast(frame, writing.contract)
    rules = writing.contract.rules if writing.contract else ()
    one = one_pass(counted(cast, writing.table, writing.log, already=rows), rules)
    sink = one.table.sink_parquet(
        path,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        row_group_size=row_group_rows(frame.collect_schema()),
        statistics=True,
        # Polars asks when all rows have come: only then a harvest knows where it ended.
        metadata=lambda _context: writing.metadata(),
        lazy=True,
    )
    _, *found = pl.collect_all([sink, *one.queries])
    return one.measurement(found, pl.scan_parquet(path))


def _cast(frame: pl.LazyFrame, contract: Contract | None) -> pl.LazyFrame:
    if contract is None:
        return frame
    present = frame.collect_schema()
    rules = cast_rules(contract, present)
    if not rules:
        return frame
    # In one step with the casts, so that Polars computes each of them once.
    return (
        frame.with_columns(
            pl.any_horizontal(rule.fails for rule in rules).alias(FAILS),
            **casts(contract, present),
        )
        .map_batches(_stop_at_uncastable, streamable=True)
        .drop(FAILS)
    )


def _stop_at_uncastable(batch: pl.DataFrame) -> pl.DataFrame:
    if batch.get_column(FAILS).any():
        raise UncastableError
    return batch
