"""`collectionflow inspect`: what one asset's table holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import polars as pl
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from collectionflow.cli._project import load_project, project_option
from collectionflow.cli._screen import console, explained, frame_table, print_json
from collectionflow.errors import ProjectError
from collectionflow.metadata import turned
from collectionflow.storage import _files
from collectionflow.storage.gate import Measurement, measure
from collectionflow.storage.versions import StoredTable, Version, versions

SAMPLE_ROWS = 3


@click.command()
@click.argument("asset")
@click.option("--partition", help="Partition of the asset, where it has any.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@project_option
def inspect(asset: str, partition: str | None, *, as_json: bool, folder: Path) -> None:
    """Show schema, filled shares, a sample and the versions of ASSET."""
    with explained(as_json=as_json):
        project = load_project(folder)
        key = project.asset_key(asset)
        with project.stored_table(key, partition) as table:
            kept = versions(table)
            if not table.path.exists():
                message = f"'{asset}' is not published yet. Run a job that materializes it."
                raise ProjectError(message)
            stored = _files.scan(table.path)
            measurement = measure(stored)
            sample = stored.head(SAMPLE_ROWS).collect()
    if as_json:
        print_json(_as_json(table, stored.collect_schema(), measurement, sample, kept))
    else:
        _show(table, stored.collect_schema(), measurement, sample, kept)


def _show(
    table: StoredTable,
    schema: Mapping[str, pl.DataType],
    measurement: Measurement,
    sample: pl.DataFrame,
    kept: list[Version],
) -> None:
    console.print(f"[bold]{escape(table.name)}[/bold]  {measurement.rows:,} rows")
    console.print(escape(_files.location(table.path)), soft_wrap=True, style="dim")
    console.print(_schema_tree(schema, measurement))
    console.print(frame_table(turned(sample), "Sample"))
    console.print(_versions_table(kept))


def _schema_tree(schema: Mapping[str, pl.DataType], measurement: Measurement) -> Tree:
    tree = Tree("[bold]Columns[/bold]", guide_style="dim")
    for name, dtype in schema.items():
        share = measurement.filled_share(name)
        style = "red" if not share else "yellow" if share < 1 else "green"
        label = f"{escape(name)}  [cyan]{_type_name(dtype)}[/cyan]  [{style}]{share:.1%}[/{style}]"
        _add_fields(tree.add(label), dtype)
    return tree


def _add_fields(branch: Tree, dtype: Any) -> None:
    """Add the fields of a nested type, at any depth."""
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else dtype
    if isinstance(inner, pl.Struct):
        for each in inner.fields:
            label = f"{escape(each.name)}  [cyan]{_type_name(each.dtype)}[/cyan]"
            _add_fields(branch.add(label), each.dtype)


def _type_name(dtype: Any) -> str:
    if isinstance(dtype, pl.List | pl.Array):
        return f"list of {_type_name(dtype.inner)}"
    return "struct" if isinstance(dtype, pl.Struct) else str(dtype)


def _versions_table(kept: list[Version]) -> Table:
    table = Table(title="Versions", title_justify="left", title_style="bold")
    for name in ("version", "written (UTC)", ""):
        table.add_column(name)
    for version in kept:
        mark = "[green]published[/green]" if version.is_published else ""
        table.add_row(version.name, f"{version.written_at:%Y-%m-%d %H:%M:%S}", mark)
    return table


def _as_json(
    table: StoredTable,
    schema: Mapping[str, pl.DataType],
    measurement: Measurement,
    sample: pl.DataFrame,
    kept: list[Version],
) -> dict[str, Any]:
    return {
        "asset": table.name,
        "path": _files.location(table.path),
        "rows": measurement.rows,
        "columns": [
            {"name": name, "type": str(dtype), "filled": measurement.filled_share(name)}
            for name, dtype in schema.items()
        ],
        "sample": sample.to_dicts(),
        "versions": [
            {"version": each.name, "written_at": each.written_at, "published": each.is_published}
            for each in kept
        ],
    }
