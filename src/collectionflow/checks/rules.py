"""Rules of a project's own: functions that return the rows which are not as they should be."""

import inspect
from collections.abc import Callable
from typing import Unpack

import dagster as dg
import polars as pl

from collectionflow.checks._check import AssetName, Check, Finding, Options, key_of, make_check
from collectionflow.checks._look import Look
from collectionflow.checks._rows import finding_of


def rule(
    failing: Callable[..., pl.LazyFrame],
    *,
    asset: AssetName | None = None,
    allow: float = 0.0,
    **options: Unpack[Options],
) -> Check:
    """Check that a function of lazy frames returns no rows, or at most the share `allow`.

    As with assets, the function's parameters name the tables that it takes. The first is the one
    that the check belongs to, unless `asset` names it. The docstring describes the check. A check
    that is only to count allows all rows: `allow=1`.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.checks import rule
        >>> def linked_twice(harvested_links: pl.LazyFrame) -> pl.LazyFrame:
        ...     '''No constituent is linked twice to an object.'''
        ...     pair = ["ObjectID", "ConstituentID"]
        ...     return harvested_links.filter(pl.struct(pair).is_duplicated())
        >>> rule(linked_twice).description
        'No constituent is linked twice to an object.'
    """
    name = getattr(failing, "__name__", "rule")
    parameters = list(inspect.signature(failing).parameters)
    if not parameters:
        message = f"'{name}' takes no table. Name one in its parameters, as an asset would."
        raise ValueError(message)
    own = key_of(parameters[0] if asset is None else asset)
    others = [dg.AssetKey.from_user_string(each) for each in parameters[1:]]

    def judge(look: Look) -> Finding:
        rows = failing(look.frame, *map(look.other, others))
        return finding_of(look, rows.lazy(), allow, "Found")

    return make_check(
        own,
        judge,
        options,
        name=name,
        description=(inspect.getdoc(failing) or "").split("\n\n")[0].replace("\n", " "),
        reads=others,
    )
