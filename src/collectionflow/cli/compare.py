"""`collectionflow compare`: two tables, whether two assets, two versions or two files."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import polars as pl
from upath import UPath

from collectionflow.checks.parity import in_words
from collectionflow.cli._project import load_project, project_option
from collectionflow.cli._screen import console, explained, frame_table, print_json
from collectionflow.errors import ProjectError
from collectionflow.metadata import turned
from collectionflow.storage import _files
from collectionflow.storage.diff import Difference
from collectionflow.storage.diff import diff as compare_tables
from collectionflow.storage.versions import find_version


@click.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--key", multiple=True, help="Key column, if not the contract's; may be repeated.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="T",
    help="Floats are the same that differ by at most T times the greatest of 1 and the two.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@project_option
def compare(
    one: str,
    other: str,
    key: tuple[str, ...],
    tolerance: float,
    *,
    as_json: bool,
    folder: Path,
) -> None:
    """Tell how the tables A and B differ, whatever the order of their rows.

    Each is an asset, a version of an asset as ASSET@VERSION, or a Parquet file or folder.
    Exit code 0: they are the same. 1: they differ. 2: they could not be compared.
    """
    with explained(as_json=as_json), _table(one, folder) as a, _table(other, folder) as b:
        columns = key or a.key or b.key
        found = compare_tables(a.frame, b.frame, columns, tolerance=tolerance)
    if as_json:
        print_json(_as_json(one, other, found))
    else:
        _show(one, other, found)
    sys.exit(0 if found.is_none else 1)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """What is compared, and the key that its contract names."""

    frame: pl.LazyFrame
    key: Sequence[str] = field(default=())


@contextmanager
def _table(name: str, folder: Path) -> Generator[_Table]:
    if Path(name).exists() or name.endswith(".parquet"):
        yield _Table(frame=_file(name))
        return
    asset, _, version = name.partition("@")
    project = load_project(folder)
    key = project.asset_key(asset)
    contract = project.contract(key)
    with project.stored_table(key, None) as table:
        path = find_version(table, version).path if version else table.path
        if not path.exists():
            message = f"'{asset}' is not published yet. Run a job that materializes it."
            raise ProjectError(message)
        yield _Table(frame=_files.scan(path), key=contract.key if contract else ())


def _file(name: str) -> pl.LazyFrame:
    path = UPath(name)
    if not path.exists() or not _files.files(path):
        message = f"There is no Parquet file '{name}', and no folder of such files."
        raise ProjectError(message)
    return _files.scan(path)


def _show(one: str, other: str, found: Difference) -> None:
    for mark, name, rows in (("A", one, found.rows_before), ("B", other, found.rows_after)):
        console.print(f"{mark}: {name}, {rows:,} rows", markup=False, soft_wrap=True)
    console.print(in_words(found, "A", "B"), markup=False, soft_wrap=True)
    cells = found.changed_examples.rename({"before": "in A", "after": "in B"})
    for title, examples in (
        ("Cells that differ", cells),
        ("Only in A", _turned(found.removed_examples)),
        ("Only in B", _turned(found.added_examples)),
    ):
        if not examples.is_empty():
            console.print(frame_table(examples, title))


def _turned(examples: pl.DataFrame) -> pl.DataFrame:
    """Return whole rows a column each, as a terminal is narrow; none where there is none."""
    return turned(examples) if examples.height else examples


def _as_json(one: str, other: str, found: Difference) -> dict[str, Any]:
    return {
        "a": one,
        "b": other,
        "same": found.is_none,
        "rows_a": found.rows_before,
        "rows_b": found.rows_after,
        "only_in_a": found.removed,
        "only_in_b": found.added,
        "differing": found.changed,
        "differing_by_column": found.changed_by_column,
        "columns_only_in_a": found.columns_removed,
        "columns_only_in_b": found.columns_added,
        "columns_of_other_types": found.columns_retyped,
        "examples": {
            "differing": found.changed_examples.rename({"before": "a", "after": "b"}).to_dicts(),
            "only_in_a": found.removed_examples.to_dicts(),
            "only_in_b": found.added_examples.to_dicts(),
        },
    }
