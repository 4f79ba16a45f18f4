"""XML that comes in pieces: its root as far as it has come, its faults, and which are records."""

import re
from itertools import takewhile
from typing import Any, Final

from lxml import etree  # ty: ignore[missing-module-member]

from collectionflow.errors import SourceError
from collectionflow.harvest._xml_fields import Namespaces
from collectionflow.markdown import quoted

_NAME: Final = r"(?:[^\W\d][\w.\-]*:)?(?:[^\W\d][\w.\-]*|\*)"
_PATH: Final = re.compile(rf"//?{_NAME}(?:/{_NAME})*")
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


def parsed(body: bytes, where: str) -> etree._Element:
    """Return the root of a small document that is held as a whole.

    Raises:
        Malformed: where it is not well-formed.
        SourceError: where it has declarations of its own.
    """
    document = Document(where)
    document.feed(body)
    return document.close()


class Document:
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
