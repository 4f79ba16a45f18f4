"""Python iterators of frames as lazy frames that stream into storage.

Polars marks `register_io_source` as unstable, so it is used here and nowhere else.
"""

from collections.abc import Callable, Iterator, Sequence

import polars as pl
from polars.io.plugins import register_io_source


def stream_text(
    columns: Sequence[str], batches: Callable[[list[str]], Iterator[pl.DataFrame]]
) -> pl.LazyFrame:
    """Return a lazy frame of text columns over `batches(wanted_columns)`.

    Each run of the frame starts the iterator anew, and closes it when enough rows have come.
    """

    def source(
        wanted: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        for batch in _limited(batches(wanted or list(columns)), n_rows):
            yield batch if predicate is None else batch.filter(predicate)

    return register_io_source(source, schema=dict.fromkeys(columns, pl.String()))


def _limited(batches: Iterator[pl.DataFrame], n_rows: int | None) -> Iterator[pl.DataFrame]:
    left = n_rows
    for batch in batches:
        if left is None:
            yield batch
            continue
        yield batch.head(left)
        left -= batch.height
        if left <= 0:
            return
