"""What is wrong with CSV text that cannot be read, in words and with line numbers.

Python's own reader is the arbiter: slow, exact, and asked only about text that has a fault.
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from itertools import islice

from collectionflow.errors import SourceError
from collectionflow.harvest._encoding import not_text

_EXAMPLES = 5


def fault_in(text: bytes, delimiter: str, width: int, where: str, line: int) -> SourceError:
    r"""Return what is wrong with rows that begin at this line of a file.

    Examples:
        >>> from collectionflow.harvest._csv_faults import fault_in
        >>> print(str(fault_in(b"1,a\n2\n", ",", 2, "'objects.csv'", 2)).split(": ")[1][:18])
        line 3 has 1 cells
    """
    try:
        rows = io.StringIO(text.decode(), newline="")
    except UnicodeDecodeError as error:
        return not_text(text, "utf-8", where, line, error.start)
    faults = list(islice(_odd_rows(rows, delimiter, width, line), _EXAMPLES + 1))
    if not faults:
        message = (
            f"{where} cannot be read safely behind line {line:,}, though no row is wrong by "
            "itself. Ask for the file in another form, such as Parquet or Excel."
        )
        return SourceError(message)
    shown = "; ".join(faults[:_EXAMPLES]) + ("; and more" if len(faults) > _EXAMPLES else "")
    return SourceError(
        f"{where} has rows that do not fit its header of {width} cells: {shown}. The file may have "
        "been cut off, or a quote or line end inside a cell is not quoted. Ask for the file again, "
        "or mend these lines."
    )


def cut_off(where: str) -> SourceError:
    """Return the error for a last line that does not end."""
    return SourceError(
        f"{where} does not end with a line end, so its last row may have been cut off. Ask for the "
        "file again; if the source never writes one, set must_end_line=False on the source."
    )


def line_ends(chunks: Iterable[bytes], size: int) -> int:
    r"""Return how many lines end in the first `size` bytes: `\n`, `\r\n` or `\r` is one line end.

    Examples:
        >>> from collectionflow.harvest._csv_faults import line_ends
        >>> line_ends([b"a\r", b"\nb\n", b"c\n"], 5)
        2
    """
    lines, before = 0, b""
    for chunk in chunks:
        part = chunk[:size]
        text = before + part
        lines += text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n") - len(before)
        # Half of a line end is counted; its other half may come.
        before = b"\r" if part.endswith(b"\r") else b""
        size -= len(part)
    return lines


def _odd_rows(rows: Iterator[str], delimiter: str, width: int, line: int) -> Iterator[str]:
    csv.field_size_limit(sys.maxsize)  # The default refuses cells above 128 kB.
    reader = csv.reader(rows, delimiter=delimiter, strict=True)
    start = line
    try:
        for row in reader:
            if len(row) != width and not (width == 1 and not row):
                cells = "is blank" if not row else f"has {len(row)} cells"
                yield f"line {start} {cells}"
            start = line + reader.line_num
    except csv.Error as error:
        yield f"line {start} cannot be read ({error})"
