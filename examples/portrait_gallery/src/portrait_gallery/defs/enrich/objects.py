"""Objects with the titles and the image that the website shows."""

import dagster as dg
import polars as pl

from collectionflow import Frame
from collectionflow.clean import tidy
from portrait_gallery.contracts import (
    CleanedObjects,
    EnrichedObjects,
    HarvestedImages,
    HarvestedTitles,
)


@dg.asset(code_version="1")
def enriched_objects(
    cleaned_objects: Frame[CleanedObjects],
    harvested_titles: Frame[HarvestedTitles],
    harvested_images: Frame[HarvestedImages],
) -> Frame[EnrichedObjects]:
    """One row an object with its preferred title, its other titles and its primary image.

    The preferred title is the first in display order. The primary image is one of full size
    rather than a thumbnail, then the first by file name.
    """
    return enrich(cleaned_objects, harvested_titles, harvested_images)


def enrich(objects: pl.LazyFrame, titles: pl.LazyFrame, images: pl.LazyFrame) -> pl.LazyFrame:
    """Return `EnrichedObjects` from cleaned objects and harvested titles and images."""
    return (
        objects.join(
            titles_in_order(titles),
            on="object_id",
            how="left",
            validate="1:1",
            maintain_order="left",
        )
        .join(
            primary_images(images),
            on="object_id",
            how="left",
            validate="1:1",
            maintain_order="left",
        )
        .select(
            "object_id",
            "object_number",
            "classification",
            "medium",
            "dated",
            "earliest_year",
            "latest_year",
            "dimensions",
            "credit_line",
            "title",
            "other_titles",
            "image_url",
            "image_is_thumbnail",
            "image_credit",
            "image_rights",
        )
    )


def titles_in_order(titles: pl.LazyFrame) -> pl.LazyFrame:
    """Return each object's preferred title and its other titles; a repeated one counts once."""
    distinct = pl.col("titles").list.unique(maintain_order=True)
    return (
        titles.select(object_id="ObjectID", order="DisplayOrder", titles=tidy("Title"))
        .drop_nulls("titles")
        .sort("object_id", "order", "titles")
        .group_by("object_id", maintain_order=True)
        .agg("titles")
        .select("object_id", title=distinct.list.first(), other_titles=distinct.list.slice(1))
    )


def primary_images(images: pl.LazyFrame) -> pl.LazyFrame:
    """Return one image an object: of full size if there is one, then the first by file name."""
    is_thumbnail = tidy("Size Notes").eq_missing("Thumbnail only")
    return (
        images.select(
            object_id="ObjectID",
            file=tidy("Main Image Filename"),
            image_url=tidy("Web Image Address"),
            image_is_thumbnail=is_thumbnail,
            image_credit=tidy("Image Credit/Caption"),
            image_rights=tidy("Image Rights Statement"),
        )
        .sort("object_id", "image_is_thumbnail", "file")
        .unique("object_id", keep="first", maintain_order=True)
        .drop("file")
    )
