"""Nested documents by Polars."""

import polars as pl


def reshape(
    objects: pl.LazyFrame,
    constituents: pl.LazyFrame,
    links: pl.LazyFrame,
    media: pl.LazyFrame,
    terms: pl.LazyFrame,
) -> pl.LazyFrame:
    """Return one document an object, ordered by id."""
    empty = [pl.col(name).fill_null([]) for name in ("people", "media", "terms")]
    return (
        objects.sort("object_id")
        .join(people(links, constituents), on="object_id", how="left", maintain_order="left")
        .join(images(media), on="object_id", how="left", maintain_order="left")
        .join(distinct(terms), on="object_id", how="left", maintain_order="left")
        .with_columns(empty)
    )


def people(links: pl.LazyFrame, constituents: pl.LazyFrame) -> pl.LazyFrame:
    """Return each object's people in display order."""
    person = pl.struct("constituent_id", "name", "role", "life_dates", "gender")
    return (
        links.sort("object_id", "display_order", "link_id")
        .join(constituents, on="constituent_id", how="left", validate="m:1", maintain_order="left")
        .select("object_id", people=person)
        .group_by("object_id", maintain_order=True)
        .agg("people")
    )


def images(media: pl.LazyFrame) -> pl.LazyFrame:
    """Return each object's images by rank."""
    return (
        media.select("object_id", "rank", "media_id", media=pl.struct("media_id", "url", "rights"))
        .sort("object_id", "rank", "media_id")
        .group_by("object_id", maintain_order=True)
        .agg("media")
    )


def distinct(terms: pl.LazyFrame) -> pl.LazyFrame:
    """Return each object's terms, each once, in the order of their letters."""
    return (
        terms.select("object_id", terms="term")
        .unique()
        .sort("object_id", "terms")
        .group_by("object_id", maintain_order=True)
        .agg("terms")
    )
