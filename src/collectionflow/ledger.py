"""What one harvest of one table asked for and received; storage writes it to the ledger."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(kw_only=True)
class Harvest:
    """One harvest of one table, counted while it streams.

    `source` says where from, without secrets. `expected` is the source's own count, where it has
    one. `since` and `until` are the window that was asked for: None means without that bound.

    Examples:
        >>> from collectionflow.ledger import Harvest
        >>> harvest = Harvest(table="objects", source="https://example.org/oai")
        >>> harvest.count(received=100)
        >>> harvest.received
        100
    """

    table: str
    source: str
    expected: int | None = None
    since: str | None = None
    until: str | None = None
    received: int = 0
    deleted: int = 0
    retries: int = 0
    resumed: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self) -> None:
        """Count from nothing: a lazy frame may run more than once."""
        with self._lock:
            self.received = self.deleted = self.retries = self.resumed = 0

    def count(
        self, *, received: int = 0, deleted: int = 0, retries: int = 0, resumed: int = 0
    ) -> None:
        """Add to the counts, from any thread.

        `resumed` counts the records that an earlier, unfinished harvest had already received.
        """
        with self._lock:
            self.received += received
            self.deleted += deleted
            self.retries += retries
            self.resumed += resumed
