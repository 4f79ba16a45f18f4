"""The `url` elements of a sitemap, as Polars expressions, and what is wrong with a page."""

from collections.abc import Iterator, Mapping
from typing import Final

import polars as pl

from collectionflow.errors import StopRun
from collectionflow.output._json_values import fields_of, inner_of
from collectionflow.output._web_address import as_url, is_on

COLUMNS: Final = ("loc", "lastmod", "images")
# https://developers.google.com/search/docs/crawling-indexing/sitemaps/image-sitemaps
MOST_IMAGES: Final = 1_000
# What both the W3C's note on dates and the schema of sitemaps allow.
_DATE: Final = (
    r"^\d{4}-\d\d-\d\d"
    r"(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d))?$"
)


def entries(frame: pl.LazyFrame, site: str, *, allows_other_hosts: bool = False) -> pl.LazyFrame:
    r"""Return the `loc` of each page, its `url` element, and its `problem`, null where it has none.

    Raises:
        StopRun: where a column is missing, or of a type that a sitemap cannot take.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._sitemap_entries import entries
        >>> pages = pl.LazyFrame({"loc": ["https://example.org/é?a&b"]})
        >>> entries(pages, "https://example.org").collect()["url"].item()
        '<url><loc>https://example.org/%C3%A9?a&amp;b</loc></url>\n'
    """
    given = frame.collect_schema()
    _refuse_types(given)
    derived = {"url": as_url(pl.col("loc"), site)}
    elements = [pl.lit("<url><loc>"), _escaped(pl.col("url")), pl.lit("</loc>")]
    if "lastmod" in given:
        derived["day"] = _day(given["lastmod"])
        elements.append(pl.format("<lastmod>{}</lastmod>", "day").fill_null(""))
    if "images" in given:
        derived["pictures"] = _image_locations(given["images"]).list.eval(as_url(pl.element()))
        image = pl.format("<image:image><image:loc>{}</image:loc></image:image>", pl.element())
        images = _escaped_list(pl.col("pictures")).list.eval(image).list.join("")
        elements.append(images.fill_null(""))
    problems = _problems(given, None if allows_other_hosts else site)
    return frame.with_columns(**derived).select(
        "loc",
        problem=pl.coalesce(pl.when(found).then(pl.lit(text)) for text, found in problems),
        url=pl.concat_str(*elements, pl.lit("</url>\n")),
    )


def _refuse_types(given: Mapping[str, pl.DataType]) -> None:
    if given.get("loc") != pl.String():
        there = ", ".join(f"'{name}' ({dtype})" for name, dtype in given.items())
        message = f"A sitemap takes addresses from a column 'loc' of text. There are: {there}."
        raise StopRun(message)
    if not isinstance(given.get("lastmod", pl.Date()), pl.Date | pl.Datetime | pl.String):
        message = (
            f"Column 'lastmod' is {given['lastmod']}. A sitemap takes dates, times or text from it."
        )
        raise StopRun(message)
    if "images" in given and not _is_list_of_images(given["images"]):
        message = (
            f"Column 'images' is {given['images']}. A sitemap takes a list of addresses from it, "
            "or a list of structs with an address 'loc'."
        )
        raise StopRun(message)


def _is_list_of_images(dtype: pl.DataType) -> bool:
    if not isinstance(dtype, pl.List):
        return False
    inner = inner_of(dtype)
    return isinstance(inner, pl.String) or dict(fields_of(inner)).get("loc") == pl.String()


def _problems(given: Mapping[str, pl.DataType], site: str | None) -> Iterator[tuple[str, pl.Expr]]:
    yield "no absolute address", pl.col("url").is_null()
    if site is not None:
        yield "an address of another host", ~is_on(pl.col("url"), site)
    if "lastmod" in given:
        is_bad = pl.col("lastmod").is_not_null() & pl.col("day").is_null()
        yield "a lastmod that is no date", is_bad
    if "images" in given:
        pictures = pl.col("pictures")
        yield (
            "an image without absolute address",
            pictures.list.eval(pl.element().is_null()).list.any(),
        )
        yield f"more than {MOST_IMAGES:,} images", pictures.list.len() > MOST_IMAGES


def _day(dtype: pl.DataType) -> pl.Expr:
    """Return a date or time as W3C's note has it, null where it is none.

    A time without a zone could be meant in any, so only its date is told.
    """
    lastmod = pl.col("lastmod")
    if isinstance(dtype, pl.String):
        is_date = lastmod.str.head(10).str.to_date("%Y-%m-%d", strict=False).is_not_null()
        return pl.when(lastmod.str.contains(_DATE) & is_date).then(lastmod)
    has_zone = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    text = lastmod.dt.to_string("%Y-%m-%dT%H:%M:%S%:z" if has_zone else "%Y-%m-%d")
    return pl.when(text.str.contains(_DATE)).then(text)


def _image_locations(dtype: pl.DataType) -> pl.Expr:
    images = pl.col("images").list.drop_nulls()
    if isinstance(dtype, pl.List) and isinstance(inner_of(dtype), pl.Struct):
        return images.list.eval(pl.element().struct.field("loc"))
    return images


def _escaped(text: pl.Expr) -> pl.Expr:
    # An address has neither `<` nor `>` nor `"`: they are percent-encoded.
    return text.str.replace_many({"&": "&amp;", "'": "&apos;"})


def _escaped_list(texts: pl.Expr) -> pl.Expr:
    return texts.list.eval(_escaped(pl.element()))
