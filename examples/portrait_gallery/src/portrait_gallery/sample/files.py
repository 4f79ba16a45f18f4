"""The sample as files in a folder, written whole or not at all."""

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from portrait_gallery.sample._dice import Dice
from portrait_gallery.sample.constituents import constituent_terms, constituents
from portrait_gallery.sample.links import links, titles
from portrait_gallery.sample.objects import images, objects

# The real export sends this table as Excel, which ends at a million rows and takes its time.
EXCEL_ROWS = 100_000
_CONSTITUENTS_AN_OBJECT = 0.756
_FEWEST_CONSTITUENTS = 200  # So that those of the crowded object differ.
_FEWEST_OBJECTS = 30  # So that every kind of dirt is there.


def tables(object_count: int, seed: int) -> dict[str, pl.LazyFrame]:
    """Return the tables of a gallery with so many objects, by name.

    Raises:
        ValueError: for fewer than 30 objects.
    """
    if object_count < _FEWEST_OBJECTS:
        message = f"A sample has at least {_FEWEST_OBJECTS} objects, not {object_count}."
        raise ValueError(message)
    dice = Dice(seed)
    constituent_count = max(round(object_count * _CONSTITUENTS_AN_OBJECT), _FEWEST_CONSTITUENTS)
    return {
        "objects": objects(object_count, dice),
        "titles": titles(object_count, constituent_count, dice),
        "constituents": constituents(constituent_count, dice),
        "links": links(object_count, constituent_count, dice),
        "images": images(object_count, dice),
        "constituent_terms": constituent_terms(constituent_count, dice),
    }


def write_sample(folder: Path, object_count: int, seed: int) -> None:
    """Write the sample's files to `folder`, unless it is there already.

    The same number and seed give the same bytes. Any number of processes may start at once: each
    writes to a folder of its own, and the first to finish gives it the name.
    """
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, table in tables(object_count, seed).items():
            _write(table, partial / name)
        partial.chmod(0o755)  # A temporary folder is for its owner only.
        _give_name(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _give_name(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.exists():  # Otherwise another process was first, with the same bytes.
            raise


def _write(table: pl.LazyFrame, path: Path) -> None:
    if path.name == "images":
        # As Windows writes it: with a byte order mark and CRLF.
        table.sink_csv(path.with_suffix(".csv"), include_bom=True, line_terminator="\r\n")
    elif path.name == "constituent_terms" and _length(table) <= EXCEL_ROWS:
        _write_excel(table.collect(), path.with_suffix(".xlsx"))
    else:
        table.sink_csv(path.with_suffix(".csv"))


def _write_excel(table: pl.DataFrame, path: Path) -> None:
    from xlsxwriter import Workbook

    with Workbook(path) as workbook:
        # Otherwise the file would say when it was written, and differ each time.
        workbook.set_properties({"created": datetime(2024, 1, 1, tzinfo=UTC)})
        table.write_excel(workbook)


def _length(table: pl.LazyFrame) -> int:
    return table.select(pl.len()).collect().item()
