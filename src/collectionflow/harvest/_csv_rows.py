"""CSV text as frames of text cells, each block of it proven to be read as it is written.

Polars reads fast, but passes over what does not fit: it fills a short row with nulls, and is led
astray by a quote that stands where none may stand. So what it read counts only where quotes stand
round whole cells and the bytes of the text are just those of the cells and of what is between
them. What fails is written anew in regular form by Python, as Python understands it, and read
again; where that fails, too, there is a fault, which `_csv_faults` puts into words.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from collectionflow.errors import SourceError
from collectionflow.harvest._csv_faults import cut_off, fault_in, line_ends
from collectionflow.harvest._csv_quotes import Quotes

# A row that is longer than this is one whose quote was never closed.
MAX_ROW_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class Grammar:
    """What a row is: a cell for each of `names`, with the delimiter between them."""

    delimiter: str
    names: Sequence[str]

    @property
    def width(self) -> int:
        """The number of cells."""
        return len(self.names)

    @cached_property
    def loose_row(self) -> re.Pattern[bytes]:
        """Any row and its line end, as Python's own reader takes it: a quote may be in a cell."""
        mark = re.escape(self.delimiter.encode())
        cell = rb'(?:"(?:[^"]++|"")*+"|[^"%b\r\n][^%b\r\n]*+|)' % (mark, mark)
        # A carriage return at the very end may be half of a line end.
        return re.compile(rb"(%b(?:%b%b)*+)(?:\r\n|\r(?=[^\n])|\n)" % (cell, mark, cell))

    @cached_property
    def loose_cell(self) -> re.Pattern[bytes]:
        """A cell of such a row."""
        mark = re.escape(self.delimiter.encode())
        return re.compile(rb'(?:"[^"]*+")++|[^"%b][^%b]*+' % (mark, mark))


@dataclass
class CsvRows:
    """Reads the rows of one file in turn. `where` names it in errors.

    `reread` gives the file's text from its start, of which `offset` bytes are read. Lines are
    counted only when there is a fault to tell.
    """

    grammar: Grammar
    columns: Sequence[str]
    where: str
    reread: Callable[[], Iterable[bytes]]
    offset: int = 0

    def frames(self, blocks: Iterable[bytes], *, must_end_line: bool) -> Iterator[pl.DataFrame]:
        """Yield the rows of UTF-8 text, which comes in pieces that `whole_lines` gives.

        Raises:
            SourceError: with the line, for rows of another width, quotes that are not closed, bytes
                that are not UTF-8, and a last line that does not end.
        """
        rest = b""
        for block in blocks:
            text = rest + block if rest else block
            used = yield from self._rows(text)
            rest = text[used:]
            if len(rest) > MAX_ROW_BYTES:
                raise self._fault(rest)
        if not rest:
            return
        if must_end_line and not rest.endswith((b"\n", b"\r")):
            raise cut_off(self.where)
        text = rest.removesuffix(b"\r") + b"\n"
        used = yield from self._rows(text)
        if used < len(text):
            raise self._fault(rest[used:])

    def _rows(self, text: bytes) -> Generator[pl.DataFrame, None, int]:
        """Yield the whole rows at the start of a text, and return how many bytes they are."""
        frame, used = self._proven(text) or self._mended(text)
        if frame is not None:
            yield frame.select(self.columns)
        self.offset += used
        return used

    def _proven(self, text: bytes) -> tuple[pl.DataFrame, int] | None:
        """Return the rows of regular text, None where it is not known to be regular."""
        quotes = Quotes(text)
        if not quotes.end:
            return None
        try:
            frame = self._parsed(text[: quotes.end])
            return (frame, quotes.end) if self._is_balanced(quotes, frame) else None
        except PolarsError:
            return None

    def _is_balanced(self, quotes: Quotes, frame: pl.DataFrame) -> bool:
        """Return whether quotes stand round whole cells, and no byte is lost or made up.

        A row that is short lacks a delimiter, though Polars gives it a cell; a row that is long
        is refused by Polars itself.
        """
        has_quotes = b'"' in quotes.text
        if has_quotes and not quotes.stand_round_cells(self.grammar.delimiter):
            return False
        returns = quotes.returns
        if returns is None:
            return False
        without_cells = quotes.count - quotes.escaped if has_quotes else 0
        between = frame.height * self.grammar.width + returns
        return _bytes_of(frame) + between == quotes.end - without_cells

    def _mended(self, text: bytes) -> tuple[pl.DataFrame | None, int]:
        """Return the rows of text after it was written anew with regular quotes and line ends.

        Raises:
            SourceError: where its rows are no regular ones then.
        """
        rows, used = [], 0
        while found := self.grammar.loose_row.match(text, used):
            row, used = found[1], found.end()
            rows.append(self.grammar.loose_cell.sub(_quoted, row) if b'"' in row else row)
        if not rows:
            return None, 0
        proven = self._proven(b"\n".join(rows) + b"\n")
        if proven is None or proven[0].height != len(rows):
            raise self._fault(text[:used])
        return proven[0], used

    def _parsed(self, text: bytes) -> pl.DataFrame:
        frame = pl.scan_csv(
            text,
            has_header=False,
            separator=self.grammar.delimiter,
            infer_schema=False,
            schema=dict.fromkeys(self.grammar.names, pl.String()),
        )
        return frame.collect()

    def _fault(self, text: bytes) -> SourceError:
        grammar = self.grammar
        line = 1 + line_ends(self.reread(), self.offset)
        return fault_in(text, grammar.delimiter, grammar.width, self.where, line)


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield bytes in pieces that end with a line end, but for the last, and for endless lines."""
    rest = b""
    for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield b"".join((rest, memoryview(chunk)[:cut]))
            rest = chunk[cut:]
        else:
            yield rest + chunk
            rest = b""
    if rest:
        yield rest


def _bytes_of(frame: pl.DataFrame) -> int:
    """Return how many bytes all cells have."""
    return sum(frame.lazy().select(pl.all().str.len_bytes().sum()).collect().row(0))


def _quoted(cell: re.Match[bytes]) -> bytes:
    """Return a cell of a row in regular form."""
    text = cell[0]
    if text.startswith(b'"') or b'"' not in text:
        return text
    return b'"' + text.replace(b'"', b'""') + b'"'
