"""Makes the tables of a large museum: in the order of their own ids, as a database sends them."""

import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl

# Rows for a scale of 1.
ROWS = {
    "objects": 2_000_000,
    "constituents": 200_000,
    "links": 2_500_000,
    "media": 1_500_000,
    "terms": 5_000_000,
}
WORDS = ["portrait", "of", "a", "woman", "with", "hat", "and", "dog", "in", "blue", "study", "for"]


def write(folder: Path, scale: float) -> None:
    """Write all tables into a folder."""
    rows = {name: int(count * scale) for name, count in ROWS.items()}
    for name, frame in tables(rows).items():
        frame.sink_parquet(folder / f"{name}.parquet", mkdir=True, compression_level=2)


def tables(rows: Mapping[str, int]) -> dict[str, pl.LazyFrame]:
    """Return the tables; the same numbers give the same tables."""
    return {
        "objects": _objects(rows["objects"]),
        "constituents": _constituents(rows["constituents"]),
        "links": _links(rows),
        "media": _media(rows),
        "terms": _terms(rows),
    }


def _number(rows: int) -> pl.LazyFrame:
    return pl.LazyFrame().select(number=pl.int_range(1, rows + 1))


def _dice(seed: int, sides: int) -> pl.Expr:
    """Return a number from 0 to `sides` - 1 that looks random."""
    return (pl.col("number").hash(seed) % sides).cast(pl.Int64)


def _pick(seed: int, words: list[str]) -> pl.Expr:
    series = pl.Series(words)
    return pl.lit(series).gather(_dice(seed, len(words)))


def _text(seed: int, words: int) -> pl.Expr:
    return pl.concat_str([_pick(seed + each, WORDS) for each in range(words)], separator=" ")


def _objects(rows: int) -> pl.LazyFrame:
    year = 1500 + _dice(3, 500)
    return _number(rows).select(
        object_id="number",
        object_number=pl.format("NPG.{}.{}", _dice(1, 120) + 1900, "number"),
        title=_text(10, 5),
        classification=_pick(2, ["Painting", "Print", "Drawing", "Sculpture", "Photograph"]),
        medium=pl.when(_dice(4, 10) > 0).then(_text(20, 3)),
        earliest_year=year,
        latest_year=year + _dice(5, 10),
    )


def _constituents(rows: int) -> pl.LazyFrame:
    return _number(rows).select(
        constituent_id="number",
        name=pl.format("{} {}", _text(30, 2), "number"),
        life_dates=pl.format("{}-{}", 1450 + _dice(6, 400), 1900 + _dice(7, 100)),
        gender=pl.when(_dice(8, 4) > 0).then(_pick(9, ["Female", "Male"])),
    )


def _links(rows: Mapping[str, int]) -> pl.LazyFrame:
    return _number(rows["links"]).select(
        link_id="number",
        object_id=1 + _dice(40, rows["objects"]),
        constituent_id=1 + _dice(41, rows["constituents"]),
        role=_pick(42, ["Sitter", "Artist", "Publisher"]),
        display_order=_dice(43, 20),
    )


def _media(rows: Mapping[str, int]) -> pl.LazyFrame:
    return _number(rows["media"]).select(
        media_id="number",
        object_id=1 + _dice(50, rows["objects"]),
        url=pl.format("https://images.example.org/iiif/{}/full/max/0/default.jpg", "number"),
        rights=_pick(51, ["CC0", "In copyright", "Unknown"]),
        rank=_dice(52, 5),
    )


def _terms(rows: Mapping[str, int]) -> pl.LazyFrame:
    return _number(rows["terms"]).select(
        term_id="number",
        object_id=1 + _dice(60, rows["objects"]),
        term=pl.format("{} {}", _text(61, 2), _dice(63, 500)),
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]), float(sys.argv[2]))
