"""What the pipeline is run with: where the tables come from, where they lie, where they go.

The assets are the same on a laptop and in production; this table is what differs.
"""

import os
from pathlib import Path

import dagster as dg

from collectionflow import ParquetIOManager
from collectionflow.harvest import DatabaseSource, FolderSource, TableSource
from collectionflow.output import NdjsonTarget, SitemapTarget
from portrait_gallery.sample import SampleSource
from portrait_gallery.website import Website

PROJECT = Path(__file__).parents[2]
DATA = os.environ.get("PORTRAIT_GALLERY_DATA", str(PROJECT / "data"))
WEBSITE = os.environ.get("PORTRAIT_GALLERY_WEBSITE", "https://example.org")
SAMPLE_OBJECTS = int(os.environ.get("PORTRAIT_GALLERY_SAMPLE_OBJECTS", "500"))

SOURCES: dict[str, TableSource] = {
    "sample": SampleSource(directory=f"{DATA}/sample", object_count=SAMPLE_OBJECTS),
    "export": FolderSource(
        directory=dg.EnvVar("NPG_EXPORT"),
        files={
            "objects": "NPGObjects3.csv",
            "titles": "NPGObjTitles3.csv",
            "constituents": "NPGConstituents3.csv",
            "links": "NPGObjConXrefs3.csv",
            "images": "NPGWebImageURLs.csv",
            "constituent_terms": "NPGConThesTerms3.xlsx",
        },
    ),
    "database": DatabaseSource(url=dg.EnvVar("PORTRAIT_GALLERY_DATABASE")),
}


def resources() -> dict[str, object]:
    """Return the resources, with the source that PORTRAIT_GALLERY_SOURCE names.

    Raises:
        ValueError: where it names none of the sources.
    """
    name = os.environ.get("PORTRAIT_GALLERY_SOURCE", "sample")
    if name not in SOURCES:
        known = ", ".join(f"'{each}'" for each in SOURCES)
        message = f"PORTRAIT_GALLERY_SOURCE is '{name}'. Expected one of {known}."
        raise ValueError(message)
    return {
        "tms": SOURCES[name],
        "io_manager": ParquetIOManager(base_dir=f"{DATA}/tables"),
        "json": NdjsonTarget(directory=f"{DATA}/website"),
        "sitemap": SitemapTarget(directory=f"{DATA}/website", base_url=WEBSITE),
        "website": Website(object_pages=f"{WEBSITE}/object/npg_"),
    }
