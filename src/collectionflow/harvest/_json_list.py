"""The list of records of a JSON document in pieces, so that a file of any size fits into memory.

A piece is cut where one record seems to end and the next to begin. That is a guess, and the parser
proves it: text that begins with a record and reads as whole records with commas between them does
not end inside of one. Where the guess fails, brackets are counted.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from collectionflow.errors import SourceError
from collectionflow.harvest._json import (
    BOM,
    UNREADABLE,
    RecordList,
    decode_records,
    record_list,
    steps,
    value_at,
    values_of,
)

# What stands before the list, behind it, and one record must fit into this.
MAX_PART_BYTES: Final = 64 << 20
PIECE_BYTES: Final = 2 << 20
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|.?\Z)|[\[\]{}]', re.DOTALL)
_GAP: Final = re.compile(rb'\}\s*,\s*\{\s*(?:"[^"]*")?')
_CLOSING: Final = {b"[": b"]", b"{": b"}"}
_GUESSES: Final = 4


def record_lists(chunks: Iterable[bytes], path: str | None, where: str) -> Iterator[RecordList]:
    """Yield the records of a JSON document's list at `path`, about 2 MB at a time.

    Raises:
        CutOff: where the document ends too early.
        SourceError: where it is no JSON, has no such list, or cannot be read safely.

    Examples:
        >>> from collectionflow.harvest._json_list import record_lists
        >>> chunks = [b'{"data": [{"id": 1}, {"id": 2}, {"i', b'd": 3}], "total": 3}']
        >>> [records.count() for records in record_lists(chunks, "data", "'objects.json'")]
        [2, 1]
    """
    pieces = _pieces(chunks)
    head, text = _head(pieces, path, where)
    splitter, number = _Splitter(), 0
    while True:
        cut, is_end = splitter.split(text)
        if cut or is_end:
            place = f"{where} (from record {number + 1:,} on)" if number else where
            records = record_list(b"[" + text[:cut] + b"]", None, place)
            number += records.count()
            yield records
        if is_end:
            _check_tail(head, text[cut:], pieces, path, where)
            return
        text = text[cut:].lstrip().removeprefix(b",") if cut else text
        piece = next(pieces, b"")
        if not (piece or cut):
            raise _fault(head + text, path, where)
        text += piece
        _check_size(text, where)


def _head(pieces: Iterator[bytes], path: str | None, where: str) -> tuple[bytes, bytes]:
    """Return the document up to its list of records, bracket included, and what has come of it."""
    text = next(pieces, b"").removeprefix(BOM)
    while (start := _list_start(text, path)) is None:
        piece = next(pieces, b"")
        if not piece:
            raise _fault(text, path, where)
        text += piece
        _check_size(text, where)
    return text[:start], text[start:]


def _list_start(text: bytes, path: str | None) -> int | None:
    """Return where the first record may stand, None where the list is not there (yet)."""
    keys = steps(path) if path else ()
    opened: list[bytes] = []
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == b"[" and opened == [b"{"] * len(keys) and _is_at(text, token, opened, path):
            return token.end()
        if mark in _CLOSING:
            opened.append(mark)
        elif mark in {b"]", b"}"} and opened:
            opened.pop()
    return None


def _is_at(text: bytes, token: re.Match[bytes], opened: list[bytes], path: str | None) -> bool:
    """Return whether a bracket opens the list at a path: an empty list in its place is found."""
    closing = b"".join(_CLOSING[mark] for mark in reversed(opened))
    try:
        found = value_at(text[: token.start()] + b"[]" + closing, path, "")
    except SourceError:
        return False
    return found is not None and bytes(found).strip() == b"[]"


@dataclass
class _Splitter:
    """Finds where whole records end; `gap` is what stands between two of them."""

    gap: bytes = b""

    def split(self, text: bytes) -> tuple[int, bool]:
        """Return the length of the whole records at the start of a text, and if the list ends."""
        end = len(text)
        for _ in range(_GUESSES if self.gap else 0):
            end = text.rfind(self.gap, 0, end)
            if end < 0:
                break
            if _are_values(text[: end + 1]):
                return end + 1, False
        return self._count(text)

    def _count(self, text: bytes) -> tuple[int, bool]:
        depth = cut = 0
        for token in _TOKEN.finditer(text):
            mark = token[0]
            if mark in _CLOSING:
                depth += 1
            elif mark == b"]" and not depth:
                return token.start(), True
            elif mark in {b"]", b"}"}:
                depth -= 1
                if not depth and (gap := _GAP.match(text, token.start())):
                    self.gap, cut = gap[0], token.end()
        return cut, False


def _are_values(text: bytes) -> bool:
    try:
        values_of(b"[" + text + b"]")
    except UNREADABLE:
        return False
    return True


def _check_tail(
    head: bytes, tail: bytes, pieces: Iterator[bytes], path: str | None, where: str
) -> None:
    """Read the document without its records, so that it is known to be whole."""
    for piece in pieces:
        tail += piece
        _check_size(tail, where)
    decode_records(head + tail, path, where)


def _fault(text: bytes, path: str | None, where: str) -> SourceError:
    """Return what is wrong with a document that has ended before its list of records has."""
    fault = _too_large(where)
    try:
        decode_records(text, path, where)
    except SourceError as error:
        fault = error
    return fault


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


def _check_size(text: bytes, where: str) -> None:
    if len(text) > MAX_PART_BYTES:
        raise _too_large(where)


def _too_large(where: str) -> SourceError:
    return SourceError(
        f"{where} has a record, or something beside the list of records, that is larger than "
        f"{MAX_PART_BYTES >> 20} MiB. Set `records` to the path of the list, or ask for a file "
        "with one record a line (.ndjson)."
    )
