"""What the tables must be to each other, and what a registrar should know about them.

A blocking check stops the run before anything is built on what it found. The others are told on
the asset's page, and the run goes on.
"""

import dagster as dg
import polars as pl

from collectionflow import Frame
from collectionflow.markdown import markdown_table
from portrait_gallery.contracts import (
    CleanedObjects,
    HarvestedConstituents,
    HarvestedConstituentTerms,
    HarvestedImages,
    HarvestedLinks,
    HarvestedObjects,
)

EXAMPLES = 5


@dg.asset_check(
    asset="harvested_links",
    blocking=True,
    additional_ins={
        "objects": dg.AssetIn("harvested_objects"),
        "constituents": dg.AssetIn("harvested_constituents"),
    },
)
def links_are_whole(
    harvested_links: Frame[HarvestedLinks],
    objects: Frame[HarvestedObjects],
    constituents: Frame[HarvestedConstituents],
) -> dg.AssetCheckResult:
    """Each link has its object and its constituent; without them, documents would lose people."""
    broken = pl.concat(
        [
            without(harvested_links, objects, "ObjectID"),
            without(harvested_links, constituents, "ConstituentID"),
        ]
    ).unique("ConXrefID", keep="any")
    return report(broken, ["ConXrefID", "ObjectID", "ConstituentID"], dg.AssetCheckSeverity.ERROR)


@dg.asset_check(asset="harvested_links")
def links_are_distinct(harvested_links: Frame[HarvestedLinks]) -> dg.AssetCheckResult:
    """No constituent is linked twice to an object in one role. Documents show both links."""
    key = ["ObjectID", "ConstituentID", "RoleID"]
    repeated = harvested_links.group_by(key).agg(links=pl.len()).filter(pl.col("links") > 1)
    return report(repeated, [*key, "links"], dg.AssetCheckSeverity.WARN)


@dg.asset_check(
    asset="harvested_constituent_terms",
    additional_ins={"constituents": dg.AssetIn("harvested_constituents")},
)
def terms_have_constituents(
    harvested_constituent_terms: Frame[HarvestedConstituentTerms],
    constituents: Frame[HarvestedConstituents],
) -> dg.AssetCheckResult:
    """Each term has its constituent. Terms of constituents that are gone reach no document."""
    orphans = without(harvested_constituent_terms, constituents, "ConstituentID")
    columns = ["ConstituentID", "ThesXrefType", "Term"]
    return report(orphans, columns, dg.AssetCheckSeverity.WARN)


@dg.asset_check(
    asset="harvested_images", additional_ins={"objects": dg.AssetIn("harvested_objects")}
)
def objects_without_image(
    harvested_images: Frame[HarvestedImages], objects: Frame[HarvestedObjects]
) -> dg.AssetCheckResult:
    """How many objects have no image yet; that is no fault, so it always passes."""
    return report(without(objects, harvested_images, "ObjectID"), ["ObjectID", "ObjectNumber"])


@dg.asset_check(asset="cleaned_objects")
def objects_without_years(cleaned_objects: Frame[CleanedObjects]) -> dg.AssetCheckResult:
    """How many objects have no year that one could search by; it always passes."""
    undated = cleaned_objects.filter(
        pl.all_horizontal(pl.col("earliest_year", "latest_year").is_null())
    )
    return report(undated, ["object_id", "object_number", "dated"])


def without(table: pl.LazyFrame, others: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """Return the rows of `table` whose key is not among the others'."""
    return table.join(others.select(key), on=key, how="anti")


def report(
    found: pl.LazyFrame, columns: list[str], severity: dg.AssetCheckSeverity | None = None
) -> dg.AssetCheckResult:
    """Return a check's result: how many rows and keys were found, and the first of them.

    The key is the first of the columns. Without a severity the result is for information.
    """
    rows = found.select(columns).collect()
    keys = rows.get_column(columns[0]).n_unique()
    noun = "row" if rows.height == 1 else "rows"
    return dg.AssetCheckResult(
        passed=severity is None or rows.is_empty(),
        severity=severity or dg.AssetCheckSeverity.WARN,
        description=f"{rows.height:,} {noun}, {keys:,} different {columns[0]}.",
        metadata={
            "rows": rows.height,
            "keys": keys,
            "examples": dg.MetadataValue.md(markdown_table(rows.sort(columns).head(EXAMPLES))),
        },
    )
