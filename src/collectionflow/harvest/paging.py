"""How an API divides its records into pages. Each style is a resource of its own."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import dagster as dg
from pydantic import Field

from collectionflow.errors import SourceError

# What to ask for next: a link, or query parameters for the same address.
Next: TypeAlias = str | dict[str, str]

_TEXT: Final = r'"(?:[^"\\]|\\.)*"|[^\s;,"]*'
_LINK: Final = re.compile(rf"<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:{_TEXT}))?)*)")
_ATTRIBUTE: Final = re.compile(rf";\s*([^\s=;,]+)\s*=\s*({_TEXT})")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer of an API: where it was asked, its headers and its body."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Paging(dg.ConfigurableResource[None], ABC):
    """How an API divides its records into pages: in numbered pages, or by what a page says."""


class NumberedPaging(Paging, ABC):
    """Pages that can be asked for in any order, so several are asked for at once."""

    @abstractmethod
    def parameters(self, number: int, records_a_page: int | None) -> dict[str, str]:
        """Return the query of page `number`, from 0.

        `records_a_page` is what the first page had: a server may send fewer than it was asked for.
        """


class LinkedPaging(Paging, ABC):
    """Pages of which each says where the next one is, so they are asked for one by one."""

    def parameters(self) -> dict[str, str]:
        """Return what is added to the query of the first page."""
        return {}

    @abstractmethod
    def following(self, answer: Answer) -> Next | None:
        """Return what to ask for after an answer, None after the last."""


class SinglePage(LinkedPaging):
    """One answer has all records.

    Examples:
        >>> from collectionflow.harvest.paging import Answer, SinglePage
        >>> paging = SinglePage()
        >>> paging.following(Answer(url="https://example.org/objects", headers={}, body=b"[]"))
    """

    keep_unchanged: bool = Field(
        default=False,
        description="Whether the published table is kept where the page has not changed (304). "
        "For assets with a unique column that return what they harvest as it comes.",
    )

    def following(self, answer: Answer) -> Next | None:
        """Return None.

        Raises:
            SourceError: where a Link header says that there is a next page all the same.
        """
        if LinkHeaders().following(answer):
            message = (
                "The source is set to a single page, but its Link header names a next one. Set "
                "paging to LinkHeaders()."
            )
            raise SourceError(message)
        return None


class PageNumbers(NumberedPaging):
    """Pages by number: `?page=1`, `?page=2`.

    Examples:
        >>> from collectionflow.harvest.paging import PageNumbers
        >>> paging = PageNumbers(parameter="page", size_parameter="limit", size=100)
        >>> paging.parameters(0, None)
        {'page': '1', 'limit': '100'}
    """

    parameter: str = Field(default="page", description="The query parameter of the number.")
    first: int = Field(default=1, description="The number of the first page.")
    size_parameter: str | None = Field(
        default=None, description="The query parameter of the number of records a page."
    )
    size: int = Field(default=100, ge=1, description="How many records a page, where it is asked.")

    def parameters(self, number: int, records_a_page: int | None) -> dict[str, str]:  # noqa: ARG002 (the server keeps its size)
        """Return the page's number, and the size where the API takes one."""
        size = {self.size_parameter: str(self.size)} if self.size_parameter else {}
        return {self.parameter: str(self.first + number)} | size


class Offsets(NumberedPaging):
    """Pages by the number of records before them: `?offset=0&limit=100`, `?offset=100&limit=100`.

    Examples:
        >>> from collectionflow.harvest.paging import Offsets
        >>> paging = Offsets(limit=1000)
        >>> paging.parameters(0, None)
        {'offset': '0', 'limit': '1000'}
        >>> paging.parameters(3, 250)  # The server sends 250 at most.
        {'offset': '750', 'limit': '250'}
    """

    parameter: str = Field(default="offset", description="The query parameter of the offset.")
    limit_parameter: str = Field(default="limit", description="The query parameter of the limit.")
    limit: int = Field(default=100, ge=1, description="How many records a page.")

    def parameters(self, number: int, records_a_page: int | None) -> dict[str, str]:
        """Return the offset and the limit."""
        limit = records_a_page or self.limit
        return {self.parameter: str(number * limit), self.limit_parameter: str(limit)}


class Cursor(LinkedPaging):
    """Each page has a token in its body that asks for the next one: `?cursor=eyJpZCI6MTAwfQ`.

    Examples:
        >>> from collectionflow.harvest.paging import Answer, Cursor
        >>> paging = Cursor(parameter="cursor", path="meta.next_cursor")
        >>> body = b'{"meta": {"next_cursor": "abc"}}'
        >>> paging.following(Answer(url="https://example.org/objects", headers={}, body=body))
        {'cursor': 'abc'}
    """

    parameter: str = Field(default="cursor", description="The query parameter of the token.")
    path: str = Field(description="Where the token is in a page: 'meta.next_cursor'.")
    start: str | None = Field(default=None, description="The token of the first page, if any.")

    def parameters(self) -> dict[str, str]:
        """Return the first token, where the API wants one."""
        return {} if self.start is None else {self.parameter: self.start}

    def following(self, answer: Answer) -> Next | None:
        """Return the parameter with the page's token; none, null or blank is the end."""
        token = _text_at(answer, self.path)
        return {self.parameter: token} if token else None


class NextUrls(LinkedPaging):
    """Each page has the URL of the next one in its body.

    Examples:
        >>> from collectionflow.harvest.paging import Answer, NextUrls
        >>> paging = NextUrls(path="links.next")
        >>> body = b'{"links": {"next": "/objects?page=2"}}'
        >>> paging.following(Answer(url="https://example.org/objects", headers={}, body=body))
        '/objects?page=2'
    """

    path: str = Field(description="Where the URL is in a page: 'links.next'.")

    def following(self, answer: Answer) -> Next | None:
        """Return the page's link; none, null or blank is the end."""
        return _text_at(answer, self.path) or None


class LinkHeaders(LinkedPaging):
    """Each page names the next one in its Link header (RFC 8288).

    Examples:
        >>> from collectionflow.harvest.paging import Answer, LinkHeaders
        >>> headers = {"Link": '</objects?page=2>; rel="next", </objects?page=9>; rel="last"'}
        >>> paging = LinkHeaders()
        >>> paging.following(Answer(url="https://example.org/objects", headers=headers, body=b"[]"))
        '/objects?page=2'
    """

    relation: str = Field(default="next", description="How the link to the next page is called.")

    def following(self, answer: Answer) -> Next | None:
        """Return the first link of the relation."""
        links = _links(answer.headers.get("Link", ""))
        return next((link for link, names in links if self.relation.lower() in names), None)


def _links(header: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the links of a header with their relations, in lower case."""
    for link, written in _LINK.findall(header):
        attributes = _ATTRIBUTE.findall(written)
        relation: str = next((text for name, text in attributes if name.lower() == "rel"), "")
        yield link, relation.strip('"').lower().split()


def _text_at(answer: Answer, path: str) -> str | None:
    from collectionflow.harvest._json import scalar, value_at

    value = value_at(answer.body, path, "A page")
    return None if value is None else scalar(value)
