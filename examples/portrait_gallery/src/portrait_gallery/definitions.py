"""The project as Dagster loads it: whatever `defs` holds, with the resources of this environment.

A stage is a folder in `defs`; its `defs.yaml` says what all assets in it share.
"""

import os
from importlib import import_module
from pathlib import Path

import dagster as dg

from portrait_gallery import search
from portrait_gallery.resources import DATA, WEBSITE, chosen_source, resources


def other_engines(names: str) -> list[dg.Definitions]:
    """Return what the modules in `engines` define, by their names with commas between them."""
    return [
        import_module(f"portrait_gallery.engines.{name.strip()}").defs
        for name in names.split(",")
        if name.strip()
    ]


defs = dg.Definitions.merge(
    dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
    dg.Definitions(resources=resources(chosen_source(), DATA, WEBSITE)),
    *search.definitions(os.environ.get("PORTRAIT_GALLERY_SEARCH_URL")),
    *other_engines(os.environ.get("PORTRAIT_GALLERY_ENGINES", "")),
)
