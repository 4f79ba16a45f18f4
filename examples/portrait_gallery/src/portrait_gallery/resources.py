"""What the pipeline is run with: where the tables come from, where they lie, where they go.

The assets are the same on a laptop and in production. These are what differs.
"""

import os
from pathlib import Path
from typing import Final

import dagster as dg

from collectionflow import ParquetIOManager
from collectionflow.harvest import (
    DatabaseSource,
    FolderSource,
    JsonApiSource,
    PageNumbers,
    TableSource,
)
from collectionflow.output import NdjsonTarget, SitemapTarget
from portrait_gallery.sample import SampleSource
from portrait_gallery.website import Website

PROJECT: Final = Path(__file__).parents[2]
DATA: Final = os.environ.get("PORTRAIT_GALLERY_DATA", str(PROJECT / "data"))
WEBSITE: Final = os.environ.get("PORTRAIT_GALLERY_WEBSITE", "https://example.org")
SAMPLE_OBJECTS: Final = int(os.environ.get("PORTRAIT_GALLERY_SAMPLE_OBJECTS", "500"))

SOURCES: Final[dict[str, TableSource]] = {
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
    "api": JsonApiSource(
        base_url=dg.EnvVar("PORTRAIT_GALLERY_API"),
        records="records",
        total="total",
        paging=PageNumbers(size_parameter="size", size=500),
    ),
}


def chosen_source() -> TableSource:
    """Return the source that PORTRAIT_GALLERY_SOURCE names, the sample if it names none.

    Raises:
        ValueError: for a name that is not known.
    """
    name = os.environ.get("PORTRAIT_GALLERY_SOURCE", "sample")
    if name not in SOURCES:
        known = ", ".join(f"'{each}'" for each in SOURCES)
        message = f"PORTRAIT_GALLERY_SOURCE is '{name}'. Expected one of {known}."
        raise ValueError(message)
    return SOURCES[name]


def resources(tms: TableSource, data: str, website: str) -> dict[str, object]:
    """Return the resources by the names that the assets use."""
    return {
        "tms": tms,
        "io_manager": ParquetIOManager(base_dir=f"{data}/tables"),
        "json": NdjsonTarget(directory=f"{data}/website"),
        "sitemap": SitemapTarget(directory=f"{data}/website", base_url=website),
        "website": Website(object_pages=f"{website}/object/npg_"),
    }
