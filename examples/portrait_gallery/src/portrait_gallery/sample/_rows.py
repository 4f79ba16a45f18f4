"""The rows that the tables are made of, and what their cells have in common."""

import polars as pl

from portrait_gallery.sample._dice import Dice

NULL = pl.lit("NULL")  # The source's mark for a missing text,
UNKNOWN_YEAR = 0  # and for a missing year.
ROW = pl.col("row")
POSITION = pl.col("position")


def rows(count: int) -> pl.LazyFrame:
    """Return a frame with the one column `row`, numbered from 0."""
    return pl.select(row=pl.int_range(count, dtype=pl.Int64)).lazy()


def repeated(frame: pl.LazyFrame, count: pl.Expr) -> pl.LazyFrame:
    """Return each row `count` times, with the `count` and a `position` from 0."""
    return (
        frame.with_columns(count=count)
        .with_columns(position=pl.int_ranges("count"))
        .explode("position", empty_as_null=False)
    )


def filled_if(is_filled: pl.Expr, value: pl.Expr) -> pl.Expr:
    """Return a value, or the source's mark for a missing one."""
    return pl.when(is_filled).then(value).otherwise(NULL)


def text_if(is_there: pl.Expr, text: pl.Expr) -> pl.Expr:
    """Return a text, or an empty one."""
    return pl.when(is_there).then(text).otherwise(pl.lit(""))


def stray_spaces(dice: Dice) -> pl.Expr:
    """Return the spaces that some texts end with."""
    return text_if(dice.hits("spaces", 0.013, ROW), pl.lit("  "))
