"""Whole lists of an OAI-PMH repository, page by page on disk, before any record goes on.

Only when a list is complete is it known which of its pages count, and which records came twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import compress, decompress

from collectionflow.errors import SourceError, SourceUnavailable
from collectionflow.harvest._oai_arrivals import Arrivals
from collectionflow.harvest._oai_pmh import ListPage, Refusal, Window, answer_of, page_of
from collectionflow.harvest._oai_repository import Repository
from collectionflow.harvest._spool import Page, Spool
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

# A list that ends early, or whose token expires, is begun anew so many times.
_ATTEMPTS: Final = 4
_NOTHING: Final = "noRecordsMatch"
_EXPIRED: Final = "badResumptionToken"
_PAGES_A_MESSAGE: Final = 25


class Unsteady(SourceUnavailable):
    """The repository's lists do not hold together, so that what is spooled of them is of no use."""


@dataclass(frozen=True, kw_only=True)
class _Fetched:
    """One page by its number in the spool; it `is_expired` where its token no longer held."""

    number: int
    page: ListPage
    is_expired: bool


@dataclass(kw_only=True)
class RecordList:
    """One list in windows, of which those pages that are spooled are not asked for again.

    `arguments` are what decides the list, but for its window. `is_size_exact` says that a list must
    have as many records as the repository says.
    """

    repository: Repository
    spool: Spool
    verb: str
    arguments: Mapping[str, str]
    windows: Sequence[Window]
    is_size_exact: bool
    harvest: Harvest
    notes: Notes
    # The first page has what the harvest began with.
    first: int = 1
    _arrivals: Arrivals = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nobody."""
        self._arrivals = Arrivals(self.repository.where)

    def pages(self) -> Iterator[ListPage]:
        """Fetch the whole list, then yield its pages with each record once, as it came last.

        Raises:
            SourceError: where the repository refuses, or sends a token twice.
            Unsteady: where a list always ends early, or its tokens always expire.
        """
        numbers: list[int] = []
        number = self.first
        for window in self.windows:
            found = self._window(window, number)
            number = found[-1].number + 1
            numbers += [each.number for each in found if not each.is_expired]
        lost = self._arrivals.superseded(numbers)
        for each in numbers:
            page = self._load(each).page
            dropped = lost.get(each, set())
            kept = [one for row, one in enumerate(page.records) if row not in dropped]
            yield ListPage(records=kept)

    def _window(self, window: Window, number: int) -> list[_Fetched]:
        """Return the pages of the first attempt that went through."""
        for _ in range(_ATTEMPTS):
            pages = list(self._attempt(window, number))
            number = pages[-1].number + 1
            problem = self._problem(pages)
            if problem is None:
                return pages
            self.notes.log.info("%s Beginning its list anew.", problem)
        message = f"{problem} It was begun {_ATTEMPTS} times. Run again, or ask the repository."
        raise Unsteady(message)

    def _attempt(self, window: Window, number: int) -> Iterator[_Fetched]:
        """Yield page after page until one names no other."""
        token: str | None = None
        asked: set[str] = set()
        while True:
            query = (
                {"resumptionToken": token} if token else {**self.arguments, **window.arguments()}
            )
            fetched = self._page(number, query)
            self._arrivals.add(number, fetched.page)
            if number % _PAGES_A_MESSAGE == 0:
                so_far = self._arrivals.count()
                self.notes.log.info("%s: %s records so far.", self.repository.where, f"{so_far:,}")
            yield fetched
            token = fetched.page.token
            if token is None:
                return
            if token in asked:
                message = (
                    f"{self.repository.where} sent the resumption token of an earlier page again, "
                    "so there would be no end. Ask the repository."
                )
                raise SourceError(message)
            asked.add(token)
            number += 1

    def _problem(self, pages: Sequence[_Fetched]) -> str | None:
        """Return why an attempt did not give the whole list, None where it did."""
        where = self.repository.where
        if pages[-1].is_expired:
            return f"{where} no longer knew a resumption token that it had sent."
        sizes = [each.page.size for each in pages if each.page.size is not None]
        if not sizes or not self.is_size_exact:
            return None
        unique = self._arrivals.unique(each.number for each in pages)
        if unique >= min(sizes):
            return None
        return (
            f"{where} says that its list has {min(sizes):,} records (completeListSize), but sent "
            f"{unique:,}. If it only estimates that, set is_size_exact=False."
        )

    def _page(self, number: int, query: Mapping[str, str]) -> _Fetched:
        if number not in self.spool:
            return self._fetch(number, query)
        fetched = self._load(number)
        self.harvest.count(resumed=len(fetched.page.records))
        return fetched

    def _fetch(self, number: int, query: Mapping[str, str]) -> _Fetched:
        header: dict[str, Any] = {}
        try:
            body, root = self.repository.ask(verb=self.verb, **query)
            page = page_of(root, self.verb)
        except Refusal as refusal:
            is_expired = refusal.code == _EXPIRED and "resumptionToken" in query
            if refusal.code != _NOTHING and not is_expired:
                raise self.repository.explained(refusal) from None  # It may hold a secret.
            header, body, page = {"refusal": refusal.code}, b"", ListPage(records=[])
        self.spool.save(number, Page(header=header, body=compress(body, 1)))
        return _Fetched(number=number, page=page, is_expired=header.get("refusal") == _EXPIRED)

    def _load(self, number: int) -> _Fetched:
        spooled = self.spool.load(number)
        refusal = spooled.header.get("refusal")
        if refusal:
            page = ListPage(records=[])
            return _Fetched(number=number, page=page, is_expired=refusal == _EXPIRED)
        root = answer_of(decompress(spooled.body), self.repository.where)
        return _Fetched(number=number, page=page_of(root, self.verb), is_expired=False)
