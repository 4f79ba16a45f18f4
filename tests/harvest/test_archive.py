"""Packed files, and several files that are one table."""

import gzip
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandera.polars as pa
import polars as pl
import pytest
import xlsxwriter

from collectionflow import SourceError
from collectionflow.harvest import FolderSource, _archive

GOOD = b"id,title\n1,a\n2,b\n"
ROWS = [("1", "a"), ("2", "b")]


class Objects(pa.DataFrameModel):
    id: str
    title: str = pa.Field(nullable=True)


class Optional(pa.DataFrameModel):
    id: str
    title: str | None = pa.Field(nullable=True)
    note: str | None = pa.Field(nullable=True)


def rows(folder: Path, name: str = "objects", schema: type = Objects) -> list[tuple[Any, ...]]:
    source = FolderSource(directory=str(folder), files={"objects": name})
    return source.harvest("objects", schema).collect().rows()


def zipped(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def workbook() -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        for name in ("One", "Two"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["id", "title"])
            sheet.write_row(1, 0, ["1", name])
    return content.getvalue()


def parquet() -> bytes:
    content = io.BytesIO()
    pl.DataFrame(ROWS, schema=["id", "title"], orient="row").write_parquet(content)
    return content.getvalue()


def test_a_file_packed_with_gzip_is_read(tmp_path: Path) -> None:
    (tmp_path / "objects.csv.gz").write_bytes(gzip.compress(GOOD[:10]) + gzip.compress(GOOD[10:]))
    assert rows(tmp_path) == ROWS


def test_an_archive_with_one_file_is_that_file(tmp_path: Path) -> None:
    zipped(tmp_path / "objects.zip", {"exports/": b"", "exports/o.csv": GOOD, "readme.md": b""})
    assert rows(tmp_path) == ROWS


def test_a_member_of_an_archive_is_named_behind_it(tmp_path: Path) -> None:
    others = {"a.csv": b"id,title\n", "__MACOSX/b.csv": b"", "x/b.csv": GOOD}
    zipped(tmp_path / "all.zip", others)
    assert rows(tmp_path, "all.zip!b.csv") == ROWS
    assert rows(tmp_path, "all.zip!x/b.csv") == ROWS


def test_the_members_of_an_archive_may_be_one_table(tmp_path: Path) -> None:
    zipped(tmp_path / "all.zip", {"b-2.csv": b"title,id\nb,2\n", "b-1.csv": b"id,title\n1,a\n"})
    assert rows(tmp_path, "all.zip!b-*.csv") == ROWS


def test_workbooks_and_parquet_may_be_packed(tmp_path: Path) -> None:
    zipped(tmp_path / "all.zip", {"book.xlsx": workbook(), "objects.parquet": parquet()})
    (tmp_path / "book.xlsx.gz").write_bytes(gzip.compress(workbook()))
    assert rows(tmp_path, "all.zip!book.xlsx#Two") == [("1", "Two")]
    assert rows(tmp_path, "book.xlsx.gz") == [("1", "One")]
    assert rows(tmp_path, "all.zip!objects.parquet") == ROWS


def test_it_must_be_known_which_member(tmp_path: Path) -> None:
    zipped(tmp_path / "objects.zip", {"a.csv": GOOD, "b.csv": GOOD})
    with pytest.raises(SourceError, match=r"'objects.zip' has 'a.csv', 'b.csv'. Say which one"):
        rows(tmp_path)
    with pytest.raises(SourceError, match=r"'objects.zip' has no table 'c.csv'. There is: 'a.csv'"):
        rows(tmp_path, "objects.zip!c.csv")
    zipped(tmp_path / "objects.zip", {"a.doc": GOOD})
    with pytest.raises(SourceError, match=r"'objects.zip' has no file that is read here"):
        rows(tmp_path)


def test_names_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    zipped(folder / "objects.zip", {"../../book.xlsx": workbook()})
    assert rows(folder, "objects.zip!book.xlsx") == [("1", "One")]
    assert not (tmp_path / "book.xlsx").exists()


@pytest.mark.parametrize("size", [20, 40])
def test_a_gzip_file_that_was_cut_off_stops(tmp_path: Path, size: int) -> None:
    packed = gzip.compress(GOOD * 1000)
    (tmp_path / "objects.csv.gz").write_bytes(packed[:size])
    with pytest.raises(SourceError, match=r"'objects.csv.gz' is damaged or was cut off"):
        rows(tmp_path)


def test_a_gzip_file_with_a_wrong_byte_stops(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(GOOD))
    packed[-6] ^= 1
    (tmp_path / "objects.csv.gz").write_bytes(packed)
    with pytest.raises(SourceError, match=r"'objects.csv.gz' is damaged"):
        rows(tmp_path)


def test_what_is_no_gzip_file_stops(tmp_path: Path) -> None:
    (tmp_path / "objects.csv.gz").write_bytes(GOOD)
    with pytest.raises(SourceError, match=r"'objects.csv.gz' is no gzip file"):
        rows(tmp_path)


def test_a_damaged_archive_stops(tmp_path: Path) -> None:
    path = zipped(tmp_path / "objects.zip", {"o.csv": GOOD})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1,a", b"1,x", 1))
    with pytest.raises(SourceError, match=r"'objects.zip!o.csv' is damaged.*CRC"):
        rows(tmp_path)
    path.write_bytes(content[:-10])
    with pytest.raises(SourceError, match=r"'objects.zip' is damaged"):
        rows(tmp_path)


def test_an_archive_with_a_password_stops(tmp_path: Path) -> None:
    path = zipped(tmp_path / "objects.zip", {"o.csv": GOOD})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # The flag of encryption, in the file's header and in the directory.
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot be unpacked.*password"):
        rows(tmp_path)


@pytest.mark.parametrize("name", ["objects.csv.gz", "objects.zip"])
def test_what_unpacks_without_end_stops(tmp_path: Path, name: str) -> None:
    bomb = b"id,title\n" + b"1,a\n" * 500_000
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(bomb))
    else:
        zipped(tmp_path / name, {"o.csv": bomb}, compression=zipfile.ZIP_DEFLATED)
    with (
        patch.object(_archive, "MIN_BOMB_BYTES", 1 << 20),
        patch.object(_archive, "CHUNK_BYTES", 1 << 18),
        pytest.raises(SourceError, match=r"unpacks to more than 250 times its"),
    ):
        rows(tmp_path)


