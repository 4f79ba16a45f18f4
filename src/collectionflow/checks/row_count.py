"""How many rows a table has."""

from typing import Unpack

from collectionflow.checks._check import AssetName, Check, Finding, Options, make_check
from collectionflow.checks._look import Look


def row_count(
    asset: AssetName,
    *,
    at_least: int = 0,
    at_most: int | None = None,
    **options: Unpack[Options],
) -> Check:
    """Check that a table has neither fewer nor more rows.

    Examples:
        >>> from collectionflow.checks import row_count
        >>> row_count("harvested_objects", at_least=1_000).description
        'The table has at least 1,000 rows.'
    """
    bounds = [f"at least {at_least:,}"] if at_least else []
    bounds += [f"at most {at_most:,}"] if at_most is not None else []
    expected = f"{' and '.join(bounds) or 'any number of'} rows"

    def judge(look: Look) -> Finding:
        is_within = at_least <= look.rows and (at_most is None or look.rows <= at_most)
        return Finding(
            passed=is_within,
            sentence=f"The table has {look.rows:,} rows, expected {expected}.",
            counts={"rows": look.rows},
        )

    return make_check(
        asset, judge, options, name="row_count", description=f"The table has {expected}."
    )
