"""JSON bytes as records whose values are still their raw text: not read, and so not changed.

What two readers would understand differently is refused: see `_json_faults`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

from collectionflow.errors import SourceError
from collectionflow.harvest._json_faults import (
    check_text,
    double_key,
    first_double_key,
    has_single_keys,
    json_fault,
)
from collectionflow.markdown import quoted

Record: TypeAlias = dict[str, Raw]

BOM: Final = b"\xef\xbb\xbf"
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_object = msgspec.json.Decoder(Record)
_objects = msgspec.json.Decoder(list[Record])
# The values of a list, each as it is written.
values_of = msgspec.json.Decoder(list[Raw]).decode
_string = msgspec.json.Decoder(str)


@dataclass(frozen=True)
class RecordList:
    """A JSON list, in UTF-8, that holds records unless `decode` says what else."""

    text: bytes
    decode: Callable[[], list[Record]]

    def count(self) -> int:
        """Return how many values it has; raises what `decode` raises where it is no list."""
        try:
            return len(values_of(self.text))
        except UNREADABLE:
            return len(self.decode())


def record_list(body: bytes, path: str | None, where: str) -> RecordList:
    """Return the list of a JSON document: the one at `path`, or the one that it is.

    `path` has dots between keys, or is a JSON Pointer such as `/data/items`. `where` names the
    document in errors.

    Raises:
        CutOff: where the document ends too early.
        SourceError: where it is no JSON, or there is nothing at the path.

    Examples:
        >>> from collectionflow.harvest._json import record_list
        >>> found = record_list(b'{"data": [{"id": 1}]}', "data", "the page")
        >>> found.text, len(found.decode())
        (b'[{"id": 1}]', 1)
    """
    return Document(body, where).record_list(path)


def decode_records(body: bytes, path: str | None, where: str) -> list[Record]:
    """Return the records of a JSON document; see `record_list`.

    Raises:
        CutOff: where the document ends too early.
        SourceError: where it is no JSON, has no list of objects there, or cannot be read safely.

    Examples:
        >>> from collectionflow.harvest._json import decode_records
        >>> records = decode_records(b'{"data": [{"id": 1, "height": 1.50}]}', "data", "the page")
        >>> [{key: bytes(value) for key, value in record.items()} for record in records]
        [{'id': b'1', 'height': b'1.50'}]
    """
    return record_list(body, path, where).decode()


def decode_lines(body: bytes, where: str, first_line: int = 1) -> list[Record]:
    r"""Return the records of newline-delimited JSON; blank lines are passed over.

    `first_line` is the number of the body's first line, where it is a part of a file.

    Raises:
        CutOff: where a line ends too early.
        SourceError: where a line is no JSON object, or cannot be read safely.

    Examples:
        >>> from collectionflow.harvest._json import decode_lines
        >>> len(decode_lines(b'{"id": 1}\n{"id": 2}\n', "'objects.ndjson'"))
        2
    """
    records = []
    for number, line in enumerate(body.removeprefix(BOM).split(b"\n"), first_line):
        if not line.strip():
            continue
        try:
            record = _object.decode(line)
        except UNREADABLE as error:
            raise json_fault(line, f"Line {number} of {where}", "an object") from error
        check_text(line, f"Line {number} of {where}")
        if not has_single_keys(line, [record]):
            raise double_key(line, f"Line {number} of {where}")
        records.append(record)
    return records


def value_at(body: bytes, path: str | None, where: str) -> Raw | None:
    """Return the raw value at a path of a JSON document, None where there is none.

    Raises:
        CutOff: where the document ends too early.
        SourceError: where it is no JSON, or something on the path is no object.

    Examples:
        >>> from collectionflow.harvest._json import value_at
        >>> bytes(value_at(b'{"page": {"total": 12}}', "page.total", "the page"))
        b'12'
    """
    return Document(body, where).at(path)


class Document:
    """A JSON document of which several values are wanted: it is looked through only once."""

    def __init__(self, body: bytes, where: str) -> None:
        """Take a document; `where` names it in errors."""
        self._text = Raw(body.removeprefix(BOM))
        self._where = where
        self._members: Record | None = None
        check_text(body, where)

    def at(self, path: str | None) -> Raw | None:
        """Return the raw value at a path, None where there is none; see `value_at`."""
        value = self._text
        for step in steps(path) if path else ():
            members = self._top(step) if value is self._text else self._object(value, step)
            if step not in members:
                return None
            value = members[step]
        return value

    def is_list(self) -> bool:
        """Return whether the document is a list itself."""
        return is_list(self._text)

    def record_list(self, path: str | None) -> RecordList:
        """Return the list of records at a path; see `record_list`."""
        text = self.at(path)
        if text is None:
            message = f"{self._where} has no list of records at '{path}'.{self._lists()}"
            raise SourceError(message)
        return RecordList(bytes(text), partial(self._records, text, path))

    def _records(self, text: Raw, path: str | None) -> list[Record]:
        where = self._where
        try:
            records = _objects.decode(text)
        except UNREADABLE as error:
            raise self._no_records(text, path) from error
        if not has_single_keys(text, records):
            listed = values_of(text)
            number = [first_double_key(bytes(each)) is None for each in listed].index(False)
            raise double_key(listed[number], f"Record {number + 1} of {where}")
        return records

    def _top(self, step: str) -> Record:
        if self._members is None:
            self._members = self._object(self._text, step)
        return self._members

    def _object(self, value: Raw, step: str) -> Record:
        try:
            found = _object.decode(value)
        except UNREADABLE as error:
            raise json_fault(self._text, self._where, f"an object with '{step}'") from error
        if not has_single_keys(value, [found]):
            raise double_key(value, self._where)
        return found

    def _no_records(self, text: Raw, path: str | None) -> SourceError:
        """Return why there is no list of objects: the document, the list, or one of its records."""
        fault = json_fault(
            text, f"{self._where} at '{path}'" if path else self._where, "a list of objects"
        )
        if not is_list(text):
            return type(fault)(f"{fault}{self._lists()}")
        try:
            listed: Sequence[Raw] = values_of(text)
        except UNREADABLE:
            return fault
        faults = (
            json_fault(each, f"Record {number} of {self._where}", "an object")
            for number, each in enumerate(listed, 1)
            if not bytes(each).startswith(b"{")
        )
        return next(faults, fault)

    def _lists(self) -> str:
        """Return where the document has lists, so that the path can be set."""
        try:
            found = _object.decode(self._text)
        except UNREADABLE:
            return ""
        names = [key for key, value in found.items() if is_list(value)]
        there = f"lists at {quoted(names)}" if names else quoted(list(found))
        return f" It has {there}. Set `records` to the path of the list."


def is_list(text: bytes | Raw) -> bool:
    """Return whether a document or a value is a list, from how it begins."""
    return bytes(text).removeprefix(BOM).lstrip().startswith(b"[")


def steps(path: str) -> tuple[str, ...]:
    """Return the keys that a path names.

    Examples:
        >>> from collectionflow.harvest._json import steps
        >>> steps("attributes.maker.name")
        ('attributes', 'maker', 'name')
        >>> steps("/attributes/dc.title")
        ('attributes', 'dc.title')
    """
    if not path.startswith("/"):
        return tuple(path.split("."))
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))


def scalar(value: Raw) -> str | None:
    r"""Return a value as text: a string unquoted, null as None, the rest as it is written.

    Examples:
        >>> import msgspec
        >>> from collectionflow.harvest._json import scalar
        >>> scalar(msgspec.Raw(b'"a\\u00e9"')), scalar(msgspec.Raw(b"1.50"))
        ('aé', '1.50')
    """
    text = bytes(value)
    if text == b"null":
        return None
    return _string.decode(text) if text.startswith(b'"') else str(text, "utf-8")
