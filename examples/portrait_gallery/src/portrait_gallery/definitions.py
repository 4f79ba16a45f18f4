"""The project as Dagster loads it.

A stage is a folder in `defs`; whatever assets its modules hold belong to the group of its name.
"""

from collections.abc import Iterator
from types import ModuleType

import dagster as dg

from portrait_gallery.defs import checks, clean, enrich, harvest, jobs, output, reshape
from portrait_gallery.resources import DATA, WEBSITE, chosen_source, resources

OWNERS = ["team:collections"]
STORED_AS = {
    harvest: {"polars", "parquet"},
    clean: {"polars", "parquet"},
    enrich: {"polars", "parquet"},
    reshape: {"polars", "parquet"},
    output: set(),  # Each output says its own.
}


def _assets(stage: ModuleType, kinds: set[str]) -> Iterator[dg.AssetsDefinition]:
    """Yield the assets in a stage's folder, with what all of them share."""
    group = stage.__name__.rpartition(".")[-1]
    for asset in dg.load_assets_from_package_module(stage, group_name=group):
        if isinstance(asset, dg.AssetsDefinition):
            yield asset.map_asset_specs(
                lambda spec: spec.merge_attributes(kinds=kinds, owners=OWNERS)
            )


defs = dg.Definitions(
    assets=[asset for stage, kinds in STORED_AS.items() for asset in _assets(stage, kinds)],
    asset_checks=dg.load_asset_checks_from_modules([checks]),
    jobs=[jobs.collection, jobs.documents],
    schedules=[jobs.nightly],
    resources=resources(chosen_source(), DATA, WEBSITE),
)
