"""JSON files as readings: a document with a list of records, or one record a line."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

import polars as pl

from collectionflow.errors import SourceError
from collectionflow.harvest._file import File, Reading, Request
from collectionflow.harvest._json import (
    BOM,
    UNREADABLE,
    Record,
    RecordList,
    decode_lines,
    decode_records,
    values_of,
)
from collectionflow.harvest._json_faults import check_text
from collectionflow.harvest._json_frames import JsonFrames
from collectionflow.harvest._json_list import MAX_PART_BYTES, PIECE_BYTES, record_lists
from collectionflow.harvest._json_places import json_schema

_LINES = (".ndjson", ".jsonl")


def read(file: File, request: Request) -> Reading:
    """Return how to read the records of a JSON file; it is looked at only when it is read.

    Raises:
        SourceError: while it is read, where it is no JSON, ends too early, has a value that its
            column does not hold, or lacks a required column in all records.
    """
    return Reading(
        file=file,
        form="NDJSON" if file.suffix in _LINES else "JSON",
        schema=json_schema(request.contract),
        batches=partial(_batches, file, request),
    )


def _batches(file: File, request: Request, wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
    frames = JsonFrames(request.table, request.contract, file.where, request.fields)
    if file.suffix in _LINES:
        lists = _line_lists(file.chunks(), file.where)
    else:
        lists = record_lists(file.chunks(), request.records, file.where)
    for records in lists:
        frame = frames.frame([records], wanted)
        if frame.height:
            yield frame
    frames.finish(request.notes)


def _line_lists(chunks: Iterable[bytes], where: str) -> Iterator[RecordList]:
    """Yield the records of newline-delimited JSON, about 2 MB at a time."""
    rest, line = b"", 1
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            text = rest + chunk[start : start + PIECE_BYTES]
            cut = text.rfind(b"\n") + 1
            yield _line_list(text[:cut], where, line)
            line += text.count(b"\n", 0, cut)
            rest = text[cut:]
            if len(rest) > MAX_PART_BYTES:
                raise _too_long(where, line)
    yield _line_list(rest, where, line)


def _line_list(text: bytes, where: str, first_line: int) -> RecordList:
    """Return the records of whole lines as one list, which is twice as fast as line by line.

    Only where each value of the list is just one line, and all is well, is it the same.
    """
    text = text.removeprefix(BOM)
    lines = [line.strip() for line in text.split(b"\n") if line and not line.isspace()]
    document = b"[" + b",".join(lines) + b"]"
    if not _are_values(document, lines):
        decode_lines(text, where, first_line)  # Says which line is to blame.

    def decode() -> list[Record]:
        with suppress(SourceError):
            return decode_records(document, None, where)
        return decode_lines(text, where, first_line)

    return RecordList(document, decode)


def _are_values(document: bytes, lines: Sequence[bytes]) -> bool:
    """Return whether the values of a list are just these."""
    with suppress(*UNREADABLE, SourceError):
        check_text(document, "")
        return list(map(bytes, values_of(document))) == lines
    return False


def _too_long(where: str, line: int) -> SourceError:
    return SourceError(
        f"Line {line:,} of {where} is longer than {MAX_PART_BYTES >> 20} MiB. If the file is one "
        "list of records, give it a name that ends in '.json'."
    )
