"""A real OAI-PMH 2.0 repository on loopback, of the records that it is given, faults included.

Run: cd scripts && uv run python -m servers.oai_pmh, and stop it with Ctrl-C.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn
from xml.sax.saxutils import escape, quoteattr

from servers._process import serve_until_interrupted
from servers.web import Request, Response, serve

_OPEN = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
)
_DC_OPEN = (
    '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/">'
)
_LIST_ARGUMENTS = {"verb", "metadataPrefix", "from", "until", "set"}


@dataclass(frozen=True)
class Record:
    """One record; its metadata is an XML element as text."""

    identifier: str
    datestamp: str
    metadata: str = ""
    sets: Sequence[str] = ()
    is_deleted: bool = False

    def header(self) -> str:
        """Return the header as XML."""
        status = ' status="deleted"' if self.is_deleted else ""
        sets = "".join(f"<setSpec>{escape(each)}</setSpec>" for each in self.sets)
        return (
            f"<header{status}><identifier>{escape(self.identifier)}</identifier>"
            f"<datestamp>{self.datestamp}</datestamp>{sets}</header>"
        )

    def whole(self) -> str:
        """Return the record as XML."""
        metadata = f"<metadata>{self.metadata}</metadata>" if self.metadata else ""
        return f"<record>{self.header()}{'' if self.is_deleted else metadata}</record>"


class Refusal(Exception):
    """An error of the protocol, by its code."""


@dataclass
class Repository:
    """What the server has, how it divides it, and what goes wrong.

    `fault` may answer a request in the repository's stead. `stated_size` changes what a page says
    of the size of its list, and says nothing where it returns None.
    """

    records: list[Record] = field(default_factory=list)
    page_size: int = 100
    is_by_day: bool = False
    deletions: str = "persistent"
    earliest: str = "2020-01-01T00:00:00Z"
    formats: Sequence[str] = ("oai_dc",)
    has_sets: bool = True
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    stated_size: Callable[[int, int], int | None] = lambda size, _offset: size
    fault: Callable[[Request], Response | None] = lambda _request: None
    _lists: dict[str, list[Record]] = field(default_factory=dict)

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        fault = self.fault(request)
        if fault is not None:
            return fault
        try:
            body = self._verb(request.query)
        except Refusal as refusal:
            code = quoteattr(str(refusal))
            body = f"<error code={code}>The request has {escape(str(refusal))}.</error>"
        now = self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        text = f"{_OPEN}<responseDate>{now}</responseDate><request>it</request>{body}</OAI-PMH>"
        return Response(text.encode(), headers={"Content-Type": "text/xml"})

    def expire(self) -> None:
        """Forget all resumption tokens."""
        self._lists.clear()

    def put(self, record: Record) -> None:
        """Add a record, or replace the one of its identifier."""
        self.records = [each for each in self.records if each.identifier != record.identifier]
        self.records.append(record)

    def _verb(self, query: Mapping[str, str]) -> str:
        match query.get("verb"):
            case "Identify":
                return self._identify()
            case "ListMetadataFormats":
                formats = "".join(
                    f"<metadataFormat><metadataPrefix>{each}</metadataPrefix></metadataFormat>"
                    for each in self.formats
                )
                return f"<ListMetadataFormats>{formats}</ListMetadataFormats>"
            case "ListRecords" | "ListIdentifiers" as verb:
                return self._list(verb, query)
            case _:
                return _refuse("badVerb")

    def _identify(self) -> str:
        granularity = "YYYY-MM-DD" if self.is_by_day else "YYYY-MM-DDThh:mm:ssZ"
        return (
            "<Identify><repositoryName>Test</repositoryName><protocolVersion>2.0</protocolVersion>"
            f"<earliestDatestamp>{self.earliest}</earliestDatestamp>"
            f"<deletedRecord>{self.deletions}</deletedRecord>"
            f"<granularity>{granularity}</granularity></Identify>"
        )

    def _list(self, verb: str, query: Mapping[str, str]) -> str:
        token = query.get("resumptionToken")
        if token is None:
            name, start = f"list{len(self._lists)}-{time.monotonic_ns()}", 0
            self._lists[name] = self._chosen(query)
        else:
            name, _, offset = token.rpartition(":")
            if name not in self._lists:
                _refuse("badResumptionToken")
            if query.keys() != {"verb", "resumptionToken"}:
                _refuse("badArgument")
            start = int(offset)
        chosen = self._lists[name]
        page = chosen[start : start + self.page_size]
        records = "".join(each.whole() if verb == "ListRecords" else each.header() for each in page)
        return f"<{verb}>{records}{self._token(name, start, len(chosen))}</{verb}>"

    def _token(self, name: str, start: int, size: int) -> str:
        if size <= self.page_size:
            return ""
        stated = self.stated_size(size, start)
        attributes = f' cursor="{start}"'
        attributes += "" if stated is None else f' completeListSize="{stated}"'
        following = start + self.page_size
        value = f"{name}:{following}" if following < size else ""
        return f"<resumptionToken{attributes}>{value}</resumptionToken>"

    def _chosen(self, query: Mapping[str, str]) -> list[Record]:
        self._check(query)
        since, until = query.get("from", ""), query.get("until", "~")
        # Records that changed within the last second, or day, of the window are in it.
        found = [
            each
            for each in self.records
            if since <= each.datestamp[: len(since) or None]
            and each.datestamp[: len(until)] <= until
            and query.get("set", "") in {"", *each.sets}
        ]
        if not found:
            _refuse("noRecordsMatch")
        return sorted(found, key=lambda each: (each.datestamp, each.identifier))

    def _check(self, query: Mapping[str, str]) -> None:
        if not query.keys() <= _LIST_ARGUMENTS or "metadataPrefix" not in query:
            _refuse("badArgument")
        if query["metadataPrefix"] not in self.formats:
            _refuse("cannotDisseminateFormat")
        if "set" in query and not self.has_sets:
            _refuse("noSetHierarchy")
        length = len("2026-01-01") if self.is_by_day else len("2026-01-01T00:00:00Z")
        if any(len(query[each]) != length for each in ("from", "until") if each in query):
            _refuse("badArgument")


def _refuse(code: str) -> NoReturn:
    raise Refusal(code)


def dublin_core(**elements: str | Sequence[str]) -> str:
    """Return metadata in simple Dublin Core; an element may come more than once."""
    found = []
    for name, values in elements.items():
        several = [values] if isinstance(values, str) else values
        found += [f"<dc:{name}>{escape(value)}</dc:{name}>" for value in several]
    return f"{_DC_OPEN}{''.join(found)}</oai_dc:dc>"


def sample(records: int = 250) -> list[Record]:
    """Return portraits, of which every tenth is deleted."""
    return [
        Record(
            identifier=f"oai:example.org:{number}",
            datestamp=f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}T12:00:00Z",
            metadata=dublin_core(
                title=f"Portrait {number}",
                creator=[f"Painter {number % 7}", "Workshop"][: number % 2 + 1],
                identifier=f"https://example.org/portraits/{number}",
            ),
            sets=["paintings" if number % 2 else "drawings"],
            is_deleted=not (number + 1) % 10,
        )
        for number in range(records)
    ]


if __name__ == "__main__":
    serve_until_interrupted(serve(Repository(sample()).answer))
