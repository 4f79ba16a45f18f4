"""Watches for a record that comes on two pages, since then another one came on none."""

from collections.abc import Sequence

import polars as pl

_FIRST_LOOK = 10_000


class KeyWatch:
    """Remembers of each record the hash of its key and its page: twelve bytes.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.harvest._key_watch import KeyWatch
        >>> watch = KeyWatch(["id"])
        >>> watch.add(pl.DataFrame({"id": [1, 2, 2]}), pages=[1, 1, 2])
        >>> watch.on_two_pages()
        (1, 2)
    """

    def __init__(self, key: Sequence[str]) -> None:
        self._key = list(key)
        self._seen: list[pl.DataFrame] = []
        self._rows = 0
        self._next_look = _FIRST_LOOK

    def add(self, frame: pl.DataFrame, pages: Sequence[int]) -> None:
        """Remember the records of a frame, of which each came on the page given beside it."""
        if not self._key:
            return
        hashes = frame.select(self._key).hash_rows()
        seen = pl.DataFrame({"key": hashes, "page": pl.Series(pages, dtype=pl.UInt32)})
        is_there = frame.select(pl.all_horizontal(pl.col(self._key).is_not_null())).to_series()
        self._seen.append(seen.filter(is_there))
        self._rows += frame.height

    def is_due(self) -> bool:
        """Return whether twice as many records have come since the last look.

        So an endless list is found out, and all looks together cost twice the last one.
        """
        if self._rows < self._next_look:
            return False
        self._next_look = 2 * self._rows
        return True

    def on_two_pages(self) -> tuple[int, int] | None:
        """Return two pages that have a key in common, if there are any."""
        if not self._seen:
            return None
        seen = pl.concat(self._seen)
        self._seen = [seen]
        # Sorting takes eight bytes for each record, where other ways to find equals take fifty.
        ordered = seen["key"].sort()
        is_again = ordered.slice(1) == ordered.head(len(ordered) - 1)
        if not is_again.any():
            return None
        again = ordered.slice(1).filter(is_again).unique()
        found = (
            seen.filter(pl.col("key").is_in(again.implode()))
            .unique()
            .group_by("key")
            .agg(pl.len(), first=pl.col("page").min(), last=pl.col("page").bottom_k(2).max())
            .filter(pl.col("len") > 1)
            .select(pl.col("first", "last").sort_by("last", "first").first())
        )
        return found.row(0) if found.height and found.row(0)[0] is not None else None
