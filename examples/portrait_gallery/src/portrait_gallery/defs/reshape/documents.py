"""Objects as nested documents."""

import dagster as dg
import polars as pl
from collectionflow import Frame

from portrait_gallery.contracts import PERSON, EnrichedObjects, LinkedPeople, ObjectDocuments

NON_PORTRAIT = "(Non-Portrait)"


@dg.asset(code_version="1")
def object_documents(
    enriched_objects: Frame[EnrichedObjects], linked_people: Frame[LinkedPeople]
) -> Frame[ObjectDocuments]:
    """One document an object, ordered by id, with its people as lists in display order."""
    return reshape(enriched_objects, linked_people)


def reshape(objects: pl.LazyFrame, people: pl.LazyFrame) -> pl.LazyFrame:
    """Return `ObjectDocuments` from `EnrichedObjects` and `LinkedPeople`, both in object order.

    A join would hold the lists of all objects in memory. As both tables are in the order of the
    objects, they are merged like two drawers of cards, and one object's cards become its document.
    """
    cards = object_cards(objects)
    others = person_cards(people, object_type=cards.collect_schema()["object"])
    object_, role, person = pl.col("object"), pl.col("role"), pl.col("person")
    return (
        cards.merge_sorted(others, key="object_id")
        .set_sorted("object_id")
        .group_by("object_id", maintain_order=True)
        .agg(
            object_.drop_nulls().first(),
            is_non_portrait=(person.struct.field("name") == NON_PORTRAIT).any(),
            sitters=person.filter(role == "sitter"),
            artists=person.filter(role == "artist"),
            related=person.filter(role == "related"),
        )
        .select(
            id="object_id",
            number=object_.struct.field("number"),
            title=object_.struct.field("title"),
            other_titles=object_.struct.field("other_titles"),
            classification=object_.struct.field("classification"),
            medium=object_.struct.field("medium"),
            dimensions=object_.struct.field("dimensions"),
            credit_line=object_.struct.field("credit_line"),
            date=object_.struct.field("date"),
            is_portrait=~pl.col("is_non_portrait"),
            sitters="sitters",
            artists="artists",
            related="related",
            image=object_.struct.field("image"),
        )
    )


def object_cards(objects: pl.LazyFrame) -> pl.LazyFrame:
    """Return one card an object: all of its document but the people."""
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
            date=_date(),
            image=pl.when(pl.col("image_url").is_not_null()).then(_image()),
        ),
        role=pl.lit(None, pl.String),
        person=pl.lit(None, PERSON),
    )


def person_cards(people: pl.LazyFrame, object_type: pl.DataType) -> pl.LazyFrame:
    """Return one card a link: the person, and the role unless a placeholder stands in for one."""
    return people.select(
        "object_id",
        object=pl.lit(None, object_type),
        role=pl.when(~pl.col("is_placeholder")).then("role"),
        person=_person(),
    )


def _person() -> pl.Expr:
    return pl.struct(
        id="constituent_id",
        name="name",
        credit="credit",
        suffix="suffix",
        gender="gender",
        fields="fields",
        life=pl.struct(text="life_dates", begin_year="begin_year", end_year="end_year"),
    )


def _date() -> pl.Expr:
    return pl.struct(text="dated", earliest_year="earliest_year", latest_year="latest_year")


def _image() -> pl.Expr:
    return pl.struct(
        url="image_url",
        is_thumbnail="image_is_thumbnail",
        credit="image_credit",
        rights="image_rights",
    )
