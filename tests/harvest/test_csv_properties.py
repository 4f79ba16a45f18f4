"""Whatever a CSV file looks like: its cells as Python's own reader has them, or a `SourceError`."""

import csv
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandera.polars as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from collectionflow import SourceError
from collectionflow.harvest import FolderSource, _archive

HEADER = ("id", "title", "note")


class Objects(pa.DataFrameModel):
    """All columns of these files; all text."""

    id: str = pa.Field(nullable=True)
    title: str = pa.Field(nullable=True)
    note: str = pa.Field(nullable=True)


class Titles(pa.DataFrameModel):
    """One column of these files: the others are not looked at, but count."""

    title: str = pa.Field(nullable=True)


@cache
def source_of(folder: Path) -> FolderSource:
    return FolderSource(directory=str(folder), must_end_line=False)


def by_python(content: bytes) -> list[list[str]] | None:
    """Return what Python's reader makes of a file, None where it refuses or a row does not fit."""
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=",", strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    is_right = all(len(row) == len(HEADER) for row in rows) and tuple(rows[0]) == HEADER
    return rows[1:] if is_right else None


def by_us(
    folder: Path, content: bytes, schema: type, chunk_bytes: int
) -> list[tuple[Any, ...]] | None:
    """Return what a harvest makes of a file, None where it stops with a `SourceError`."""
    (folder / "objects.csv").write_bytes(content)
    source = source_of(folder)
    with patch.object(_archive, "CHUNK_BYTES", chunk_bytes):
        try:
            return source.harvest("objects", schema).collect().rows()
        except SourceError:
            return None


def check(folder: Path, body: str | bytes, chunk_bytes: int) -> None:
    content = b"id,title,note\n" + (body.encode() if isinstance(body, str) else body)
    expected, found = by_python(content), by_us(folder, content, Objects, chunk_bytes)
    if found is None:
        return  # Stopped with a reason, which loses nothing.
    assert expected is not None, found
    assert [[cell or "" for cell in row] for row in found] == expected
    titles = by_us(folder, content, Titles, chunk_bytes)
    assert titles == [(row[1],) for row in found]


PIECES = [
    "a",
    "é",
    "7",
    " ",
    ",",
    ",",
    ",",
    "\n",
    "\n",
    '"',
    '""',
    '"a"',
    "\r",
    "\r\n",
    "\x00",
    ";",
]
ROWS = [
    "1,a,b\n", '1,"a",b\n', "1,,\n", ",,\n", '"","",""\n', '1,"a\nb",c\n', '1,"a ""b"" c",d\n',
    '1,"a,\n",\n', "1,a\n", "1,\n", "1\n", "\n", "1,a,b,c\n", '1,5" x 7",b\n', '1,"a"b,c\n',
    '1,"a,b\n', '1,a",b\n', '1,a,"\n', '",",\n', '1,"\n\n",\n', "1,a,b\r\n", "1,a,\r\n", "1,a\rb,c\n",
    '1,"a\rb",c\n', '"a\n",,\n', ',"",\n', '1,"x,"",y,",z\n', '""",""",,\n', "1,a,b\r",
]  # fmt: skip
CHUNKS = st.sampled_from([16, 23, 40, 1 << 20])
quick = settings(
    max_examples=700, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(body=st.lists(st.sampled_from(PIECES), max_size=30).map("".join), chunk_bytes=CHUNKS)
def test_any_text_is_read_as_python_reads_it_or_refused(
    tmp_path: Path, body: str, chunk_bytes: int
) -> None:
    check(tmp_path, body, chunk_bytes)


@quick
@given(rows=st.lists(st.sampled_from(ROWS), max_size=8).map("".join), chunk_bytes=CHUNKS)
@example(rows='1,5" x,b\n2,6" y,c\n', chunk_bytes=1 << 20)
@example(rows='1,a,"\n",",\n', chunk_bytes=1 << 20)
def test_odd_rows_among_others_are_read_as_python_reads_them_or_refused(
    tmp_path: Path, rows: str, chunk_bytes: int
) -> None:
    check(tmp_path, rows, chunk_bytes)


CELL = st.text(st.sampled_from('ab", \n\r;é'), max_size=6)
TABLES = st.lists(st.tuples(CELL, CELL, CELL), max_size=6)


def written(table: Sequence[tuple[str, ...]], quoting: int, line_end: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end, quoting=quoting).writerows(table)
    return text.getvalue().encode()


@settings(quick, max_examples=400)
@given(
    body=st.builds(
        written,
        TABLES,
        st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
        st.sampled_from(["\n", "\r\n", "\r"]),
    ),
    place=st.integers(0, 80),
    edit=st.sampled_from(["cut", "drop", b'"', b",", b"\n", b"\r", b"x", b"\xff"]),
    chunk_bytes=CHUNKS,
)
def test_a_right_file_with_one_byte_wrong_is_read_as_python_reads_it_or_refused(
    tmp_path: Path, body: bytes, place: int, edit: str | bytes, chunk_bytes: int
) -> None:
    before, after = body[:place], body[place:]
    if isinstance(edit, bytes):
        edited = before + edit + after
    else:
        edited = before if edit == "cut" else before + after[1:]
    check(tmp_path, edited, chunk_bytes)


@pytest.mark.parametrize("chunk_bytes", [24, 40, 1 << 20])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@settings(quick, max_examples=25)
@given(table=TABLES)
def test_a_right_file_is_read(
    tmp_path: Path, table: Sequence[tuple[str, ...]], line_end: str, chunk_bytes: int
) -> None:
    content = written([HEADER, *table], csv.QUOTE_ALL, line_end)
    found = by_us(tmp_path, content, Objects, chunk_bytes)
    assert found is not None
    assert [tuple(cell or "" for cell in row) for row in found] == table
