"""Excel sheets as lazy frames of text, with every cell as Excel shows its value."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._source import choose_columns, missing_table
from collectionflow.harvest._stream import stream
from collectionflow.notes import Notes

try:
    import fastexcel
    import pyarrow as pa  # noqa: F401 (fastexcel tells which cells are errors only through it)
except ImportError as error:
    message = "Excel files need an extra: uv add 'collectionflow[excel]'"
    raise ImportError(message) from error

_BATCH_ROWS = 50_000


def scan_excel(
    path: Path, table: str, contract: Contract, notes: Notes, *, sheet: str | None
) -> pl.LazyFrame:
    """Return the contract's columns of one sheet as text; the first sheet where none is named.

    Numbers are written as Excel shows them (15 digits), dates as ISO 8601. Rows without any value
    are left out. One sheet is in memory while it is read; Excel allows 1,048,576 rows.

    Raises:
        SourceError: where the file is no workbook, or the sheet or a column is missing; while the
            frame is written, for cells that hold an Excel error such as #DIV/0!.
    """
    workbook = _open(path)
    if sheet is not None and sheet not in workbook.sheet_names:
        raise missing_table(sheet, workbook.sheet_names, f"'{path.name}'")
    chosen = sheet or workbook.sheet_names[0]
    where = f"'{path.name}'"
    columns = choose_columns(table, contract, _header(workbook, chosen, path), where, notes)
    harvest = notes.begin(table, f"{path.name} (Excel, sheet '{chosen}')")
    return stream(dict.fromkeys(columns, pl.String()), partial(_batches, path, chosen), harvest)


def _open(path: Path) -> Any:
    try:
        return fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        message = f"'{path.name}' is not an Excel workbook that can be read: {reason}."
        raise SourceError(message) from error


def _header(workbook: Any, sheet: str, path: Path) -> list[str]:
    first = workbook.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_polars()
    if first.is_empty():
        message = f"Sheet '{sheet}' of '{path.name}' is empty: it has not even a header."
        raise SourceError(message)
    return ["" if name is None else name for name in first.row(0)]


def _batches(path: Path, sheet: str, wanted: list[str]) -> Iterator[pl.DataFrame]:
    loaded = _open(path).load_sheet(sheet, dtypes="string")
    rows, errors = loaded.to_arrow_with_errors()
    if errors is not None and errors.errors:
        raise _error_cells(path, sheet, errors.errors)
    frame = pl.DataFrame(rows).filter(~pl.all_horizontal(pl.all().is_null()))
    yield from frame.select(wanted).iter_slices(_BATCH_ROWS)


def _error_cells(path: Path, sheet: str, errors: list[Any]) -> SourceError:
    shown = "; ".join(
        f"row {each.position[0] + 1}, column {each.position[1] + 1}" for each in errors[:5]
    )
    return SourceError(
        f"Sheet '{sheet}' of '{path.name}' has {len(errors):,} cells that hold an Excel error such "
        f"as #DIV/0! or #N/A, which is no value: {shown}. Mend or clear them and export again."
    )
