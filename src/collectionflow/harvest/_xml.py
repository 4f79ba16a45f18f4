"""XML streams as frames, in bounded memory: parsing only, whatever the bytes come from."""

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import polars as pl
from lxml import etree  # ty: ignore[missing-module-member]

from collectionflow.errors import SourceError
from collectionflow.harvest._source import quoted
from collectionflow.harvest._xml_fields import Extraction, Namespaces, every
from collectionflow.harvest._xml_values import XmlFrames

CHUNK_BYTES: Final = 1 << 18
# So much extracted text becomes a frame at once.
_FRAME_CHARACTERS: Final = 4_000_000

_NAME: Final = r"(?:[^\W\d][\w.\-]*:)?(?:[^\W\d][\w.\-]*|\*)"
_PATH: Final = re.compile(rf"//?{_NAME}(?:/{_NAME})*")
_LITERALS: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
# Attributes of ancestors are always there, since what is open is never dropped.
_UPWARD: Final = re.compile(
    r"(\.\./)*\.\./@[\w:.\-]+|(parent|ancestor(-or-self)?)::[\w:*.\-]+(\[\d+\])?/@[\w:.\-]+"
)
_OUTWARD: Final = re.compile(
    r"\.\.|parent|ancestor|preceding|following|(?<![\w.\])])/|\b(and|or|div|mod)/"
)
# No entity is replaced and nothing is fetched. Limits on depth and on one text hold.
_SAFE: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,
    # A value that a comment stands in is one value.
    "remove_comments": True,
}
_DECLARATION: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:<\?xml\s[^>]*\?>)?")
_DECLARATIONS: Final = re.compile(rb"<!DOCTYPE[^>\[]*\[")
_LONGEST_DECLARATION: Final = 1024
_MARK: Final = b"<?collectionflow?>"


class Malformed(SourceError):
    """What should be XML is none, or was cut off."""


def records_of(
    documents: Iterable[tuple[str, Iterable[bytes]]],
    path: "RecordPath",
    frames: XmlFrames,
    namespaces: Namespaces,
) -> Iterator[pl.DataFrame]:
    """Yield the records of documents, each a name and its bytes in pieces, as frames.

    Raises:
        Malformed: where a document is not well-formed, with line, column and record.
        SourceError: where it has declarations of its own, or a field has several values.
    """
    extraction = Extraction(frames.fields, namespaces)
    keeps_outside = any(is_outward(each.xpath) for each in every(frames.fields))
    for where, chunks in documents:
        frames.begin(where)
        for records in complete_records(chunks, path, where, keeps_outside=keeps_outside):
            frames.add(extraction.text(records), len(records))
            if frames.is_due(_FRAME_CHARACTERS):
                yield frames.take()
    if frames.is_due():
        yield frames.take()


class RecordPath:
    """Which elements are records: those at a path from the root, or of a name wherever they are.

    Examples:
        >>> from lxml import etree
        >>> from collectionflow.harvest._xml import RecordPath
        >>> root = etree.fromstring("<table><tuple><table><tuple/></table></tuple></table>")
        >>> len(RecordPath("/table/tuple", {}).within(root))
        1
        >>> len(RecordPath("//tuple", {}).within(root))
        2

    Raises:
        SourceError: where the path cannot be followed while a document streams.
    """

    def __init__(self, path: str, namespaces: Namespaces) -> None:
        if _PATH.fullmatch(path) is None:
            message = (
                f"The path '{path}' of the records cannot be followed while a file streams. Write "
                "element names only: '/lido:lidoWrap/lido:lido' from the root, or '//lido:lido' "
                "wherever it is."
            )
            raise SourceError(message)
        if unknown := sorted(set(re.findall(r"/([^/:]+):", path)).difference(namespaces)):
            message = (
                f"The path '{path}' of the records has the prefix {quoted(unknown)}, which is not "
                f"in `namespaces`. There is: {quoted(list(namespaces)) or 'none'}."
            )
            raise SourceError(message)
        *parents, name = path.lstrip("/").split("/")
        condition = "" if path.startswith("//") else "[not(parent::*)]"
        for parent in parents:
            condition = f"[parent::{parent}{condition}]"
        prefix, _, local = name.rpartition(":")
        self._tag = f"{{{namespaces[prefix]}}}{local}" if prefix else local
        self._test = etree.XPath(f"self::{name}{condition}", namespaces=dict(namespaces))
        self._is_name = not condition

    def matches(self, element: etree._Element) -> bool:
        """Return whether an element is a record."""
        return bool(self._test(element))

    def within(
        self, element: etree._Element, end: etree._Element | None = None
    ) -> list[etree._Element]:
        """Return the records that an element is or has, in the document's order, before `end`."""
        named = takewhile(lambda each: each is not end, element.iter(self._tag))
        return list(named if self._is_name else filter(self.matches, named))


def is_outward(xpath: str) -> bool:
    """Return whether a path may look at what stands beside a record.

    Examples:
        >>> from collectionflow.harvest._xml import is_outward
        >>> is_outward("did/unittitle[@type='/']"), is_outward("../@id"), is_outward("/ead/@id")
        (False, False, True)
    """
    bare = _UPWARD.sub("@", _LITERALS.sub('""', xpath))
    return _OUTWARD.search(bare) is not None


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def parsed(body: bytes, where: str) -> etree._Element:
    """Return the root of a small document that is held as a whole.

    Raises:
        Malformed: where it is not well-formed.
        SourceError: where it has declarations of its own.
    """
    document = _Document(where)
    document.feed(body)
    return document.close()


