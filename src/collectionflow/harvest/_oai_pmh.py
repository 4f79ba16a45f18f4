"""Answers of an OAI-PMH 2.0 repository, parsed. No network."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lxml import etree  # ty: ignore[missing-module-member]

from collectionflow.harvest._xml import Malformed, parsed

NAMESPACE: Final = "http://www.openarchives.org/OAI/2.0/"
_OAI: Final = f"{{{NAMESPACE}}}"
_DAY: Final = "%Y-%m-%d"
_SECOND: Final = "%Y-%m-%dT%H:%M:%SZ"
# The protocol is younger, so an earlier datestamp is a slip that would make thousands of windows.
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)


class Refusal(Exception):
    """An error of the protocol, such as `badArgument`, with what the repository says of it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a repository says of itself. `now` is its own clock."""

    now: datetime | None
    earliest: datetime | None
    is_by_day: bool
    keeps_deletions: bool

    def written(self, moment: datetime) -> str:
        """Return a moment as the repository writes datestamps."""
        return moment.strftime(_DAY if self.is_by_day else _SECOND)

    def before(self, until: str) -> str | None:
        """Return where a harvest begins that goes on after `until`: a day, or an hour, before it.

        A record may become visible some time after its datestamp.
        """
        moment = moment_of(until)
        if moment is None:
            return None
        return self.written(moment - (timedelta(days=1) if self.is_by_day else timedelta(hours=1)))


@dataclass(frozen=True, kw_only=True)
class Window:
    """A span of datestamps, both ends included; None is without an end."""

    since: str | None = None
    until: str | None = None

    def arguments(self) -> dict[str, str]:
        """Return the span as arguments of a request."""
        ends = {"from": self.since, "until": self.until}
        return {name: end for name, end in ends.items() if end is not None}


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """One page of a list: its records, or headers, and where the list goes on."""

    records: Sequence[etree._Element]
    token: str | None = None
    size: int | None = None

    def identifiers(self) -> list[str]:
        """Return the records' identifiers."""
        return [_header(each).findtext(f"{_OAI}identifier", "") for each in self.records]

    def datestamps(self) -> list[str]:
        """Return the records' datestamps."""
        return [_header(each).findtext(f"{_OAI}datestamp", "") for each in self.records]


def answer_of(body: bytes, where: str) -> etree._Element:
    """Return the root of an answer.

    Raises:
        Malformed: where it is no XML, or no answer of such a repository.
        Refusal: where it is an error of the protocol.
    """
    root = parsed(body, where)
    if root.tag != f"{_OAI}OAI-PMH":
        message = (
            f"{where} does not answer as an OAI-PMH 2.0 repository, but with an element "
            f"'{root.tag}'. Check the source's base_url."
        )
        raise Malformed(message)
    error = root.find(f"{_OAI}error")
    if error is not None:
        raise Refusal(error.get("code", ""), " ".join(str(error.xpath("string()")).split()))
    return root


def identity_of(root: etree._Element) -> Identity:
    """Return what an answer to `Identify` says."""

    def text(name: str) -> str:
        return root.findtext(f"{_OAI}Identify/{_OAI}{name}", "").strip()

    return Identity(
        now=moment_of(root.findtext(f"{_OAI}responseDate", "")),
        earliest=moment_of(text("earliestDatestamp")),
        is_by_day="T" not in text("granularity").upper(),
        keeps_deletions=text("deletedRecord") == "persistent",
    )


def page_of(root: etree._Element, verb: str) -> ListPage:
    """Return what an answer to `ListRecords` or `ListIdentifiers` says."""
    name = "record" if verb == "ListRecords" else "header"
    records = root.findall(f"{_OAI}{verb}/{_OAI}{name}")
    token = root.find(f"{_OAI}{verb}/{_OAI}resumptionToken")
    if token is None:
        return ListPage(records=records)
    size = token.get("completeListSize", "").strip()
    return ListPage(
        records=records,
        token=str(token.xpath("string()")).strip() or None,
        size=int(size) if size.isdecimal() else None,
    )


def prefixes_of(root: etree._Element) -> list[str]:
    """Return the formats that an answer to `ListMetadataFormats` names."""
    return [each.text or "" for each in root.iter(f"{_OAI}metadataPrefix")]


def windows_of(identity: Identity, days: int | None) -> list[Window]:
    """Return windows of so many days that together have no bounds. Each shares its ends.

    The last one is open, since a record that changes meanwhile moves there.

    Examples:
        >>> from datetime import UTC, datetime
        >>> from collectionflow.harvest._oai_pmh import Identity, windows_of
        >>> identity = Identity(
        ...     earliest=datetime(2026, 1, 1, tzinfo=UTC),
        ...     now=datetime(2026, 1, 20, tzinfo=UTC),
        ...     is_by_day=True,
        ...     keeps_deletions=True,
        ... )
        >>> [window.arguments() for window in windows_of(identity, 15)]
        [{'until': '2026-01-16'}, {'from': '2026-01-16'}]
    """
    edges: list[str] = []
    if days is not None and identity.earliest is not None and identity.now is not None:
        edge = max(identity.earliest, _EARLIEST) + timedelta(days=days)
        while edge < identity.now:
            edges.append(identity.written(edge))
            edge += timedelta(days=days)
    starts, ends = [None, *edges], [*edges, None]
    return [Window(since=since, until=until) for since, until in zip(starts, ends, strict=True)]


def moment_of(text: str) -> datetime | None:
    """Return a datestamp as a moment in UTC, None where it is none.

    Examples:
        >>> from collectionflow.harvest._oai_pmh import moment_of
        >>> moment_of("2026-01-02T03:04:05Z").isoformat()
        '2026-01-02T03:04:05+00:00'
        >>> moment_of("yesterday") is None
        True
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _header(record: etree._Element) -> etree._Element:
    header = record.find(f"{_OAI}header")
    return record if header is None else header
