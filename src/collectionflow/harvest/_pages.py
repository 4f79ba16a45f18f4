"""The pages of an API, in order and each once: asked for, spooled, and watched for changes."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeVar, cast

from collectionflow._patience import TransientError
from collectionflow.errors import SourceError, SourceUnavailable
from collectionflow.harvest._api_page import Fetched, Following, Resource, page_of
from collectionflow.harvest._http import Http
from collectionflow.harvest._json import record_list
from collectionflow.harvest._json_faults import CutOff
from collectionflow.harvest._spool import Page, Spool
from collectionflow.harvest.paging import Answer, LinkedPaging, Next, NumberedPaging, Paging
from collectionflow.ledger import Harvest

T = TypeVar("T")

ACCEPT: Final = {"Accept": "application/json, */*;q=0.5"}
# What a page says beside its body, which is spooled with it.
_SPOOLED: Final = ("following", "total", "validators")


class Changed(SourceUnavailable):
    """The source changed while it was read, so that what is spooled of it fits no longer."""


@dataclass(frozen=True, kw_only=True)
class Pages:
    """The pages of one harvest. Those that are spooled are not asked for again."""

    resource: Resource
    http: Http
    spool: Spool
    harvest: Harvest
    in_flight: int

    def read(self, paging: Paging) -> Generator[Fetched]:
        """Yield all pages in their order.

        Raises:
            SourceError: where a page comes twice, so that there would be no end.
            Changed: where the source says in the midst that it now has more or fewer records.
        """
        is_numbered = not isinstance(paging, LinkedPaging)
        pages = (
            self._numbered(cast("NumberedPaging", paging)) if is_numbered else self._linked(paging)
        )
        with closing(pages):  # What is in flight must not outlive the spool.
            yield from self._watched(pages, is_numbered=is_numbered)

    def _watched(self, pages: Iterator[Fetched], *, is_numbered: bool) -> Iterator[Fetched]:
        """Yield pages as long as none comes twice and the source's count stays what it was."""
        marks: dict[int, int] = {}
        total = None
        for page in pages:
            first = marks.setdefault(page.mark, page.number) if page.size else page.number
            if first != page.number:
                raise SourceError(self._repeated(first, page.number))
            if page.total is not None:  # Some say it on their first page only.
                if is_numbered and total is not None and page.total != total:
                    raise Changed(self._changed(total, page.total))
                # The newest count holds.
                total = self.harvest.expected = page.total
            yield page

    def _numbered(self, paging: NumberedPaging) -> Generator[Fetched]:
        """Ask for several pages at once: for all that the count promises, or until one is empty."""
        first = self._first(paging.parameters(0, None), _nothing)
        yield first
        size = first.size
        if not size:
            return
        is_counted = first.total is not None
        numbers = range(1, -(-first.total // size)) if is_counted else count(1)
        empty: list[int] = []

        def fetch(number: int) -> Fetched | None:
            if empty and number > min(empty):
                return None  # Nothing is asked for beyond the end.
            page = self._page(number, paging.parameters(number, size), _nothing)
            if not (page.size or is_counted):
                empty.append(number)
            return page

        # While some pages are read, others are on their way: `http` keeps to `in_flight`.
        with closing(in_order(fetch, numbers, 2 * self.in_flight)) as pages:
            for page in pages:
                if page is None or page.number in empty:
                    return
                yield page

    def _linked(self, paging: LinkedPaging) -> Generator[Fetched]:
        """Ask for page after page, for the next one while the last one is worked on."""
        page = self._first(paging.parameters(), paging.following)
        asked = set()
        with ThreadPoolExecutor(1) as pool:
            while page.following is not None:
                mark = str(page.following)
                if mark in asked:
                    raise SourceError(self._loop(page.number))
                asked.add(mark)
                coming = pool.submit(self._page, page.number + 1, page.following, paging.following)
                yield page
                page = coming.result()
        yield page

    def _first(self, query: Next, following: Following) -> Fetched:
        """Return the first page as it is now; where it is another, drop the spooled pages."""
        spooled = self._load(0) if 0 in self.spool else None
        page, found = self._ask(0, query, following)
        if spooled and (spooled.mark, spooled.total) != (found.mark, found.total):
            self.spool.clear()
        self.spool.save(0, page)
        return found

    def _page(self, number: int, query: Next, following: Following) -> Fetched:
        if number in self.spool:
            found = self._load(number)
            self.harvest.count(resumed=found.size)
            return found
        page, found = self._ask(number, query, following)
        self.spool.save(number, page)
        return found

    def _load(self, number: int) -> Fetched:
        page = self.spool.load(number)
        records = record_list(page.body, self.resource.records, self.resource.where)
        return Fetched(number=number, records=records, size=records.count(), **page.header)

    def _ask(self, number: int, query: Next, following: Following) -> tuple[Page, Fetched]:
        resource = self.resource
        url = query if isinstance(query, str) else resource.url
        parameters = {} if isinstance(query, str) else {**resource.parameters, **query}

        def read(body: bytes, headers: Mapping[str, str]) -> tuple[Page, Fetched]:
            answer = Answer(url=url, headers=headers, body=body)
            try:
                found = page_of(resource, number, answer, following)
            except CutOff as error:
                raise TransientError(str(error)) from error
            header = {name: getattr(found, name) for name in _SPOOLED}
            return Page(header=header, body=body), found

        found = self.http.get(url, read, parameters=parameters, headers=ACCEPT)
        if found is None:
            message = f"{resource.where} answered 304 (not modified), which it was not asked."
            raise SourceError(message)
        return found

    def _repeated(self, first: int, number: int) -> str:
        return (
            f"{self.resource.where} sent the same records as page {first + 1:,} and as page "
            f"{number + 1:,}. It may not know the parameters of its pages, or send its last page "
            "for all that follow: check `paging`, and set `total` if it has a count."
        )

    def _loop(self, number: int) -> str:
        return (
            f"{self.resource.where} names after page {number + 1:,} a next page that it had named "
            "before, so there would be no end. Check `paging`, or ask the source."
        )

    def _changed(self, before: int, now: int) -> str:
        return (
            f"{self.resource.where} had {before:,} records and now says {now:,}: it changed while "
            "it was read, which may have moved records from page to page. Run again."
        )


def in_order(fetch: Callable[[int], T], numbers: Iterable[int], at_once: int) -> Generator[T]:
    """Yield `fetch(number)` of all numbers in their order, with so many at once or yet to be taken.

    Examples:
        >>> from collectionflow.harvest._pages import in_order
        >>> list(in_order(lambda number: number * number, range(5), at_once=2))
        [0, 1, 4, 9, 16]
    """
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for number in numbers:
                waiting.append(pool.submit(fetch, number))
                if len(waiting) == at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _nothing(_answer: Answer) -> None:
    """Say that numbered pages do not name the next one."""
