"""CSV files as readings of text, with every cell as it was and every fault of the file found."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

import polars as pl

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._csv_faults import cut_off
from collectionflow.harvest._csv_rows import CsvRows, Grammar, whole_lines
from collectionflow.harvest._encoding import encoding_of, not_text, utf8_chunks
from collectionflow.harvest._file import File, Reading, Request
from collectionflow.harvest._source import choose_columns

_DELIMITERS: Final = (",", ";", "\t", "|")


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """How one file is written: what was detected, and the header that it begins with.

    `start` is the header's row as it is, with its line end, in UTF-8.
    """

    encoding: str
    delimiter: str
    line_end: str
    header: tuple[str, ...]
    start: bytes

    def __str__(self) -> str:
        """Return the format for people."""
        return f"CSV, {self.encoding}, {self.delimiter!r} between cells, {self.line_end} line ends"


def read(file: File, request: Request) -> Reading:
    """Return how to read a CSV file as text.

    Raises:
        SourceError: at once for a missing column, an empty file, or a header that is no text;
            while it is read for rows of another width, bytes that are not text, and a last line
            that does not end.
    """
    detected = detect_format(file, request.contract, request.encoding)
    columns = choose_columns(
        request.table, request.contract, detected.header, file.where, request.notes
    )
    return Reading(
        file=file,
        form=str(detected),
        schema=dict.fromkeys(columns, pl.String()),
        batches=partial(_batches, file, detected, must_end_line=request.must_end_line),
    )


def detect_format(file: File, contract: Contract, declared: str) -> CsvFormat:
    """Return encoding (by byte order mark), delimiter (by the contract's columns) and line end.

    Raises:
        SourceError: where the file is empty, or its beginning is no text.
    """
    raw = next(file.chunks(), b"")
    if not raw:
        message = f"{file.where} is empty: it has not even a header. Ask for the file again."
        raise SourceError(message)
    encoding = encoding_of(raw, declared)
    text = next(utf8_chunks(iter([raw]), encoding, file.where))
    starts = {mark: _first_row(text, mark, file.where) for mark in _DELIMITERS}
    if not any(starts.values()):
        message = (
            f"The header of {file.where} cannot be read: a quote in it is not closed, or stands "
            "where none may. Ask for the file again."
        )
        raise SourceError(message)
    headers = {mark: _cells(start, mark) for mark, start in starts.items()}
    wanted = set(contract.dtypes)
    delimiter = max(
        _DELIMITERS, key=lambda mark: (len(wanted.intersection(headers[mark])), len(headers[mark]))
    )
    if b"\x00" in starts[delimiter]:
        message = (
            f"{file.where} has zero bytes in its header. If it is UTF-16 without a byte order "
            "mark, set encoding='utf-16-le' on the source; otherwise it is damaged."
        )
        raise SourceError(message)
    return CsvFormat(
        encoding=encoding,
        delimiter=delimiter,
        line_end=_line_end(text),
        header=headers[delimiter],
        start=starts[delimiter],
    )


def _first_row(text: bytes, delimiter: str, where: str) -> bytes:
    """Return the first row with its line end, nothing where it is no row with this delimiter."""
    row = Grammar(delimiter, ()).loose_row
    found = row.match(text) or row.match(text + b"\n")
    start = text[: found.end()] if found else b""
    try:
        start.decode()
    except UnicodeDecodeError as error:
        raise not_text(text, "utf-8", where, 1, error.start) from None
    return start


def _cells(row: bytes, delimiter: str) -> tuple[str, ...]:
    return tuple(next(csv.reader(io.StringIO(row.decode(), newline=""), delimiter=delimiter), ()))


def _line_end(text: bytes) -> str:
    if b"\r\n" in text:
        return "CRLF"
    return "CR" if b"\r" in text and b"\n" not in text else "LF"


def _batches(
    file: File, detected: CsvFormat, wanted: Sequence[str], *, must_end_line: bool
) -> Iterator[pl.DataFrame]:
    rows = CsvRows(
        grammar=Grammar(detected.delimiter, _unique(detected.header)),
        columns=wanted,
        where=file.where,
        reread=lambda: utf8_chunks(file.chunks(), detected.encoding, file.where),
        offset=len(detected.start),
    )
    chunks = utf8_chunks(file.chunks(), detected.encoding, file.where)
    first = next(chunks, b"")
    if not first.startswith(detected.start):
        message = f"{file.where} was replaced while it was read. Run again."
        raise SourceError(message)
    if must_end_line and not detected.start.endswith((b"\n", b"\r")):
        raise cut_off(file.where)
    body = chain([first[len(detected.start) :]], chunks)
    yield from rows.frames(whole_lines(body), must_end_line=must_end_line)


def _unique(header: Sequence[str]) -> list[str]:
    """Return the header with repeated names told apart, since a frame's names must differ."""
    seen: dict[str, int] = {}
    names = []
    for name in header:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}\x00{seen[name]}")
    return names
