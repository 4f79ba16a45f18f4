"""Objects as nested documents."""

import dagster as dg
import polars as pl
from collectionflow import Frame

from portrait_gallery.contracts import EnrichedObjects, LinkedPeople, ObjectDocuments

NON_PORTRAIT = "(Non-Portrait)"


@dg.asset(code_version="1")
def object_documents(
    enriched_objects: Frame[EnrichedObjects], linked_people: Frame[LinkedPeople]
) -> Frame[ObjectDocuments]:
    """One document an object, ordered by id, with its people as lists in display order."""
    return reshape(enriched_objects, linked_people)


def reshape(objects: pl.LazyFrame, people: pl.LazyFrame) -> pl.LazyFrame:
    """Return `ObjectDocuments` from enriched objects and linked people."""
    documents = objects
    for role in ("sitter", "artist", "related"):
        documents = documents.join(
            people_by_object(people, role),
            on="object_id",
            how="left",
            maintain_order="left",
        )
    date = pl.struct(text="dated", earliest_year="earliest_year", latest_year="latest_year")
    image = pl.struct(
        url="image_url",
        is_thumbnail="image_is_thumbnail",
        credit="image_credit",
        rights="image_rights",
    )
    return documents.join(
        non_portraits(people), on="object_id", how="left", maintain_order="left"
    ).select(
        id="object_id",
        number="object_number",
        title="title",
        other_titles="other_titles",
        classification="classification",
        medium="medium",
        dimensions="dimensions",
        credit_line="credit_line",
        date=date,
        is_portrait=pl.col("is_portrait").fill_null(value=True),
        sitters=pl.col("sitter").fill_null([]),
        artists=pl.col("artist").fill_null([]),
        related=pl.col("related").fill_null([]),
        image=pl.when(pl.col("image_url").is_not_null()).then(image),
    )


def people_by_object(people: pl.LazyFrame, role: str) -> pl.LazyFrame:
    """Return each object's people of one role as a list in display order, placeholders aside."""
    person = pl.struct(
        id="constituent_id",
        name="name",
        credit="credit",
        suffix="suffix",
        gender="gender",
        fields="fields",
        life=pl.struct(text="life_dates", begin_year="begin_year", end_year="end_year"),
    )
    return (
        people.filter(pl.col("role") == role, ~pl.col("is_placeholder"))
        .select("object_id", "display_order", "link_id", person.alias(role))
        .sort("object_id", "display_order", "link_id")
        .group_by("object_id", maintain_order=True)
        .agg(role)
    )


def non_portraits(people: pl.LazyFrame) -> pl.LazyFrame:
    """Return the objects that the museum marks as no portrait, with `is_portrait` false."""
    return (
        people.filter(pl.col("name") == NON_PORTRAIT)
        .select("object_id", is_portrait=False)
        .unique("object_id", keep="any")
    )
