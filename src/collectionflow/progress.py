"""How far a table is: rows written so far, told to whoever listens and to the log."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import polars as pl

Listener = Callable[[str, int], None]
LOG_EVERY_SECONDS = 10.0

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Generator[None]:
    """Call `listener(table, rows)` while tables are written in this process.

    Examples:
        >>> from collectionflow.progress import listening
        >>> with listening(lambda table, rows: print(table, rows)):
        ...     pass
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def counted(
    frame: pl.LazyFrame,
    table: str,
    log: Callable[[str], None],
    listener: Listener | None = None,
    *,
    already: int = 0,
) -> pl.LazyFrame:
    """Return `frame` so that its rows are counted as they stream through, on from `already`.

    The cost is one call a batch, not a row.
    """
    own = [] if listener is None else [listener]
    rows = already
    logged_at = time.monotonic()
    lock = threading.Lock()

    def count(batch: pl.DataFrame) -> pl.DataFrame:
        nonlocal rows, logged_at
        # Polars calls from several threads at once: no batch may be lost or told out of turn.
        with lock:
            rows += batch.height
            for each in [*_listeners, *own]:
                each(table, rows)
            if time.monotonic() - logged_at > LOG_EVERY_SECONDS:
                logged_at = time.monotonic()
                log(f"'{table}': {rows:,} rows written so far.")
        return batch

    return frame.map_batches(count, streamable=True)