def test_several_files_are_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "o-2.csv").write_bytes(b"title;id\nb;2\n")
    (tmp_path / "o-1.csv").write_bytes(b"id,title\n1,a\n")
    (tmp_path / "o-3.ndjson").write_bytes(b'{"id": "3", "title": "c"}\n')
    assert rows(tmp_path, "o-*") == [*ROWS, ("3", "c")]


def test_an_optional_column_may_be_in_some_files_only(tmp_path: Path) -> None:
    (tmp_path / "o-1.csv").write_bytes(b"id,title\n1,a\n")
    (tmp_path / "o-2.csv").write_bytes(b"note,id\nn,2\n")
    assert rows(tmp_path, "o-*.csv", Optional) == [("1", "a", None), ("2", None, "n")]


def test_the_file_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "o-1.csv").write_bytes(GOOD)
    (tmp_path / "o-2.csv").write_bytes(b"id\n2\n")
    with pytest.raises(SourceError, match=r"Column 'title' is missing.* 'o-2.csv' has: 'id'"):
        rows(tmp_path, "o-*.csv")


def test_the_file_that_has_a_fault_is_named(tmp_path: Path) -> None:
    (tmp_path / "o-1.csv").write_bytes(GOOD)
    (tmp_path / "o-2.csv").write_bytes(b"id,title\n2\n")
    with pytest.raises(SourceError, match=r"'o-2.csv' has rows that do not fit"):
        rows(tmp_path, "o-*.csv")


def test_files_with_different_types_are_refused(tmp_path: Path) -> None:
    class Numbers(pa.DataFrameModel):
        id: int
        title: str = pa.Field(nullable=True)

    pl.DataFrame({"id": [1], "title": ["a"]}).write_parquet(tmp_path / "o-1.parquet")
    pl.DataFrame({"id": ["1"], "title": ["a"]}).write_parquet(tmp_path / "o-2.parquet")
    with pytest.raises(SourceError, match=r"Column 'id' is String in 'o-2.parquet', but Int64 in"):
        rows(tmp_path, "o-*.parquet", Numbers)


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "objects.doc").write_bytes(GOOD)
    with pytest.raises(SourceError, match=r"has no table 'objects.doc'. There is: nothing"):
        rows(tmp_path, "objects.doc")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    zipped(tmp_path / "all.zip", {"book.xlsx": workbook(), "objects.parquet": parquet()})
    rows(tmp_path, "all.zip!book.xlsx")
    rows(tmp_path, "all.zip!objects.parquet")
    assert list(temporary.iterdir()) == []
