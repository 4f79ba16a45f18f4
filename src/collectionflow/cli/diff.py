"""`collectionflow diff`: what changed between two versions of a table."""

from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from collectionflow.cli._project import load_project, project_option
from collectionflow.cli._screen import console, explained, frame_table, print_json
from collectionflow.errors import ProjectError
from collectionflow.storage import _files
from collectionflow.storage.diff import Difference
from collectionflow.storage.diff import diff as compare
from collectionflow.storage.versions import StoredTable, Version, find_version, versions


@click.command()
@click.argument("asset")
@click.option("--from", "older", metavar="VERSION", help="Default: the one before the published.")
@click.option("--to", "newer", metavar="VERSION", help="Default: the published one.")
@click.option("--key", multiple=True, help="Key column, if not the contract's; may be repeated.")
@click.option("--partition", help="Partition of the asset, where it has any.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@project_option
def diff(
    asset: str,
    older: str | None,
    newer: str | None,
    key: tuple[str, ...],
    partition: str | None,
    *,
    as_json: bool,
    folder: Path,
) -> None:
    """Show the records of ASSET that were added, removed and changed between two versions."""
    with explained(as_json=as_json):
        project = load_project(folder)
        asset_key = project.asset_key(asset)
        contract = project.contract(asset_key)
        with project.stored_table(asset_key, partition) as table:
            before, after = _versions(table, older, newer)
            columns = key or (contract.key if contract else ())
            found = compare(_files.scan(before.path), _files.scan(after.path), columns)
    if as_json:
        print_json(_as_json(asset, before, after, found))
    else:
        _show(asset, before, after, found)


def _versions(table: StoredTable, older: str | None, newer: str | None) -> tuple[Version, Version]:
    known = versions(table)
    if len(known) < 2:  # noqa: PLR2004
        message = (
            f"'{table.name}' has no two versions to compare. An earlier one is kept from the "
            "second time on that the table is written."
        )
        raise ProjectError(message)
    after = find_version(table, newer) if newer else _published(known)
    earlier = [each for each in known if each.name < after.name]
    if older is None and not earlier:
        message = f"No version is older than '{after.name}'. Name two with --from and --to."
        raise ProjectError(message)
    before = find_version(table, older) if older else earlier[0]
    return before, after


def _published(known: list[Version]) -> Version:
    return next((each for each in known if each.is_published), known[0])


def _show(asset: str, before: Version, after: Version, found: Difference) -> None:
    console.print(f"[bold]{escape(asset)}[/bold]  {before.name} → {after.name}")
    console.print(
        f"{found.rows_before:,} → {found.rows_after:,} rows: "
        f"[green]{found.added:,} added[/green], [red]{found.removed:,} removed[/red], "
        f"[yellow]{found.changed:,} changed[/yellow]"
    )
    for word, names in (("added", found.columns_added), ("removed", found.columns_removed)):
        if names:
            console.print(f"Columns {word}: {escape(', '.join(names))}")
    if found.changed_by_column:
        console.print(_cells_table(found))
    for title, examples in (
        ("Changed, the first", found.changed_examples),
        ("Added, the first", found.added_examples),
        ("Removed, the first", found.removed_examples),
    ):
        if not examples.is_empty():
            console.print(frame_table(examples, title))


def _cells_table(found: Difference) -> Table:
    table = Table(title="Changed cells", title_justify="left", title_style="bold")
    table.add_column("column")
    table.add_column("records", justify="right")
    for name, count in sorted(found.changed_by_column.items(), key=lambda item: -item[1]):
        table.add_row(escape(name), f"{count:,}")
    return table


def _as_json(asset: str, before: Version, after: Version, found: Difference) -> dict[str, Any]:
    return {
        "asset": asset,
        "from": before.name,
        "to": after.name,
        "rows_before": found.rows_before,
        "rows_after": found.rows_after,
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "changed_by_column": found.changed_by_column,
        "columns_added": found.columns_added,
        "columns_removed": found.columns_removed,
        "examples": {
            "added": found.added_examples.to_dicts(),
            "removed": found.removed_examples.to_dicts(),
            "changed": found.changed_examples.to_dicts(),
        },
    }
