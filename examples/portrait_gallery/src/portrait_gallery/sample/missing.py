"""What is missing in a file is an empty cell or the word NULL; elsewhere it is a null."""

import polars as pl


def blank_as_null(table: pl.LazyFrame) -> pl.LazyFrame:
    """Return a table in which nothing stands where a file has an empty cell or "NULL"."""
    text = pl.col(pl.String)
    return table.with_columns(pl.when(~text.is_in(["", "NULL"])).then(text))
