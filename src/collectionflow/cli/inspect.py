"""`collectionflow inspect`: what one asset's table holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import polars as pl
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from collectionflow.cli._project import load_project, project_option
from collectionflow.cli._screen import console, explained, frame_table, print_json
from collectionflow.errors import ProjectError
from collectionflow.metadata import turned
from collectionflow.storage import _files
from collectionflow.storage.gate import Measurement, measure
from collectionflow.storage.ledger import gaps, read_ledger
from collectionflow.storage.quarantine import reasons
from collectionflow.storage.versions import StoredTable, Version, versions

SAMPLE_ROWS = 3
HARVESTS_SHOWN = 5
_OUTCOMES = {"failed": "failed", "refused": "was refused"}


@click.command()
@click.argument("asset")
@click.option("--partition", help="Partition of the asset, where it has any.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@project_option
def inspect(asset: str, partition: str | None, *, as_json: bool, folder: Path) -> None:
    """Show schema, filled shares, a sample, the quarantine, versions and harvests of ASSET."""
    with explained(as_json=as_json):
        project = load_project(folder)
        key = project.asset_key(asset)
        with project.stored_table(key, partition) as table:
            found = _look(table, asset)
    if as_json:
        print_json(_as_json(found))
    else:
        _show(found)


@dataclass(frozen=True, kw_only=True)
class _Findings:
    """What there is to know of a published table."""

    table: StoredTable
    schema: pl.Schema
    measurement: Measurement
    sample: pl.DataFrame
    quarantined: pl.DataFrame
    kept: list[Version]
    ledger: pl.DataFrame

    @property
    def gaps(self) -> pl.DataFrame:
        """The windows that no published harvest covers."""
        return gaps(self.ledger)


def _look(table: StoredTable, asset: str) -> _Findings:
    ledger = read_ledger(table)
    if not table.path.exists():
        message = f"'{asset}' is not published yet. Run a job that materializes it."
        raise ProjectError(message + _last_failure(ledger))
    stored = _files.scan(table.path)
    return _Findings(
        table=table,
        schema=stored.collect_schema(),
        measurement=measure(stored),
        sample=stored.head(SAMPLE_ROWS).collect(),
        quarantined=reasons(table),
        kept=versions(table),
        ledger=ledger,
    )


def _last_failure(ledger: pl.DataFrame) -> str:
    """Return why the last harvest came to nothing, where it did."""
    last = None if ledger.is_empty() else ledger.row(-1, named=True)
    if last is None or last["outcome"] == "published":
        return ""
    return f" The last harvest {_OUTCOMES[last['outcome']]}: {last['reason']}"


def _show(found: _Findings) -> None:
    console.print(f"[bold]{escape(found.table.name)}[/bold]  {found.measurement.rows:,} rows")
    console.print(escape(_files.location(found.table.path)), soft_wrap=True, style="dim")
    console.print(_schema_tree(found.schema, found.measurement))
    console.print(frame_table(turned(found.sample), "Sample"))
    if not found.quarantined.is_empty():
        console.print(frame_table(found.quarantined, "Quarantined, by reason"))
        console.print(f"in {_files.location(found.table.quarantine)}", soft_wrap=True, style="dim")
    console.print(_versions_table(found.kept))
    if not found.ledger.is_empty():
        console.print(_harvests_table(found.ledger.tail(HARVESTS_SHOWN).reverse()))
    if failure := _last_failure(found.ledger):
        console.print(Text(failure.strip(), style="red"))
    for since, until in found.gaps.iter_rows():
        console.print(f"[red]No published harvest covers {since} to {until}.[/red]")


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


def _harvests_table(harvests: pl.DataFrame) -> Table:
    table = Table(title="Harvests, newest first", title_justify="left", title_style="bold")
    for name in ("started (UTC)", "seconds", "window", "received", "deleted", "outcome"):
        is_number = name in {"seconds", "received", "deleted"}
        table.add_column(name, justify="right" if is_number else "left")
    for each in harvests.iter_rows(named=True):
        table.add_row(
            f"{each['started_at']:%Y-%m-%d %H:%M:%S}",
            f"{each['seconds']:.1f}",
            _window(each),
            _of_expected(each),
            f"{each['deleted']:,}",
            _outcome(each),
        )
    return table


def _window(harvest: Mapping[str, Any]) -> str:
    if harvest["since"] is None and harvest["until"] is None:
        return "all"
    return f"{harvest['since'] or 'the beginning'} to {harvest['until'] or 'now'}"


def _of_expected(harvest: Mapping[str, Any]) -> str:
    of = "" if harvest["expected"] is None else f" of {harvest['expected']:,}"
    return f"{harvest['received']:,}{of}"


def _outcome(harvest: Mapping[str, Any]) -> str:
    style = "green" if harvest["outcome"] == "published" else "red"
    return f"[{style}]{harvest['outcome']}[/{style}]"


def _as_json(found: _Findings) -> dict[str, Any]:
    return {
        "asset": found.table.name,
        "path": _files.location(found.table.path),
        "rows": found.measurement.rows,
        "columns": [
            {"name": name, "type": str(dtype), "filled": found.measurement.filled_share(name)}
            for name, dtype in found.schema.items()
        ],
        "sample": found.sample.to_dicts(),
        "quarantined": found.quarantined.to_dicts(),
        "versions": [
            {"version": each.name, "written_at": each.written_at, "published": each.is_published}
            for each in found.kept
        ],
        "harvests": found.ledger.to_dicts(),
        "gaps": found.gaps.to_dicts(),
    }
