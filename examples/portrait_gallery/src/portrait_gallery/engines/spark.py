"""The enrich and reshape stages on Spark. Needs the extra `collectionflow[spark]`.

What makes the rows the same as those of Polars is said where it is done: what counts as a space,
what a group's order is, and that an empty list is a list.
"""

import dagster as dg
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from collectionflow.checks import parity_check
from collectionflow.storage.engines.spark import SparkCluster, SparkFrame
from portrait_gallery.contracts import (
    CleanedConstituents,
    CleanedObjects,
    EnrichedObjects,
    HarvestedConstituentTerms,
    HarvestedImages,
    HarvestedLinks,
    HarvestedTitles,
    LinkedPeople,
    ObjectDocuments,
)

KINDS = {"spark", "parquet"}
OWNERS = ["team:collections"]


@dg.asset(code_version="1", group_name="enrich", owners=OWNERS, kinds=KINDS)
def enriched_objects_on_spark(
    cleaned_objects: SparkFrame[CleanedObjects],
    harvested_titles: SparkFrame[HarvestedTitles],
    harvested_images: SparkFrame[HarvestedImages],
) -> SparkFrame[EnrichedObjects]:
    """The same objects as `enriched_objects`, by Spark."""
    return enrich(cleaned_objects, harvested_titles, harvested_images)


@dg.asset(code_version="1", group_name="enrich", owners=OWNERS, kinds=KINDS)
def linked_people_on_spark(
    harvested_links: SparkFrame[HarvestedLinks],
    cleaned_constituents: SparkFrame[CleanedConstituents],
    harvested_constituent_terms: SparkFrame[HarvestedConstituentTerms],
) -> SparkFrame[LinkedPeople]:
    """The same links as `linked_people`, by Spark."""
    return link(harvested_links, cleaned_constituents, harvested_constituent_terms)


@dg.asset(code_version="1", group_name="reshape", owners=OWNERS, kinds=KINDS)
def object_documents_on_spark(
    enriched_objects: SparkFrame[EnrichedObjects], linked_people: SparkFrame[LinkedPeople]
) -> SparkFrame[ObjectDocuments]:
    """The same documents as `object_documents`, by Spark."""
    return reshape(enriched_objects, linked_people)


def enrich(objects: DataFrame, titles: DataFrame, images: DataFrame) -> DataFrame:
    """Return `EnrichedObjects` from cleaned objects and harvested titles and images."""
    return (
        objects.join(titles_in_order(titles), "object_id", "left")
        .join(primary_images(images), "object_id", "left")
        .orderBy("object_id")
    )


def titles_in_order(titles: DataFrame) -> DataFrame:
    """Return each object's preferred title and its other titles; a repeated one counts once."""
    tidied = titles.select(
        f.col("ObjectID").alias("object_id"),
        f.struct(f.col("DisplayOrder").alias("order"), tidy("Title").alias("title")).alias("each"),
    ).where("each.title IS NOT NULL")
    # Spark collects in any order, so the list is sorted after it is there.
    ordered = f.array_distinct(f.sort_array(f.collect_list("each")).getField("title"))
    return (
        tidied.groupBy("object_id")
        .agg(ordered.alias("titles"))
        .select(
            "object_id",
            f.element_at("titles", 1).alias("title"),
            f.slice("titles", 2, f.size("titles")).alias("other_titles"),
        )
    )


def primary_images(images: DataFrame) -> DataFrame:
    """Return one image an object: of full size if there is one, then the first by file name."""
    is_thumbnail = tidy("Size Notes").eqNullSafe("Thumbnail only")
    image = f.struct(
        is_thumbnail.alias("image_is_thumbnail"),
        tidy("Main Image Filename").alias("file"),
        tidy("Web Image Address").alias("image_url"),
        tidy("Image Credit/Caption").alias("image_credit"),
        tidy("Image Rights Statement").alias("image_rights"),
    )
    fields = ("image_url", "image_is_thumbnail", "image_credit", "image_rights")
    return (
        images.groupBy(f.col("ObjectID").alias("object_id"))
        .agg(f.min(image).alias("image"))
        .select("object_id", *(f.col(f"image.{name}") for name in fields))
    )


