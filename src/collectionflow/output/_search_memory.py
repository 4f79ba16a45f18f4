"""What is live, as far as its publisher needs to know: a hash of each document, by its id."""

from collections.abc import Collection, Iterable, Iterator

import polars as pl
from upath import UPath

from collectionflow.output._search_lines import ID, LINES, deletions
from collectionflow.storage import _files

HASH = "hash"
_SCHEMA = {ID: pl.String, HASH: pl.UInt64}


class Memory:
    """The documents of one index: those that it had `before`, and those that come now."""

    def __init__(self, before: pl.DataFrame | None = None) -> None:
        self.before = pl.DataFrame(schema=_SCHEMA) if before is None else before
        self._known = self.before.get_column(HASH).sort()
        self._now: list[pl.DataFrame] = []
        self.deleted = 0

    @property
    def now(self) -> pl.DataFrame:
        """The documents that came."""
        return pl.concat([pl.DataFrame(schema=_SCHEMA), *self._now])

    def changes(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the lines of the documents that are new or changed, then of those that are gone.

        Examples:
            >>> import polars as pl
            >>> from collectionflow.output._search_memory import Memory
            >>> first = Memory()
            >>> old = pl.DataFrame({"id": ["1", "2"], "lines": ["a", "b"]})
            >>> [each["id"].to_list() for each in first.changes([old])]
            [['1', '2'], []]
            >>> second = Memory(first.now)
            >>> new = pl.DataFrame({"id": ["2", "3"], "lines": ["b", "c"]})
            >>> [each["id"].to_list() for each in second.changes([new])]
            [['3'], ['1']]
        """
        for batch in batches:
            # The lines hold the id too, so a hash stands for both.
            hashed = batch.select(ID, pl.col(LINES).hash().alias(HASH))
            self._now.append(hashed)
            yield batch.filter(~self._is_known(hashed.get_column(HASH)))
        gone = self.before.join(self.now, on=ID, how="anti")
        self.deleted = gone.height
        yield deletions(gone)

    def _is_known(self, hashes: pl.Series) -> pl.Series:
        # A join would sort or hash all that is known once a batch.
        if self._known.is_empty():
            return pl.repeat(value=False, n=len(hashes), eager=True)
        places = self._known.search_sorted(hashes).clip(upper_bound=len(self._known) - 1)
        return self._known.gather(places) == hashes


def recall(folder: UPath, index: str) -> pl.DataFrame | None:
    """Return what is known of an index, None where nothing is."""
    path = _path(folder, index)
    return _files.scan(path).collect() if path.exists() else None


def remember(folder: UPath, index: str, documents: pl.DataFrame) -> None:
    """Keep what is known of an index."""
    with _files.staged(folder) as partial:
        documents.write_parquet(partial)
        _files.move(partial, _path(folder, index))


def forget(folder: UPath, indexes: Collection[str]) -> None:
    """Let go of what is known of indexes that are no more."""
    for index in indexes:
        _path(folder, index).unlink(missing_ok=True)


def _path(folder: UPath, index: str) -> UPath:
    # Another version of Polars may hash otherwise, so it knows nothing of what this one did.
    return folder / f"{index}.polars-{pl.__version__}.parquet"
