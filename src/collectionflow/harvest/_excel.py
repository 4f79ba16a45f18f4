"""Excel sheets as readings of text, with every cell as Excel shows its value."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from collectionflow.errors import SourceError
from collectionflow.harvest._file import File, Reading, Request
from collectionflow.harvest._source import choose_columns, missing_table

try:
    import fastexcel
    import pyarrow as pa  # noqa: F401 (fastexcel tells which cells are errors only through it)
except ImportError as error:
    message = "Excel files need an extra: uv add 'collectionflow[excel]'"
    raise ImportError(message) from error

_BATCH_ROWS = 50_000


def read(file: File, request: Request) -> Reading:
    """Return how to read one sheet as text; the first sheet where none is named.

    Numbers are written as Excel shows them (15 digits), dates as ISO 8601. Rows without any value
    are left out. One sheet is in memory while it is read; Excel allows 1,048,576 rows.

    Raises:
        SourceError: where the file is no workbook, or the sheet or a column is missing; while it
            is read, for cells that hold an Excel error such as #DIV/0!.
    """
    with file.on_disk() as path:
        workbook = _open(path, file.where)
        if request.sheet is not None and request.sheet not in workbook.sheet_names:
            raise missing_table(request.sheet, workbook.sheet_names, file.where)
        sheet = request.sheet or workbook.sheet_names[0]
        header = _header(workbook, sheet, file.where)
    columns = choose_columns(request.table, request.contract, header, file.where, request.notes)
    return Reading(
        file=file,
        form=f"Excel, sheet '{sheet}'",
        schema=dict.fromkeys(columns, pl.String()),
        batches=partial(_batches, file, sheet),
    )


def _open(path: Path, where: str) -> Any:
    try:
        return fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        message = f"{where} is not an Excel workbook that can be read: {reason}."
        raise SourceError(message) from error


def _header(workbook: Any, sheet: str, where: str) -> list[str]:
    first = workbook.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_polars()
    if first.is_empty():
        message = f"Sheet '{sheet}' of {where} is empty: it has not even a header."
        raise SourceError(message)
    return ["" if name is None else name for name in first.row(0)]


def _batches(file: File, sheet: str, wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
    with file.on_disk() as path:
        loaded = _open(path, file.where).load_sheet(sheet, dtypes="string")
        rows, errors = loaded.to_arrow_with_errors()
    if errors is not None and errors.errors:
        raise _error_cells(file.where, sheet, errors.errors)
    frame = pl.DataFrame(rows).filter(~pl.all_horizontal(pl.all().is_null()))
    yield from frame.select(wanted).iter_slices(_BATCH_ROWS)


def _error_cells(where: str, sheet: str, errors: list[Any]) -> SourceError:
    shown = "; ".join(
        f"row {each.position[0] + 1}, column {each.position[1] + 1}" for each in errors[:5]
    )
    return SourceError(
        f"Sheet '{sheet}' of {where} has {len(errors):,} cells that hold an Excel error such "
        f"as #DIV/0! or #N/A, which is no value: {shown}. Mend or clear them and export again."
    )
