import importlib
import sys
from pathlib import Path

import pandera.polars as pa
import pytest
import xlsxwriter

from collectionflow import SourceError
from collectionflow.harvest import FolderSource
from collectionflow.harvest._file import _size


class Terms(pa.DataFrameModel):
    id: str
    term: str = pa.Field(nullable=True)


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    """Write a workbook; text that begins with `=` is a formula."""
    with xlsxwriter.Workbook(path) as book:
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, table in sheets.items():
            sheet = book.add_worksheet(name)
            for row, cells in enumerate(table):
                for column, cell in enumerate(cells):
                    if hasattr(cell, "year"):
                        sheet.write_datetime(row, column, cell, date)
                    elif cell == "=1/0":
                        sheet.write_formula(row, column, "=1/0", None, "#DIV/0!")
                    else:
                        sheet.write(row, column, cell)
    return path


def test_a_table_is_the_file_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "terms.CSV").write_text("id,term\n1,a\n")
    source = FolderSource(directory=str(tmp_path))
    assert source.harvest("terms", Terms).collect().rows() == [("1", "a")]


def test_files_says_where_the_names_differ(tmp_path: Path) -> None:
    (tmp_path / "TMS [2024]*.csv").write_text("id,term\n1,a\n")
    source = FolderSource(directory=str(tmp_path), files={"terms": "TMS [2024]*.csv"})
    assert source.harvest("terms", Terms).collect().rows() == [("1", "a")]


def test_a_missing_file_is_told_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "term.csv").write_text("id,term\n")
    with pytest.raises(SourceError, match=r"has no table 'terms'. There is: 'term.csv'."):
        FolderSource(directory=str(tmp_path)).harvest("terms", Terms)


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"There is: nothing\."):
        FolderSource(directory=str(tmp_path)).harvest("terms", Terms)


@pytest.mark.parametrize(
    ("count", "shown"), [(7, "7 bytes"), (1500, "1.5 kB"), (2_000_000, "2.0 MB"), (3e9, "3.0 GB")]
)
def test_sizes_are_told_in_round_numbers(count: float, shown: str) -> None:
    assert _size(count) == shown


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"There is no folder .*Set the source's directory"):
        FolderSource(directory=str(tmp_path / "nope")).harvest("terms", Terms)


@pytest.mark.parametrize("name", ["../terms.csv", "a/terms.csv", "..\\terms.csv", ".terms.csv"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    source = FolderSource(directory=str(tmp_path), files={"terms": name})
    with pytest.raises(SourceError, match=r"is not the name of a file in"):
        source.harvest("terms", Terms)


def test_two_files_for_one_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "terms.csv").write_text("id,term\n")
    (tmp_path / "terms.txt").write_text("id,term\n")
    with pytest.raises(SourceError, match=r"has terms.csv and terms.txt for table 'terms'"):
        FolderSource(directory=str(tmp_path)).harvest("terms", Terms)


def test_excel_cells_are_what_excel_shows(tmp_path: Path) -> None:
    from datetime import datetime

    class Cells(pa.DataFrameModel):
        text: str
        number: str
        date: str = pa.Field(nullable=True)
        yes: str = pa.Field(nullable=True)

    table: list[list[object]] = [
        ["text", "number", "date", "yes"],
        ["007", 1, datetime(2020, 1, 2), True],
        [" a ", 0.1, datetime(2020, 1, 2, 3, 4, 5), False],
        [],
        ["z", 1234567890, None, None],
    ]
    workbook(tmp_path / "cells.xlsx", Sheet1=table)
    frame = FolderSource(directory=str(tmp_path)).harvest("cells", Cells)
    assert frame.collect().rows() == [
        ("007", "1", "2020-01-02 00:00:00", "true"),
        (" a ", "0.1", "2020-01-02 03:04:05", "false"),
        ("z", "1234567890", None, None),
    ]


def test_a_sheet_is_named_behind_the_file(tmp_path: Path) -> None:
    workbook(tmp_path / "book.xlsx", One=[["id"]], Two=[["id", "term"], ["1", "a"]])
    source = FolderSource(directory=str(tmp_path), files={"terms": "book.xlsx#Two"})
    assert source.harvest("terms", Terms).collect().rows() == [("1", "a")]


def test_a_missing_sheet_is_told_with_those_there(tmp_path: Path) -> None:
    workbook(tmp_path / "book.xlsx", One=[["id"]])
    source = FolderSource(directory=str(tmp_path), files={"terms": "book.xlsx#Two"})
    with pytest.raises(SourceError, match=r"'book.xlsx' has no table 'Two'. There is: 'One'."):
        source.harvest("terms", Terms)


def test_an_empty_sheet_is_told(tmp_path: Path) -> None:
    workbook(tmp_path / "terms.xlsx", One=[])
    with pytest.raises(SourceError, match=r"Sheet 'One' of 'terms\.xlsx' is empty"):
        FolderSource(directory=str(tmp_path)).harvest("terms", Terms)


def test_a_column_without_a_name_is_left_behind(tmp_path: Path) -> None:
    workbook(tmp_path / "terms.xlsx", One=[["id", None, "term"], ["1", "x", "a"]])
    frame = FolderSource(directory=str(tmp_path)).harvest("terms", Terms)
    assert frame.collect().rows() == [("1", "a")]


def test_excel_errors_are_no_values(tmp_path: Path) -> None:
    workbook(tmp_path / "terms.xlsx", One=[["id", "term"], ["1", "a"], ["2", "=1/0"]])
    frame = FolderSource(directory=str(tmp_path)).harvest("terms", Terms)
    with pytest.raises(SourceError, match=r"1 cells that hold an Excel error.*row 3, column 2"):
        frame.collect()


def test_what_is_no_workbook_is_told(tmp_path: Path) -> None:
    (tmp_path / "terms.xlsx").write_text("id,term\n")
    with pytest.raises(SourceError, match=r"'terms.xlsx' is not an Excel workbook"):
        FolderSource(directory=str(tmp_path)).harvest("terms", Terms)


def test_without_its_extra_excel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    monkeypatch.delitem(sys.modules, "collectionflow.harvest._excel", raising=False)
    with pytest.raises(ImportError, match=r"uv add 'collectionflow\[excel\]'"):
        importlib.import_module("collectionflow.harvest._excel")
