"""Constituents with tidy names and known years."""

import dagster as dg
import polars as pl

from collectionflow import Frame
from collectionflow.clean import earliest_year, known_year, latest_year, tidy
from portrait_gallery.contracts import CleanedConstituents, HarvestedConstituents


@dg.asset(code_version="1")
def cleaned_constituents(
    harvested_constituents: Frame[HarvestedConstituents],
) -> Frame[CleanedConstituents]:
    """One row a constituent: tidy names, and life or active dates as years.

    A name in parentheses is no one's: "(Non-Portrait)" and "(Multiple Sitters)" stand where a
    sitter would. They are marked as placeholders, and no document lists them.
    """
    return clean(harvested_constituents)


def clean(constituents: pl.LazyFrame) -> pl.LazyFrame:
    """Return `CleanedConstituents` from `HarvestedConstituents`."""
    is_undated = (pl.col("BeginDate") == 0) & (pl.col("EndDate") == 0)
    written = pl.when(is_undated).then(tidy("DisplayDate"))
    name = tidy("DisplayName")
    return constituents.select(
        constituent_id="ConstituentID",
        name=name,
        sort_name=tidy("AlphaSort"),
        is_institution=pl.col("ConstituentType").eq_missing("Institution"),
        is_placeholder=name.str.contains(r"^\(.*\)$"),
        life_dates=tidy("DisplayDate"),
        begin_year=pl.coalesce(known_year("BeginDate"), earliest_year(written)),
        end_year=pl.coalesce(known_year("EndDate"), latest_year(written)),
    )
