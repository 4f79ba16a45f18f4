"""What the website takes: documents for its search, and a sitemap for search engines."""

from datetime import timedelta

import dagster as dg
import polars as pl

from collectionflow import Frame
from portrait_gallery.contracts import ObjectDocuments, ObjectPages
from portrait_gallery.website import Website

# The website is rebuilt each night: a day and a half without new documents is an incident.
NIGHTLY = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=36), warn_window=timedelta(hours=26)
)


@dg.asset(code_version="1", kinds={"json"}, io_manager_key="json", freshness_policy=NIGHTLY)
def objects_json(object_documents: Frame[ObjectDocuments]) -> Frame[ObjectDocuments]:
    """The documents that the website's search imports, one JSON document a line."""
    return object_documents


@dg.asset(code_version="2", kinds={"xml"}, io_manager_key="sitemap", freshness_policy=NIGHTLY)
def objects_sitemap(
    object_documents: Frame[ObjectDocuments], website: Website
) -> Frame[ObjectPages]:
    """The addresses of all objects' pages and of their images, for search engines."""
    return pages(object_documents, website)


def pages(documents: pl.LazyFrame, website: Website) -> pl.LazyFrame:
    """Return `ObjectPages` from `ObjectDocuments`. The source does not say when they changed."""
    image = pl.col("image").struct.field("url")
    return documents.select(
        loc=website.object_page(pl.col("number")),
        images=pl.concat_list(pl.when(image.str.starts_with("http")).then(image)).list.drop_nulls(),
    )
