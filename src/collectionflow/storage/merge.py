"""Changes since the last harvest, put into the table that is published."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Says that a frame holds only what changed, and how it becomes the whole table.

    Published rows whose `key` is among the changes are replaced by these. Where `kept` has the
    keys that the source still holds, published rows with another key are removed.
    """

    key: tuple[str, ...]
    kept: pl.LazyFrame | None = None


def merged(published: pl.LazyFrame, changes: pl.LazyFrame, merge: Merge) -> pl.LazyFrame:
    """Return the published table with the changes in it: unchanged rows first, in their order.

    Memory is that of the changes' keys, and of all keys where `merge.kept` is given.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.storage.merge import Merge, merged
        >>> published = pl.LazyFrame({"id": [1, 2, 3], "title": ["a", "b", "c"]})
        >>> changes = pl.LazyFrame({"id": [2], "title": ["B"]})
        >>> kept = pl.LazyFrame({"id": [1, 2]})
        >>> merged(published, changes, Merge(key=("id",), kept=kept)).collect().rows()
        [(1, 'a'), (2, 'B')]
    """
    key = list(merge.key)
    still = published
    if merge.kept is not None:
        still = still.join(merge.kept.select(key), on=key, how="semi", maintain_order="left")
    unchanged = still.join(changes.select(key), on=key, how="anti", maintain_order="left")
    return pl.concat([unchanged, changes.select(published.collect_schema().names())])
