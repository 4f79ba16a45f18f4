"""The project as Dagster loads it.

A stage is a folder in `defs`; whatever assets its modules hold belong to the group of its name.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import dagster as dg

from portrait_gallery.defs import checks, clean, enrich, harvest, jobs, output, reshape
from portrait_gallery.resources import DATA, WEBSITE, chosen_source, resources

OWNERS = ["team:collections"]
TABLE = {"polars", "parquet"}
# What all assets of a stage share. Each output says its own kinds.
STAGES: dict[ModuleType, dict[str, Any]] = {
    harvest: {"kinds": TABLE, "tags": {"source": "tms"}},
    clean: {"kinds": TABLE},
    enrich: {"kinds": TABLE},
    reshape: {"kinds": TABLE},
    output: {"tags": {"audience": "public"}},
}


def _assets(stage: ModuleType, shared: dict[str, Any]) -> Iterator[dg.AssetsDefinition]:
    """Yield the assets in a stage's folder."""
    group = stage.__name__.rpartition(".")[-1]
    for asset in dg.load_assets_from_package_module(stage, group_name=group):
        if isinstance(asset, dg.AssetsDefinition):
            yield asset.map_asset_specs(lambda spec: spec.merge_attributes(owners=OWNERS, **shared))


defs = dg.Definitions(
    assets=[asset for stage, shared in STAGES.items() for asset in _assets(stage, shared)],
    asset_checks=dg.load_asset_checks_from_modules([checks]),
    jobs=[jobs.collection, jobs.documents],
    schedules=[jobs.nightly],
    resources=resources(chosen_source(), DATA, WEBSITE),
)
