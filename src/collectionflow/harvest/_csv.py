"""CSV files as lazy frames of text, with every cell as it was and every fault of the file found.

Polars reads them, fast and in bounded memory. What it would pass over without a word (short rows,
a cut last row, another delimiter) is found here.
"""

import codecs
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._encoding import not_text, open_text, utf8_copy
from collectionflow.harvest._source import choose_columns, tallied
from collectionflow.harvest._stream import stream
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

_DELIMITERS = (",", ";", "\t", "|")
_EXAMPLES = 5
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """How one file is written: what was detected, and the header that it begins with."""

    encoding: str
    delimiter: str
    line_end: str
    header: tuple[str, ...]

    def __str__(self) -> str:
        """Return the format for people."""
        ends = {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}[self.line_end]
        return f"CSV, {self.encoding}, {self.delimiter!r} between cells, {ends} line ends"


def scan_csv(
    path: Path, table: str, contract: Contract, notes: Notes, *, encoding: str, must_end_line: bool
) -> pl.LazyFrame:
    """Return the contract's columns of a CSV file as text.

    Raises:
        SourceError: at once for a missing column, an empty file, an unfinished last line; while
            the frame is written for rows of another width and bytes that are not text.
    """
    detected = detect_format(path, contract, encoding)
    harvest = notes.begin(table, f"{path.name} ({detected})")
    if must_end_line:
        _check_last_line(path)
    columns = choose_columns(table, contract, detected.header, f"'{path.name}'", notes)
    notes.explanations.append(partial(find_fault, path, detected))
    if detected.encoding in {"utf-8", "utf-8-sig"}:
        return tallied(_scan(path, path, detected, columns), harvest)
    return _scan_other_encoding(path, detected, columns, harvest)


def detect_format(path: Path, contract: Contract, encoding: str) -> CsvFormat:
    """Return encoding (by byte order mark), delimiter (by the contract's columns) and line end."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    encoding = next((name for bom, name in _BOMS.items() if start.startswith(bom)), encoding)
    if not start:
        message = f"'{path.name}' is empty: it has not even a header. Ask for the file again."
        raise SourceError(message)
    headers = {each: _header(path, encoding, each) for each in _DELIMITERS}
    wanted = set(contract.dtypes)
    delimiter = max(
        _DELIMITERS, key=lambda each: (len(wanted.intersection(headers[each])), len(headers[each]))
    )
    return CsvFormat(
        encoding=encoding,
        delimiter=delimiter,
        line_end=_line_end(start),
        header=headers[delimiter],
    )


def find_fault(path: Path, detected: CsvFormat) -> SourceError | None:
    """Read the whole file slowly and return what is wrong with its rows, or None.

    This is the arbiter: it runs only where a row may be too short or Polars refused the file.
    """
    try:
        with open_text(path, detected.encoding) as file:
            faults = list(islice(_odd_rows(file, detected), _EXAMPLES + 1))
    except UnicodeDecodeError:
        return not_text(path, detected.encoding)
    if not faults:
        return None
    shown = "; ".join(faults[:_EXAMPLES]) + ("; and more" if len(faults) > _EXAMPLES else "")
    return SourceError(
        f"'{path.name}' has rows that do not fit its header of {len(detected.header)} cells: "
        f"{shown}. The file may have been cut off, or a quote or line end inside a cell is not "
        "quoted. Ask for the file again, or mend these lines."
    )


def _header(path: Path, encoding: str, delimiter: str) -> tuple[str, ...]:
    try:
        with open_text(path, encoding) as file:
            return tuple(next(csv.reader(file, delimiter=delimiter), ()))
    except UnicodeDecodeError:
        raise not_text(path, encoding) from None


def _line_end(start: bytes) -> str:
    text = start.replace(b"\x00", b"")  # So that UTF-16 shows its line ends as well.
    if b"\r\n" in text:
        return "\r\n"
    return "\r" if b"\r" in text and b"\n" not in text else "\n"


def _check_last_line(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(-min(4, path.stat().st_size), 2)
        end = file.read().replace(b"\x00", b"")
    if not end.endswith((b"\n", b"\r")):
        message = (
            f"'{path.name}' does not end with a line end, so its last row may have been cut off. "
            "Ask for the file again; if the source never writes one, set "
            "must_end_line=False on the source."
        )
        raise SourceError(message)


def _odd_rows(file: Iterator[str], detected: CsvFormat) -> Iterator[str]:
    csv.field_size_limit(sys.maxsize)  # The default refuses cells above 128 kB.
    reader = csv.reader(file, delimiter=detected.delimiter, strict=True)
    width = len(detected.header)
    start = 1
    try:
        for row in reader:
            if len(row) != width and not (width == 1 and not row):
                cells = "is blank" if not row else f"has {len(row)} cells"
                yield f"line {start} {cells}"
            start = reader.line_num + 1
    except csv.Error as error:
        yield f"line {start} cannot be read ({error})"


def _scan(
    readable: Path, original: Path, detected: CsvFormat, columns: Sequence[str]
) -> pl.LazyFrame:
    names = _unique(detected.header)
    last = names[-1]
    frame = pl.scan_csv(
        readable,
        # By place, not by name: a header may repeat a name that nobody wants.
        has_header=False,
        skip_rows=1,
        separator=detected.delimiter,
        eol_char=detected.line_end[-1],
        infer_schema=False,
        glob=False,
        schema=dict.fromkeys(names, pl.String()),
    )
    # Polars fills a short row with nulls from its end, so the last column shows where to look.
    watch = _ShortRowWatch(original, detected, last)
    return (
        frame.select(*dict.fromkeys((*columns, last)))
        .map_batches(watch, streamable=True)
        .select(columns)
    )


class _ShortRowWatch:
    """Has the file read exactly, once, when the last cell of some row is missing or empty."""

    def __init__(self, path: Path, detected: CsvFormat, last: str) -> None:
        self.path, self.detected, self.last = path, detected, last
        self.is_checked = False

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame:
        if not self.is_checked and batch.get_column(self.last).null_count():
            self.is_checked = True
            if fault := find_fault(self.path, self.detected):
                raise fault
        return batch


def _unique(header: Sequence[str]) -> list[str]:
    """Return the header with repeated names told apart, since a frame's names must differ."""
    seen: dict[str, int] = {}
    names = []
    for name in header:
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}\x00{seen[name]}")
    return names


def _scan_other_encoding(
    path: Path, detected: CsvFormat, columns: Sequence[str], harvest: Harvest
) -> pl.LazyFrame:
    """Read through a UTF-8 copy that lives only while the frame runs."""

    def batches(wanted: list[str]) -> Iterator[pl.DataFrame]:
        with utf8_copy(path, detected.encoding) as copy:
            yield from _scan(copy, path, detected, wanted).collect_batches()

    return stream(dict.fromkeys(columns, pl.String()), batches, harvest)
