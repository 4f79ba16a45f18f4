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
    """One document an object, ordered by id, with its people as lists in display order.

    An object is a portrait unless the museum links it to "(Non-Portrait)".
    """
    return reshape(enriched_objects, linked_people)


def reshape(objects: pl.LazyFrame, people: pl.LazyFrame) -> pl.LazyFrame:
    """Return `ObjectDocuments` from `EnrichedObjects` and `LinkedPeople`, both in object order.

    A join would hold the people of all objects in memory. As both tables are in the order of the
    objects, they are merged like two drawers of cards, and an object's two cards make a document.
    """
    description, group = pl.col("description").struct, pl.col("people").struct
    return (
        merged(description_cards(objects), people_cards(people))
        .group_by("object_id", maintain_order=True)
        .agg(pl.col("description", "people").drop_nulls().first())
        .select(
            id="object_id",
            number=description.field("number"),
            title=description.field("title"),
            other_titles=description.field("other_titles"),
            classification=description.field("classification"),
            medium=description.field("medium"),
            dimensions=description.field("dimensions"),
            credit_line=description.field("credit_line"),
            date=description.field("date"),
            is_portrait=group.field("is_portrait").fill_null(value=True),
            sitters=group.field("sitters").fill_null([]),
            artists=group.field("artists").fill_null([]),
            related=group.field("related").fill_null([]),
            image=description.field("image"),
        )
    )


def description_cards(objects: pl.LazyFrame) -> pl.LazyFrame:
    """Return one card an object: all of its document but the people."""
    date = pl.struct(text="dated", earliest_year="earliest_year", latest_year="latest_year")
    image = pl.struct(
        url="image_url",
        is_thumbnail="image_is_thumbnail",
        credit="image_credit",
        rights="image_rights",
    )
    return objects.select(
        "object_id",
        description=pl.struct(
            number="object_number",
            title="title",
            other_titles="other_titles",
            classification="classification",
            medium="medium",
            dimensions="dimensions",
            credit_line="credit_line",
            date=date,
            image=pl.when(pl.col("image_url").is_not_null()).then(image),
        ),
    )


def people_cards(people: pl.LazyFrame) -> pl.LazyFrame:
    """Return one card an object that has people: a list for each role, placeholders left out."""
    person = pl.struct(
        id="constituent_id",
        name="name",
        credit="credit",
        suffix="suffix",
        gender="gender",
        fields="fields",
        life=pl.struct(text="life_dates", begin_year="begin_year", end_year="end_year"),
    )
    is_listed = ~pl.col("is_placeholder")
    return (
        people.set_sorted("object_id")
        .group_by("object_id", maintain_order=True)
        .agg(
            is_portrait=(pl.col("name") != NON_PORTRAIT).all(),
            sitters=person.filter(is_listed, pl.col("role") == "sitter"),
            artists=person.filter(is_listed, pl.col("role") == "artist"),
            related=person.filter(is_listed, pl.col("role") == "related"),
        )
        .select("object_id", people=pl.struct("is_portrait", "sitters", "artists", "related"))
    )


def merged(descriptions: pl.LazyFrame, people: pl.LazyFrame) -> pl.LazyFrame:
    """Return the cards of both drawers in one, in object order; each has one of the two texts."""
    no_description = pl.lit(None, descriptions.collect_schema()["description"])
    no_people = pl.lit(None, people.collect_schema()["people"])
    return (
        descriptions.select("object_id", "description", people=no_people)
        .merge_sorted(
            people.select("object_id", no_description.alias("description"), "people"),
            key="object_id",
        )
        .set_sorted("object_id")
    )
