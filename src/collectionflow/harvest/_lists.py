"""Items of lists that were worked on all at once, as lists again."""

from collections.abc import Sequence
from itertools import chain, count, repeat

import polars as pl


def regrouped(items: pl.Series, lengths: Sequence[int | None]) -> pl.Series:
    """Return items as lists of so many each, and null where there is no number.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.harvest._lists import regrouped
        >>> regrouped(pl.Series(["a", "b", "c"]), [2, None, 0, 1]).to_list()
        [['a', 'b'], None, [], ['c']]
    """
    rows = chain.from_iterable(map(repeat, range(len(lengths)), (each or 0 for each in lengths)))
    flat = pl.DataFrame([pl.Series("row", rows, dtype=pl.UInt32), items.alias("items")])
    filled = flat.group_by("row", maintain_order=True).agg("items")["items"]
    if len(filled) == len(lengths):
        return filled
    places = count()
    found = filled.gather([next(places) if each else None for each in lengths])
    is_settled = pl.Series([each != 0 for each in lengths], dtype=pl.Boolean)
    return found.zip_with(is_settled, pl.Series([[]], dtype=found.dtype))
