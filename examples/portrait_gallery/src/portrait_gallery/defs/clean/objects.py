"""Objects with tidy text and known years."""

from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from collectionflow import Frame, add_chart
from collectionflow.clean import earliest_year, known_year, latest_year, tidy
from portrait_gallery.contracts import CleanedObjects, HarvestedObjects

if TYPE_CHECKING:
    import altair as alt

# What this museum writes instead of a date.
NO_DATE = ("NULL", "Unknown", "n.d.a.", "No date", "date unknown")


@dg.asset(code_version="1")
def cleaned_objects(harvested_objects: Frame[HarvestedObjects]) -> Frame[CleanedObjects]:
    """One row an object, ordered by id: tidy text, and production dates as years.

    The years are the source's. Where it has none, they are read from the written date, if that
    can be done without guessing.
    """
    add_chart("Objects by decade", by_decade)
    return clean(harvested_objects)


def clean(objects: pl.LazyFrame) -> pl.LazyFrame:
    """Return `CleanedObjects` from `HarvestedObjects`."""
    is_undated = (pl.col("DateBegin") == 0) & (pl.col("DateEnd") == 0)
    written = pl.when(is_undated).then(tidy("Dated", missing=NO_DATE))
    return objects.select(
        object_id="ObjectID",
        object_number=tidy("ObjectNumber"),
        classification=tidy("Classification"),
        medium=tidy("Medium"),
        dated=tidy("Dated", missing=NO_DATE),
        earliest_year=pl.coalesce(known_year("DateBegin"), earliest_year(written)),
        latest_year=pl.coalesce(known_year("DateEnd"), latest_year(written)),
        dimensions=tidy("Dimensions"),
        credit_line=tidy("CreditLine"),
    ).sort("object_id")


def by_decade(objects: pl.LazyFrame) -> "alt.Chart":
    """Draw how many of `CleanedObjects` were made in each decade, by their earliest year."""
    import altair as alt  # Half a second, which loading the project should not cost.

    decade = pl.col("earliest_year") // 10 * 10
    counts = objects.drop_nulls("earliest_year").group_by(decade=decade).agg(objects=pl.len())
    table = counts.sort("decade").collect()
    return alt.Chart(table, mark="bar").encode(x="decade:O", y="objects:Q")
