"""`collectionflow rollback`: publish an earlier version again."""

from pathlib import Path

import click
import dagster as dg
from rich.markup import escape

from collectionflow.cli._project import load_project, project_option
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
    """Publish an earlier version of ASSET again. The current one is kept and can be named later."""
    with explained(as_json=as_json):
        project = load_project(folder)
        key = project.asset_key(asset)
        with project.stored_table(key, partition) as table:
            version = publish_earlier(table, to)
            # So that the asset's page in the UI tells what lies there now.
            metadata = {"rolled back to": version.name}
            project.instance().report_runless_asset_event(
                dg.AssetMaterialization(key, metadata=metadata, partition=partition)
            )
    if as_json:
        print_json({"asset": asset, "version": version.name})
    else:
        console.print(
            f"[bold]{escape(asset)}[/bold]: version {version.name} of "
            f"{version.written_at:%Y-%m-%d %H:%M:%S} UTC is published again."
        )
        console.print("Assets made from it are as they were: run the job to make them anew.")
