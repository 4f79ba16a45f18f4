"""The people behind the objects: links, constituents and what the thesaurus says of them."""

import dagster as dg
import polars as pl

from collectionflow import Frame
from collectionflow.clean import tidy
from portrait_gallery.contracts import (
    CleanedConstituents,
    HarvestedConstituentTerms,
    HarvestedLinks,
    LinkedPeople,
)

# The source's numbers of its roles. Whatever is neither artist nor sitter is related in some way
# that the credit says: a publisher, the author of a letter, whose work was copied.
ROLES = {1: "artist", 19: "sitter"}


@dg.asset(code_version="1")
def linked_people(
    harvested_links: Frame[HarvestedLinks],
    cleaned_constituents: Frame[CleanedConstituents],
    harvested_constituent_terms: Frame[HarvestedConstituentTerms],
) -> Frame[LinkedPeople]:
    """One row a link that may be shown, ordered by object: who has to do with it, in what role.

    Repeated links stay, since two unidentified men on one object are two. Links that the museum
    does not display are left out.
    """
    return link(harvested_links, cleaned_constituents, harvested_constituent_terms)


def link(links: pl.LazyFrame, constituents: pl.LazyFrame, terms: pl.LazyFrame) -> pl.LazyFrame:
    """Return `LinkedPeople` from harvested links and terms and cleaned constituents."""
    people = constituents.join(
        genders(terms), on="constituent_id", how="left", validate="1:1"
    ).join(fields(terms), on="constituent_id", how="left", validate="1:1")
    shown = (
        links.filter(pl.col("Displayed") == 1)
        .select(
            link_id="ConXrefID",
            object_id="ObjectID",
            constituent_id="ConstituentID",
            display_order="DisplayOrder",
            role=pl.col("RoleID").replace_strict(ROLES, default="related", return_dtype=pl.String),
            credit=tidy(pl.col("Prefix").str.strip_suffix(":")),
            suffix=tidy("Suffix"),
        )
        .sort("object_id", "display_order", "link_id")
    )
    return shown.join(
        people, on="constituent_id", how="left", validate="m:1", maintain_order="left"
    ).select(
        "link_id",
        "object_id",
        "display_order",
        "role",
        "credit",
        "suffix",
        "constituent_id",
        "name",
        "is_placeholder",
        "life_dates",
        "begin_year",
        "end_year",
        "gender",
        fields=pl.col("fields").fill_null([]),
    )


def genders(terms: pl.LazyFrame) -> pl.LazyFrame:
    """Return the gender of each constituent that has exactly one."""
    first, last = pl.col("Term").min(), pl.col("Term").max()
    return (
        terms.filter(pl.col("ThesXrefType") == "Gender")
        .group_by(constituent_id="ConstituentID")
        .agg(gender=first, other=last)
        .filter(pl.col("gender") == pl.col("other"))
        .select("constituent_id", "gender")
    )


def fields(terms: pl.LazyFrame) -> pl.LazyFrame:
    r"""Return the fields in which each constituent was distinguished, in alphabetical order.

    The field is the first step below "Distinction" in the path. The term alone would mislead:
    "New York" below "Politics and Government\US Senator" is no place.
    """
    return (
        terms.filter(pl.col("ThesXrefType") == "Distinction")
        .select(
            constituent_id="ConstituentID",
            fields=pl.col("Path").str.extract(r"\\Distinction\\([^\\]+)"),
        )
        .drop_nulls("fields")
        .unique()
        .sort("constituent_id", "fields")
        .group_by("constituent_id", maintain_order=True)
        .agg("fields")
    )
