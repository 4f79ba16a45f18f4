"""Who came on which page of an OAI-PMH list, and who came again."""

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from collectionflow.errors import SourceError
from collectionflow.harvest._oai_pmh import ListPage

_MOMENT: Final = "%Y-%m-%dT%H:%M:%S"
_WHO: Final = ("key", "check")


class Arrivals:
    """Remembers who is on each page, in 28 bytes a record. `where` names the list in errors.

    Examples:
        >>> from collectionflow.harvest._oai_arrivals import Arrivals
        >>> Arrivals("'https://example.org/oai'").count()
        0
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._pages: dict[int, pl.DataFrame] = {}

    def add(self, number: int, page: ListPage) -> None:
        """Remember the records of a page.

        Raises:
            SourceError: where one has no identifier.
        """
        identifiers = pl.Series(page.identifiers(), dtype=pl.String)
        if (identifiers == "").any():
            message = (
                f"{self._where} sent a record without an identifier, so it cannot be told from "
                "others. Ask the repository."
            )
            raise SourceError(message)
        # A day counts as its first moment.
        stamps = pl.Series(page.datestamps(), dtype=pl.String) + "T00:00:00"
        self._pages[number] = pl.DataFrame(
            {
                # Two hashes, since one of 64 bits may be that of two among millions.
                "key": identifiers.hash(1),
                "check": identifiers.hash(2),
                "stamp": stamps.str.slice(0, 19).str.to_datetime(_MOMENT, strict=False),
            }
        )

    def count(self) -> int:
        """Return how many records have come, those that came again counted each time."""
        return sum(each.height for each in self._pages.values())

    def unique(self, numbers: Iterable[int]) -> int:
        """Return how many different records are on some pages."""
        came = pl.concat([self._pages[number] for number in numbers])
        return came.select(pl.struct(_WHO).n_unique()).item()

    def superseded(self, numbers: Sequence[int]) -> dict[int, set[int]]:
        """Return, by page, the rows of records that came again: the latest datestamp holds.

        That is asked last, and all is forgotten with it.
        """
        pages = [
            self._pages[number].with_columns(page=number).with_row_index("row")
            for number in numbers
        ]
        self._pages.clear()
        again = (
            pl.concat(pages)
            .filter(pl.struct(_WHO).is_duplicated())
            .sort(*_WHO, "stamp", "page", "row", nulls_last=False)
        )
        lost = again.filter(pl.struct(_WHO) == pl.struct(_WHO).shift(-1))
        found: dict[int, set[int]] = {}
        for page, row in lost.select("page", "row").iter_rows():
            found.setdefault(page, set()).add(row)
        return found
