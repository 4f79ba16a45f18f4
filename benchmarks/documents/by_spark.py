"""Nested documents by Spark."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f


def reshape(
    objects: DataFrame,
    constituents: DataFrame,
    links: DataFrame,
    media: DataFrame,
    terms: DataFrame,
) -> DataFrame:
    """Return one document an object, ordered by id."""
    person = f.struct("constituent_id", "name", "role", "life_dates", "gender")
    people = links.join(constituents, "constituent_id", "left")
    image = f.struct("media_id", "url", "rights")
    distinct = terms.groupBy("object_id").agg(f.sort_array(f.collect_set("term")).alias("terms"))
    return (
        objects.join(
            ordered(people, "people", person, "display_order", "link_id"), "object_id", "left"
        )
        .join(ordered(media, "media", image, "rank", "media_id"), "object_id", "left")
        .join(distinct, "object_id", "left")
        .select(
            *objects.columns,
            *(f.coalesce(name, f.array()).alias(name) for name in ("people", "media", "terms")),
        )
        .orderBy("object_id")
    )


def ordered(rows: DataFrame, name: str, value: Column, *order: str) -> DataFrame:
    """Return each object's values as a list, in this order: Spark collects them in any."""
    pairs = f.sort_array(f.collect_list(f.struct(*order, value.alias("value"))))
    return rows.groupBy("object_id").agg(pairs.getField("value").alias(name))
