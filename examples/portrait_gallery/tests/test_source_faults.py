"""A source that went wrong never becomes wrong data that looks right.

Each test runs after a good run, on a copy of the sample that has one fault. Either the run stops,
says why in words that a registrar understands and leaves all that the website takes as it was; or
the fault does no harm, and the documents are the same.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from collectionflow.harvest import FolderSource

Change = Callable[[pl.DataFrame], pl.DataFrame]
Run = Callable[..., dg.ExecuteInProcessResult]
Published = Callable[[], dict[str, bytes]]


@dataclass
class Gallery:
    """A copy of the sample that may be spoiled."""

    folder: Path

    @property
    def source(self) -> FolderSource:
        return FolderSource(directory=str(self.folder))

    def rewrite(self, table: str, change: Change, delimiter: str = ",") -> None:
        path = self.folder / f"{table}.csv"
        change(pl.read_csv(path, infer_schema=False)).write_csv(path, separator=delimiter)

    def recode(self, table: str, encoding: str) -> None:
        path = self.folder / f"{table}.csv"
        path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)

    def cut(self, table: str, end: int) -> None:
        path = self.folder / f"{table}.csv"
        path.write_bytes(path.read_bytes()[:end])


@pytest.fixture
def gallery(sample: Path, first_run: Path, tmp_path: Path) -> Gallery:
    shutil.copytree(first_run, tmp_path, dirs_exist_ok=True)
    shutil.copytree(sample, tmp_path / "export")
    return Gallery(tmp_path / "export")


@pytest.fixture
def refused(
    gallery: Gallery, run: Run, published: Published, told: Callable[..., str]
) -> Callable[[], str]:
    """Run, expect a stop that leaves what is published as it was, and return what was told."""

    def attempt() -> str:
        before = published()
        result = run(gallery.source)
        assert not result.success
        assert published() == before
        return told(result)

    return attempt


@pytest.fixture
def harmless(
    gallery: Gallery, run: Run, published: Published, told: Callable[..., str]
) -> Callable[[], str]:
    """Run, expect success and the same documents, and return what was told."""

    def attempt() -> str:
        before = published()["objects_json.ndjson"]
        result = run(gallery.source)
        assert result.success
        assert published()["objects_json.ndjson"] == before
        return told(result)

    return attempt


def test_a_renamed_column_stops(gallery: Gallery, refused: Callable[[], str]) -> None:
    gallery.rewrite("objects", lambda rows: rows.rename({"Medium": "Mediums"}))
    text = refused()
    assert "Column 'Medium' is missing from 'objects'" in text
    assert "Is 'Medium' now 'Mediums'?" in text


def test_a_renamed_column_of_an_excel_sheet_stops(
    gallery: Gallery, refused: Callable[[], str]
) -> None:
    path = gallery.folder / "constituent_terms.xlsx"
    pl.read_excel(path).rename({"Path": "CN"}).write_excel(path)
    assert "Column 'Path' is missing from 'constituent_terms'" in refused()


def test_a_missing_file_stops(gallery: Gallery, refused: Callable[[], str]) -> None:
    (gallery.folder / "titles.csv").unlink()
    text = refused()
    assert "has no table 'titles'" in text
    assert "'objects.csv'" in text


@pytest.mark.parametrize("table", ["objects", "titles", "links", "images"])
def test_a_file_with_only_its_header_stops(
    gallery: Gallery, refused: Callable[[], str], table: str
) -> None:
    gallery.rewrite(table, lambda rows: rows.clear())
    text = refused()
    assert f"'harvested_{table}' is empty" in text
    assert "The last good version stays published." in text


@pytest.mark.parametrize("table", ["objects", "titles", "constituents", "links", "images"])
def test_a_file_that_lost_most_rows_stops(
    gallery: Gallery, refused: Callable[[], str], table: str
) -> None:
    gallery.rewrite(table, lambda rows: rows.head(rows.height // 10))
    text = refused()
    assert f"'harvested_{table}' lost too much since the published version" in text
    assert "(-90%)" in text or "(-91%)" in text


def test_text_among_the_years_stops(gallery: Gallery, refused: Callable[[], str]) -> None:
    gallery.rewrite("objects", in_row(3, DateBegin="ca. 1900"))
    text = refused()
    assert "'DateBegin' must be Int64: 1 of 120 rows break this" in text
    assert "ca. 1900" in text


def test_a_fraction_among_the_ids_stops(gallery: Gallery, refused: Callable[[], str]) -> None:
    gallery.rewrite("links", in_row(3, ConstituentID="52.5"))
    assert "'ConstituentID' must be Int64: 1 of" in refused()


def test_a_key_that_is_there_twice_stops(gallery: Gallery, refused: Callable[[], str]) -> None:
    gallery.rewrite("objects", lambda rows: pl.concat([rows, rows.head(1)]))
    text = refused()
    assert "'ObjectID' must be unique: 1 of 121 rows break this" in text
    assert "'ObjectNumber' must be unique" in text


def test_a_link_to_an_object_that_is_gone_stops(
    gallery: Gallery, run: Run, published: Published, told: Callable[..., str]
) -> None:
    gallery.rewrite("objects", lambda rows: rows.tail(-1))
    before = published()["objects_json.ndjson"]
    result = run(gallery.source)
    assert not result.success
    assert published()["objects_json.ndjson"] == before
    assert "ObjectID_is_in_harvested_objects: 'ObjectID' is not in" in told(result)


@pytest.mark.parametrize("value", ["", " ", "NULL"])
def test_a_column_that_went_empty_stops(
    gallery: Gallery, refused: Callable[[], str], value: str
) -> None:
    gallery.rewrite("objects", lambda rows: rows.with_columns(Medium=pl.lit(value)))
    assert "in 0.0%" in refused()


@pytest.mark.parametrize("value", ["", " ", "NULL"])
def test_a_required_column_that_is_empty_from_the_start_stops(
    sample: Path, tmp_path: Path, run: Run, told: Callable[..., str], value: str
) -> None:
    first = Gallery(tmp_path / "export")
    shutil.copytree(sample, first.folder)
    first.rewrite("constituents", lambda rows: rows.with_columns(DisplayName=pl.lit(value)))
    result = run(first.source)
    assert not result.success
    assert "'name' must be filled: 200 of 200 rows break this" in told(result)
    assert not (tmp_path / "website").exists()


def test_an_optional_column_that_is_empty_from_the_start_is_told(
    sample: Path, tmp_path: Path, run: Run, told: Callable[..., str]
) -> None:
    first = Gallery(tmp_path / "export")
    shutil.copytree(sample, first.folder)
    first.rewrite("objects", lambda rows: rows.with_columns(Medium=pl.lit("NULL")))
    result = run(first.source)
    assert result.success
    assert "'cleaned_objects': column 'medium' has no value in any row." in told(result)


def test_a_new_column_is_told_and_left_out(gallery: Gallery, harmless: Callable[[], str]) -> None:
    gallery.rewrite("objects", lambda rows: rows.with_columns(Colour=pl.lit("red")))
    text = harmless()
    assert "'Colour'" in text
    assert "HarvestedObjects does not name" in text


def test_the_order_of_columns_does_not_matter(
    gallery: Gallery, harmless: Callable[[], str]
) -> None:
    gallery.rewrite("objects", lambda rows: rows.select(reversed(rows.columns)))
    harmless()


def test_the_order_of_rows_does_not_matter(gallery: Gallery, harmless: Callable[[], str]) -> None:
    for table in ("objects", "titles", "links", "images", "constituents"):
        gallery.rewrite(table, lambda rows: rows.reverse())
    harmless()


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_noticed(
    gallery: Gallery, harmless: Callable[[], str], delimiter: str
) -> None:
    gallery.rewrite("objects", lambda rows: rows, delimiter=delimiter)
    harmless()


def test_utf_16_is_noticed_by_its_mark(gallery: Gallery, harmless: Callable[[], str]) -> None:
    gallery.recode("constituents", "utf-16")
    harmless()


def test_an_encoding_that_does_not_say_so_stops(
    gallery: Gallery, refused: Callable[[], str]
) -> None:
    gallery.recode("constituents", "cp1252")
    text = refused()
    assert "'constituents.csv' is not utf-8: line" in text
    assert "encoding='cp1252'" in text


def test_a_file_cut_within_its_last_row_stops(gallery: Gallery, refused: Callable[[], str]) -> None:
    gallery.cut("objects", -9)
    assert "'objects.csv' does not end with a line end" in refused()


def test_a_row_that_lost_cells_stops(gallery: Gallery, refused: Callable[[], str]) -> None:
    path = gallery.folder / "links.csv"
    lines = path.read_text().splitlines()
    lines[5] = lines[5].rpartition(",")[0]
    path.write_text("\n".join(lines) + "\n")
    assert "line 6 has 7 cells" in refused()


def test_an_unclosed_quote_stops(gallery: Gallery, refused: Callable[[], str]) -> None:
    path = gallery.folder / "titles.csv"
    lines = path.read_text().splitlines()
    lines[5] = lines[5].replace(",", ',"', 1)
    path.write_text("\n".join(lines) + "\n")
    assert "'titles.csv'" in refused()


def in_row(number: int, **cells: str) -> Change:
    """Return a change that writes cells into one row."""
    is_row = pl.int_range(pl.len()) == number
    changed = {
        name: pl.when(is_row).then(pl.lit(value)).otherwise(name) for name, value in cells.items()
    }
    return lambda rows: rows.with_columns(**changed)
