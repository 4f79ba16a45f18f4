"""`collectionflow rollback`: publish an earlier version again."""

from pathlib import Path

import click
import dagster as dg
from rich.markup import escape

from collectionflow.cli._project import Project, load_project, project_option
from collectionflow.cli._screen import console, explained, print_json
from collectionflow.storage.versions import rollback as publish_earlier


@click.command()
@click.argument("asset")
@click.option("--to", metavar="VERSION", help="Default: the one before the published.")
@click.option("--partition", help="Partition of the asset, where it has any.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine.")
@project_option
def rollback(
    asset: str, to: str | None, partition: str | None, *, as_json: bool, folder: Path
) -> None:
    """Publish an earlier version of ASSET again. The current one is kept and can be named later.

    Where a target keeps earlier publications, such as a search index, they are the versions.
    """
    with explained(as_json=as_json):
        project = load_project(folder)
        key = project.asset_key(asset)
        version, shown = _published_again(project, key, partition, to)
        # So that the asset's page in the UI tells what lies there now.
        metadata = {"rolled back to": version}
        project.instance().report_runless_asset_event(
            dg.AssetMaterialization(key, metadata=metadata, partition=partition)
        )
    if as_json:
        print_json({"asset": asset, "version": version})
    else:
        console.print(f"[bold]{escape(asset)}[/bold]: {shown} is published again.")
        console.print("Assets made from it are as they were: run the job to make them anew.")


def _published_again(
    project: Project, key: dg.AssetKey, partition: str | None, to: str | None
) -> tuple[str, str]:
    """Return the name of the version that is published now, and how a person knows it."""
    with project.target(key) as target:
        if target is not None:
            name = target.rollback(key.path[-1], to)
            return name, f"'{escape(name)}'"
    with project.stored_table(key, partition) as table:
        version = publish_earlier(table, to)
    return version.name, f"version {version.name} of {version.written_at:%Y-%m-%d %H:%M:%S} UTC"
