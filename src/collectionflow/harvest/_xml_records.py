"""XML streams as frames, in bounded memory: parsing only, whatever the bytes come from."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import polars as pl
from lxml import etree  # ty: ignore[missing-module-member]

from collectionflow.harvest._xml import Document, RecordPath
from collectionflow.harvest._xml_fields import Extraction, Namespaces, every
from collectionflow.harvest._xml_values import XmlFrames

# A good size for the pieces of a document: what is a tree at once stays in the processor's cache.
PIECE_BYTES: Final = 1 << 18
# So much extracted text becomes a frame at once.
_FRAME_BYTES: Final = 4_000_000

_LITERALS: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
# Attributes of ancestors are always there, since what is open is never dropped.
_UPWARD: Final = re.compile(
    r"(\.\./)*\.\./@[\w:.\-]+|(parent|ancestor(-or-self)?)::[\w:*.\-]+(\[\d+\])?/@[\w:.\-]+"
)
_OUTWARD: Final = re.compile(
    r"\.\.|parent|ancestor|preceding|following|(?<![\w.\])])/|\b(and|or|div|mod)/"
)


def records_of(
    documents: Iterable[tuple[str, Iterable[bytes]]],
    path: RecordPath,
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
            if frames.is_due(_FRAME_BYTES):
                yield frames.take()
    if frames.is_due():
        yield frames.take()


def complete_records(
    chunks: Iterable[bytes], path: RecordPath, where: str, *, keeps_outside: bool = False
) -> Iterator[list[etree._Element]]:
    """Yield the records of a document as they end, and drop them when the next are asked for.

    A record inside a record is one too, and comes behind it. What is open, and so all ancestors,
    stays; what stands beside them is dropped as well. With `keeps_outside` it stays, but for what
    is like a record, or like something that a record was in.
    """
    document = Document(where, path)
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


def is_outward(xpath: str) -> bool:
    """Return whether a path may look at what stands beside a record.

    Examples:
        >>> from collectionflow.harvest._xml_records import is_outward
        >>> is_outward("did/unittitle[@type='/']"), is_outward("../@id"), is_outward("/ead/@id")
        (False, False, True)
    """
    bare = _UPWARD.sub("@", _LITERALS.sub('""', xpath))
    return _OUTWARD.search(bare) is not None
