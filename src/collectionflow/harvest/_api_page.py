"""What an answer of an API says: its records, its count, and where the next page is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from collectionflow.errors import SourceError
from collectionflow.harvest._json import Document, RecordList, scalar
from collectionflow.harvest._url import resolved_link, shown
from collectionflow.harvest.paging import Answer, Next

Following = Callable[[Answer], Next | None]

_VALIDATORS: Final = ("ETag", "Last-Modified")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What is harvested: where it is asked for, and where its answers have what is needed."""

    base_url: str
    url: str
    parameters: Mapping[str, str]
    records: str | None
    total: str | None

    @property
    def name(self) -> str:
        """The address as people may see it."""
        return shown(self.url)

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"'{self.name}'"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """One page: its records, how many there are, and what else is known of it."""

    number: int
    records: RecordList
    size: int
    total: int | None
    following: Next | None
    validators: Mapping[str, str]

    @property
    def mark(self) -> int:
        """What pages with the same records share."""
        return hash(self.records.text)


def page_of(resource: Resource, number: int, answer: Answer, following: Following) -> Fetched:
    """Return what an answer says, read as the page of this number.

    Raises:
        CutOff: where the answer ends too early.
        SourceError: where it cannot be read safely, or has not what the resource says.
    """
    document = Document(answer.body, resource.where)
    records = document.record_list(resource.records)
    after = following(answer)
    if isinstance(after, str):
        after = resolved_link(after, answer.url, resource.base_url)
    return Fetched(
        number=number,
        records=records,
        size=records.count(),
        total=_total(resource, document, answer.headers, is_first=number == 0),
        following=after,
        validators={name: answer.headers[name] for name in _VALIDATORS if name in answer.headers},
    )


def _total(
    resource: Resource, document: Document, headers: Mapping[str, str], *, is_first: bool
) -> int | None:
    """Return the source's own count: from a header, or from a path of the body."""
    name = resource.total
    if name is None:
        return None
    found = headers.get(name)
    if found is None and not document.is_list():
        value = document.at(name)
        found = None if value is None else scalar(value)
    if found is None and not is_first:
        return None
    if found is None or not found.isdecimal():
        message = (
            f"{resource.where} has no count at '{name}', neither in its body nor in a header, but "
            f"{found!r}. Set `total` to where it is, or leave it out."
        )
        raise SourceError(message)
    return int(found)
