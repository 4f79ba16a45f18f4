"""What every command shares on the screen: tables, JSON, and errors with the reason first."""

import json
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from collectionflow.errors import CollectionflowError

console = Console(highlight=False)
CELL_CHARACTERS = 40


def print_json(value: Mapping[str, Any]) -> None:
    """Print a machine's answer; dates and other values that JSON lacks become text."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def frame_table(frame: pl.DataFrame, title: str = "") -> Table:
    """Return a small frame as a table; long cells are cut."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for name, dtype in frame.schema.items():
        justify = "right" if dtype.is_numeric() else "left"
        # The first column says what a line is about, so it is never broken.
        table.add_column(escape(name), justify=justify, no_wrap=not table.columns)
    for row in frame.iter_rows():
        table.add_row(*(Text(cell_text(value)) for value in row))
    return table


def cell_text(value: object) -> str:
    """Return a value as one short line; nothing for null."""
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= CELL_CHARACTERS else f"{text[: CELL_CHARACTERS - 1]}…"


@contextmanager
def explained(*, as_json: bool) -> Generator[None]:
    """Show an error of ours as its message alone, and leave with exit code 2."""
    try:
        yield
    except CollectionflowError as error:
        if as_json:
            print_json({"error": str(error)})
        else:
            Console(stderr=True, highlight=False).print(Text(str(error), style="red"))
        sys.exit(2)
