"""What the tables must be, and what they must be to each other, at each boundary.

A blocking check stops the run before anything is built on what it found. The others are told on
the asset's page, and the run goes on. What a single table must be is in its contract; here is what
only several tables together show, or what is worth a look.
"""

import polars as pl

from collectionflow.checks import boundary_checks, complete, reference, row_count, rule
from collectionflow.output import published_count_check
from portrait_gallery.defs.clean import constituents, objects
from portrait_gallery.defs.enrich import objects as enriched
from portrait_gallery.defs.enrich import people
from portrait_gallery.defs.harvest import tables
from portrait_gallery.defs.output import website
from portrait_gallery.defs.reshape import documents


def links_are_distinct(harvested_links: pl.LazyFrame) -> pl.LazyFrame:
    """No constituent is linked twice to an object in one role. Documents show both links."""
    key = ["ObjectID", "ConstituentID", "RoleID"]
    return harvested_links.group_by(key).agg(links=pl.len()).filter(pl.col("links") > 1).sort(key)


def objects_without_image(
    harvested_objects: pl.LazyFrame, harvested_images: pl.LazyFrame
) -> pl.LazyFrame:
    """How many objects have no image yet; that is no fault, so it always passes."""
    missing = harvested_objects.join(harvested_images, on="ObjectID", how="anti")
    return missing.select("ObjectID", "ObjectNumber").sort("ObjectID")


def objects_without_years(cleaned_objects: pl.LazyFrame) -> pl.LazyFrame:
    """How many objects have no year that one could search by; it always passes."""
    is_undated = pl.all_horizontal(pl.col("earliest_year", "latest_year").is_null())
    return cleaned_objects.filter(is_undated).select("object_id", "object_number", "dated")


after_harvest = boundary_checks(
    [
        tables.harvested_objects,
        tables.harvested_titles,
        tables.harvested_constituents,
        tables.harvested_links,
        tables.harvested_images,
        tables.harvested_constituent_terms,
    ],
    # Without its object and its constituent a link is lost, and documents would lose people.
    reference("harvested_links", "ObjectID", "harvested_objects", blocking=True),
    reference("harvested_links", "ConstituentID", "harvested_constituents", blocking=True),
    rule(links_are_distinct),
    reference("harvested_titles", "ObjectID", "harvested_objects"),
    reference("harvested_images", "ObjectID", "harvested_objects"),
    # Terms of constituents that were withdrawn are still there, and reach no document.
    reference("harvested_constituent_terms", "ConstituentID", "harvested_constituents"),
    complete("harvested_objects", "CreditLine", at_least=0.9),
    rule(objects_without_image, allow=1),
)
after_clean = boundary_checks(
    [objects.cleaned_objects, constituents.cleaned_constituents],
    rule(objects_without_years, allow=1),
)
after_enrich = boundary_checks([enriched.enriched_objects, people.linked_people])
before_output = boundary_checks(
    [documents.object_documents],
    row_count("object_documents", at_least=1, blocking=True),
)
# What the website takes is read back: are all documents there?
after_output = [
    published_count_check(website.objects_json, of="object_documents"),
    published_count_check(website.objects_sitemap, of="object_documents"),
]