def link(links: DataFrame, constituents: DataFrame, terms: DataFrame) -> DataFrame:
    """Return `LinkedPeople` from harvested links and terms and cleaned constituents."""
    shown = links.where("Displayed = 1").select(
        f.col("ConXrefID").alias("link_id"),
        f.col("ObjectID").alias("object_id"),
        f.col("DisplayOrder").alias("display_order"),
        f.when(f.col("RoleID") == 1, "artist")
        .when(f.col("RoleID") == 19, "sitter")  # noqa: PLR2004 (the source's number of the role)
        .otherwise("related")
        .alias("role"),
        tidied(f.regexp_replace("Prefix", r":\z", "")).alias("credit"),
        tidy("Suffix").alias("suffix"),
        f.col("ConstituentID").alias("constituent_id"),
    )
    return (
        shown.join(constituents, "constituent_id", "left")
        .join(genders(terms), "constituent_id", "left")
        .join(fields(terms), "constituent_id", "left")
        .withColumn("fields", f.coalesce("fields", f.array()))
        .orderBy("object_id", "display_order", "link_id")
        .select(list(LinkedPeople.to_schema().columns))
    )


def genders(terms: DataFrame) -> DataFrame:
    """Return the gender of each constituent that has exactly one."""
    return (
        terms.where("ThesXrefType = 'Gender'")
        .groupBy(f.col("ConstituentID").alias("constituent_id"))
        .agg(f.min("Term").alias("gender"), f.max("Term").alias("other"))
        .where("gender = other")
        .drop("other")
    )


def fields(terms: DataFrame) -> DataFrame:
    """Return the fields in which each constituent was distinguished, in alphabetical order."""
    field = f.nullif(f.regexp_extract("Path", r"\\Distinction\\([^\\]+)", 1), f.lit(""))
    return (
        terms.where("ThesXrefType = 'Distinction'")
        .groupBy(f.col("ConstituentID").alias("constituent_id"))
        .agg(f.sort_array(f.collect_set(field)).alias("fields"))
    )


def reshape(objects: DataFrame, people: DataFrame) -> DataFrame:
    """Return `ObjectDocuments` from `EnrichedObjects` and `LinkedPeople`."""
    date = f.struct(f.col("dated").alias("text"), "earliest_year", "latest_year")
    image = f.struct(
        f.col("image_url").alias("url"),
        f.col("image_is_thumbnail").alias("is_thumbnail"),
        f.col("image_credit").alias("credit"),
        f.col("image_rights").alias("rights"),
    )
    empty = f.array()
    return (
        objects.join(people_by_role(people), "object_id", "left")
        .select(
            f.col("object_id").alias("id"),
            f.col("object_number").alias("number"),
            *("title", "other_titles", "classification", "medium", "dimensions", "credit_line"),
            date.alias("date"),
            f.coalesce("is_portrait", f.lit(True)).alias("is_portrait"),  # noqa: FBT003
            *(f.coalesce(role, empty).alias(role) for role in ("sitters", "artists", "related")),
            f.when(f.col("image_url").isNotNull(), image).alias("image"),
        )
        .orderBy("id")
    )


def people_by_role(people: DataFrame) -> DataFrame:
    """Return a list for each role of an object, in display order, placeholders left out."""
    life = f.struct(f.col("life_dates").alias("text"), "begin_year", "end_year")
    person = f.struct(
        f.col("constituent_id").alias("id"),
        *("name", "credit", "suffix", "gender", "fields"),
        life.alias("life"),
    )
    ordered = f.struct("display_order", "link_id", person.alias("person"))

    def listed(role: str) -> Column:
        is_listed = ~f.col("is_placeholder") & (f.col("role") == role)
        return f.sort_array(f.collect_list(f.when(is_listed, ordered))).getField("person")

    return people.groupBy("object_id").agg(
        f.bool_and(f.col("name") != "(Non-Portrait)").alias("is_portrait"),
        listed("sitter").alias("sitters"),
        listed("artist").alias("artists"),
        listed("related").alias("related"),
    )


def tidy(column: str) -> Column:
    """Return a column as `collectionflow.clean.tidy` does."""
    return tidied(f.col(f"`{column}`"))


def tidied(text: Column) -> Column:
    """Return text with single spaces and none at its ends; blank and "NULL" are null."""
    # Spark's own \s and trim know a few spaces of English; (?U) makes them Unicode's.
    spaced = f.trim(f.regexp_replace(text, r"(?U)\s+", " "))
    return f.when(~spaced.isin("", "NULL"), spaced)


defs = dg.Definitions(
    assets=[enriched_objects_on_spark, linked_people_on_spark, object_documents_on_spark],
    asset_checks=[
        parity_check("enriched_objects", enriched_objects_on_spark),
        parity_check("linked_people", linked_people_on_spark),
        parity_check("object_documents", object_documents_on_spark),
    ],
    resources={"spark": SparkCluster(remote=dg.EnvVar("PORTRAIT_GALLERY_SPARK"))},
)
