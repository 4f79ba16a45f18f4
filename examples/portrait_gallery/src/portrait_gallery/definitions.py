"""The project as Dagster loads it: whatever `defs` holds, with the resources of this environment.

A stage is a folder in `defs`; its `defs.yaml` says what all assets in it share.
"""

from pathlib import Path

import dagster as dg

from portrait_gallery.resources import DATA, WEBSITE, chosen_source, resources

defs = dg.Definitions.merge(
    dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
    dg.Definitions(resources=resources(chosen_source(), DATA, WEBSITE)),
)
