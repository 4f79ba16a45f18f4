"""Python iterators of frames as lazy frames that stream into storage.

Polars marks `register_io_source` as unstable, so it is used here and nowhere else.
"""

from collections.abc import Callable, Iterator, Mapping

import polars as pl
from polars.io.plugins import register_io_source

from collectionflow.errors import SourceUnavailable
from collectionflow.ledger import Harvest

Batches = Callable[[list[str]], Iterator[pl.DataFrame]]


def stream(schema: Mapping[str, pl.DataType], batches: Batches, harvest: Harvest) -> pl.LazyFrame:
    """Return a lazy frame of these columns over `batches(wanted_columns)`, and count its rows.

    Each run of the frame starts the iterator anew, and closes it when enough rows have come. Where
    `harvest.expected` is known at the end and another number came, the frame raises
    `SourceUnavailable`.
    """

    def source(
        wanted: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        harvest.begin()
        for batch in _limited(batches(wanted or list(schema)), n_rows):
            harvest.count(received=batch.height)
            yield batch if predicate is None else batch.filter(predicate)
        if n_rows is None:
            check_complete(harvest)

    return register_io_source(source, schema=dict(schema))


def check_complete(harvest: Harvest) -> None:
    """Compare the records that came with the source's own count.

    Raises:
        SourceUnavailable: where they differ.
    """
    if harvest.expected is None or harvest.expected == harvest.received:
        return
    message = (
        f"{harvest.source} says that it has {harvest.expected:,} records of '{harvest.table}', but "
        f"sent {harvest.received:,}. It may have changed while it was read: run again. If the "
        "difference stays, ask the source."
    )
    raise SourceUnavailable(message)


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
