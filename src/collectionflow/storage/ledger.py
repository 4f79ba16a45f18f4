"""The ledger of a table: a line for each harvest, whether it was published or not."""

import io
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from collectionflow.errors import CollectionflowError, Refused
from collectionflow.ledger import Harvest
from collectionflow.storage import _files
from collectionflow.storage.versions import StoredTable

LINES_KEPT: Final = 1_000

SCHEMA: Final = pl.Schema(
    {
        "started_at": pl.Datetime("us", "UTC"),
        "seconds": pl.Float64(),
        "table": pl.String(),
        "source": pl.String(),
        "since": pl.String(),
        "until": pl.String(),
        "expected": pl.Int64(),
        "received": pl.Int64(),
        "deleted": pl.Int64(),
        "resumed": pl.Int64(),
        "retries": pl.Int64(),
        "outcome": pl.String(),
        "reason": pl.String(),
    }
)


@contextmanager
def recorded(table: StoredTable, harvests: Sequence[Harvest]) -> Generator[None]:
    """Write the harvests' lines when the publication ends, with how it ended."""
    try:
        yield
    except BaseException as error:
        outcome = "refused" if isinstance(error, Refused) else "failed"
        # What others raise may hold a secret; what we raise does not.
        is_ours = isinstance(error, CollectionflowError)
        reason = str(error).split("\n", 1)[0] if is_ours else type(error).__name__
        record(table, harvests, outcome, reason)
        raise
    record(table, harvests, "published")


def record(
    table: StoredTable, harvests: Sequence[Harvest], outcome: str, reason: str | None = None
) -> None:
    """Append the harvests' lines to the table's ledger."""
    if not harvests:
        return
    lines = pl.DataFrame([_line(each, outcome, reason) for each in harvests], schema=SCHEMA)
    with _files.publishing(table.base), _files.staged(table.base, ".ndjson") as staged:
        pl.concat([read_ledger(table), lines]).tail(LINES_KEPT).write_ndjson(staged)
        _files.move(staged, table.ledger)


def read_ledger(table: StoredTable) -> pl.DataFrame:
    """Return the ledger of a table, oldest harvest first; without rows where there is none."""
    if not table.ledger.exists():
        return pl.DataFrame(schema=SCHEMA)
    return pl.read_ndjson(io.BytesIO(table.ledger.read_bytes()), schema=SCHEMA)


def gaps(ledger: pl.DataFrame) -> pl.DataFrame:
    """Return the windows, `since` to `until`, that no published harvest covers.

    A harvest without a lower bound covers all that was before it.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.storage.ledger import gaps
        >>> ledger = pl.DataFrame(
        ...     {
        ...         "since": [None, "2026-01-02", "2026-01-09"],
        ...         "until": ["2026-01-03", "2026-01-05", "2026-01-12"],
        ...         "outcome": "published",
        ...     }
        ... )
        >>> gaps(ledger).rows()
        [('2026-01-05', '2026-01-09')]
    """
    windows = ledger.filter(pl.col("outcome") == "published", pl.col("until").is_not_null()).sort(
        "since", "until", nulls_last=False
    )
    covered = pl.col("until").cum_max().shift(1)
    return windows.select(since=covered, until=pl.col("since")).filter(
        pl.col("since") < pl.col("until")
    )


def _line(harvest: Harvest, outcome: str, reason: str | None) -> dict[str, Any]:
    return {
        "started_at": harvest.started_at,
        "seconds": round((datetime.now(UTC) - harvest.started_at).total_seconds(), 3),
        "table": harvest.table,
        "source": harvest.source,
        "since": harvest.since,
        "until": harvest.until,
        "expected": harvest.expected,
        "received": harvest.received,
        "deleted": harvest.deleted,
        "resumed": harvest.resumed,
        "retries": harvest.retries,
        "outcome": outcome,
        "reason": reason,
    }
