"""Objects as nested documents."""

import dagster as dg
import polars as pl
from collectionflow import Frame

from portrait_gallery.contracts import PERSON, EnrichedObjects, LinkedPeople, ObjectDocuments

NON_PORTRAIT = "(Non-Portrait)"
LISTS = {"sitters": "sitter", "artists": "artist", "related": "related"}


@dg.asset(code_version="1")
def object_documents(
    enriched_objects: Frame[EnrichedObjects], linked_people: Frame[LinkedPeople]
) -> Frame[ObjectDocuments]:
    """One document an object, ordered by id, with its people as lists in display order."""
    return reshape(enriched_objects, linked_people)


def reshape(objects: pl.LazyFrame, people: pl.LazyFrame) -> pl.LazyFrame:
    """Return `ObjectDocuments` from `EnrichedObjects` and `LinkedPeople`, both in object order.

    A join would hold every object's lists in memory. Both tables are in the order of the objects,
    so they are merged like two drawers of cards, and the cards of one object become its document.
    """
    objects, people = object_cards(objects), person_cards(people)
    return (
        objects.with_columns(is_non_portrait=False, **dict.fromkeys(LISTS, pl.lit(None, PERSON)))
        .merge_sorted(
            people.with_columns(object=pl.lit(None, objects.collect_schema()["object"])).select(
                "object_id", "object", "is_non_portrait", *LISTS
            ),
            key="object_id",
        )
        .set_sorted("object_id")
        .group_by("object_id", maintain_order=True)
        .agg(
            pl.col("object").drop_nulls().first(),
            pl.col("is_non_portrait").any(),
            *(pl.col(name).drop_nulls() for name in LISTS),
        )
        .select(
            id="object_id",
            number=pl.col("object").struct.field("number"),
            title=pl.col("object").struct.field("title"),
            other_titles=pl.col("object").struct.field("other_titles"),
            classification=pl.col("object").struct.field("classification"),
            medium=pl.col("object").struct.field("medium"),
            dimensions=pl.col("object").struct.field("dimensions"),
            credit_line=pl.col("object").struct.field("credit_line"),
            date=pl.col("object").struct.field("date"),
            is_portrait=~pl.col("is_non_portrait"),
            sitters="sitters",
            artists="artists",
            related="related",
            image=pl.col("object").struct.field("image"),
        )
    )


def object_cards(objects: pl.LazyFrame) -> pl.LazyFrame:
    """Return one card an object, with all of its document but the people."""
    image = pl.struct(
        url="image_url",
        is_thumbnail="image_is_thumbnail",
        credit="image_credit",
        rights="image_rights",
    )
    return objects.select(
        "object_id",
        object=pl.struct(
            number="object_number",
            title="title",
            other_titles="other_titles",
            classification="classification",
            medium="medium",
            dimensions="dimensions",
            credit_line="credit_line",
            date=pl.struct(text="dated", earliest_year="earliest_year", latest_year="latest_year"),
            image=pl.when(pl.col("image_url").is_not_null()).then(image),
        ),
    )


def person_cards(people: pl.LazyFrame) -> pl.LazyFrame:
    """Return one card a link, with the person below the role; a placeholder is no person."""
    person = pl.struct(
        id="constituent_id",
        name="name",
        credit="credit",
        suffix="suffix",
        gender="gender",
        fields="fields",
        life=pl.struct(text="life_dates", begin_year="begin_year", end_year="end_year"),
    )
    return people.select(
        "object_id",
        is_non_portrait=pl.col("name") == NON_PORTRAIT,
        **{
            name: pl.when(pl.col("role") == role, ~pl.col("is_placeholder")).then(person)
            for name, role in LISTS.items()
        },
    )
