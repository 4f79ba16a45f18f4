"""How complete a column is."""

from typing import Unpack

import polars as pl

from collectionflow.checks._check import AssetName, Check, Finding, Options, allowed, make_check
from collectionflow.checks._look import Look
from collectionflow.storage import gate


def complete(
    asset: AssetName, column: str, *, at_least: float, **options: Unpack[Options]
) -> Check:
    """Check that a column has a value in at least this share of the rows, from 0 to 1.

    An empty text, an empty list and NaN are no values.

    Examples:
        >>> from collectionflow.checks import complete
        >>> complete("harvested_objects", "Medium", at_least=0.8).description
        "'Medium' has a value in at least 80% of the rows."
    """

    def judge(look: Look) -> Finding:
        empty = look.rows - look.filled(column)
        # Which rows are empty was not counted when the table was published, and costs a look.
        examples = _empty(look, column) if empty > (1 - at_least) * look.rows else None
        return allowed(empty, look.rows, 1 - at_least, f"'{column}' has no value", examples)

    return make_check(
        asset,
        judge,
        options,
        name=f"{column} is complete",
        description=f"'{column}' has a value in at least {100 * at_least:.10g}% of the rows.",
    )


def _empty(look: Look, column: str) -> pl.DataFrame:
    """Return the first rows without a value, by their key."""
    dtype = look.frame.collect_schema()[column]
    key = look.contract.key if look.contract else ()
    empty = look.frame.filter(~gate.is_filled(column, dtype).fill_null(value=False))
    return empty.select(list(dict.fromkeys((*key, column)))).head(gate.EXAMPLES).collect()