def complete_records(
    chunks: Iterable[bytes], path: RecordPath, where: str, *, keeps_outside: bool = False
) -> Iterator[list[etree._Element]]:
    """Yield the records of a document as they end, and drop them when the next are asked for.

    A record inside a record is one too, and comes behind it. What is open, and so all ancestors,
    stays; what stands beside them is dropped as well. With `keeps_outside` it stays, but for what
    is like a record, or like something that a record was in.
    """
    document = _Document(where, path)
    kinds: set[tuple[int, str]] = set()
    for chunk in chunks:
        document.feed(chunk)
        if document.root is None:
            continue
        found = _ended(document.root, path)
        if found:
            document.records += len(found)
            yield found
        if keeps_outside:
            kinds.update(kind for record in found for kind in _kinds(record))
        found.clear()  # An element that somebody holds would be moved, not freed.
        _drop_ended(document.root, path, kinds if keeps_outside else None)
    if found := path.within(document.close()):
        yield found


def _open(root: etree._Element, path: RecordPath) -> Iterator[etree._Element]:
    """Yield the elements that may be open still, from the root to the first record."""
    node = root
    while not path.matches(node) and len(node):
        yield node
        node = node[-1]


def _ended(root: etree._Element, path: RecordPath) -> list[etree._Element]:
    """Return the records before the one that may be open still."""
    last = root
    for node in _open(root, path):
        last = node[-1]
    return path.within(root, last if path.matches(last) else None)


def _drop_ended(root: etree._Element, path: RecordPath, kinds: set[tuple[int, str]] | None) -> None:
    """Drop what has ended, or only what is of these kinds."""
    for depth, node in enumerate(_open(root, path)):
        if kinds is None:
            del node[:-1]
            continue
        for child in node[:-1]:
            if (depth + 1, child.tag) in kinds:
                node.remove(child)


def _kinds(record: etree._Element) -> list[tuple[int, str]]:
    """Return the depth and name of a record and of all that it is in."""
    tags = [record.tag, *(each.tag for each in record.iterancestors())]
    return list(enumerate(reversed(tags)))


class _Document:
    """A document that comes in pieces: its root as far as it has come, and its faults."""

    def __init__(self, where: str, path: RecordPath | None = None) -> None:
        self.root: etree._Element | None = None
        self.records = 0
        self._where, self._path = where, path
        self._head: bytes | None = b""
        self._mark_line = 0
        self._first: etree._Element | None = None
        self._parser = etree.XMLPullParser(events=("pi",), **_SAFE)

    def feed(self, data: bytes) -> None:
        """Parse what has come."""
        if self._head is not None:
            self._head += data
            if b">" not in self._head and len(self._head) < _LONGEST_DECLARATION:
                return
            data, self._head = self._marked(self._head), None
        self._parse(data)

    def close(self) -> etree._Element:
        """Return the root of the whole document."""
        if self._head is not None:
            self._parse(self._head)
        try:
            root = self._parser.close()
        except etree.XMLSyntaxError as error:
            raise self._malformed(*error.position, str(error.msg)) from error
        self._check()
        return root

    def _marked(self, head: bytes) -> bytes:
        """Return the start of a document with a mark in it, which leads to the root.

        Without one, a parser tells the root when all is parsed, or by events of all elements, which
        cost as much as parsing. These serve where it is not known how to write the mark.
        """
        found = _DECLARATION.match(head)
        end = found.end() if found else 0
        if b"\0" in head[: end + 4] or not head[end:].lstrip().startswith(b"<"):
            self._parser = etree.XMLPullParser(events=("start",), **_SAFE)
            return head
        self._mark_line = head[:end].count(b"\n") + 1
        return head[:end] + _MARK + head[end:]

    def _parse(self, data: bytes) -> None:
        fault = None
        try:
            self._parser.feed(data)
        except etree.XMLSyntaxError as error:
            fault = error
        for _, node in self._parser.read_events():
            self._first = node if self._first is None else self._first
        if self.root is None and self._first is not None:
            self.root = self._first.getroottree().getroot()
            self._refuse_declarations()
        if fault is not None:
            raise self._malformed(*fault.position, str(fault.msg)) from fault
        self._check()

    def _refuse_declarations(self) -> None:
        tree = None if self.root is None else self.root.getroottree()
        if tree is None or tree.docinfo.internalDTD is None:
            return
        if _DECLARATIONS.search(etree.tostring(tree)):
            message = (
                f"{self._where} declares entities or attributes of its own (DOCTYPE), which can "
                "make a small file unfold without end. Ask for a file with characters in their "
                "place."
            )
            raise SourceError(message)

    def _check(self) -> None:
        """Raise for a fault that the parser has noted, and gone on from."""
        for entry in self._parser.feed_error_log:
            is_lost = entry.type == etree.ErrorTypes.WAR_UNDECLARED_ENTITY
            if is_lost or entry.level >= etree.ErrorLevels.ERROR:
                raise self._malformed(entry.line, entry.column, entry.message)

    def _malformed(self, line: int, column: int, message: str) -> Malformed:
        number = self.records
        if self.root is not None and self._path is not None:
            number += len(self._path.within(self.root))
        place = f", in or after record {number:,}" if number else ""
        reason = message.partition(", line ")[0].strip().rstrip(".")
        if line == self._mark_line:
            column = max(column - len(_MARK), 1)
        return Malformed(
            f"{self._where} is no well-formed XML at line {line}, column {column}{place}: "
            f"'{reason}'. It may have been cut off: ask for it again, or have it mended there."
        )
