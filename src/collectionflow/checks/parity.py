"""Whether two assets hold the same: the one in use, and the one that is to take its place."""

from collections.abc import Sequence
from functools import partial
from typing import Unpack

import dagster as dg

from collectionflow.checks._check import AssetName, Finding, Options, key_of, make_check
from collectionflow.checks._look import Look
from collectionflow.checks._step import checks_step, contracts_of
from collectionflow.storage.diff import Difference, diff


def parity_check(
    asset: AssetName,
    candidate: AssetName,
    *,
    key: str | Sequence[str] | None = None,
    tolerance: float = 0.0,
    **options: Unpack[Options],
) -> dg.AssetChecksDefinition:
    """Return a check of `candidate`: it has the columns and the records of `asset`, in any order.

    Records are matched by `key`, or by that of the contract in the signature of one of the assets.
    Floats may differ by `tolerance` times the greatest of 1 and the two; null is null, and NaN is
    NaN. The check counts the rows that only one table has, and the cells that differ by column.

    Raises:
        ValueError: where no key is given, and no contract has one.

    Examples:
        >>> from collectionflow.checks import parity_check
        >>> check = parity_check("object_documents", "object_documents_in_sql", key="id")
        >>> [spec.name for spec in check.check_specs]
        ['same_as_object_documents']
    """
    own, other = key_of(candidate), key_of(asset)
    contracts = {
        each: contract
        for definition in (candidate, asset)
        if isinstance(definition, dg.AssetsDefinition)
        for each, contract in contracts_of(definition)
    }
    columns = [key] if isinstance(key, str) else list(key or ())
    columns = columns or next((list(each.key) for each in contracts.values() if each), [])
    if not columns:
        message = (
            f"Records of '{own.to_user_string()}' are matched by a key, and no contract names one. "
            "Give one: key=..."
        )
        raise ValueError(message)
    name = f"same_as_{other.to_python_identifier()}"
    check = make_check(
        own,
        partial(_judge, other=other, key=columns, tolerance=tolerance),
        options,
        name=name,
        description=f"The table has the columns and the records of '{other.to_user_string()}'.",
        reads=[other],
    )
    step = f"{own.to_python_identifier()}_{name}"
    return checks_step(step, own, contracts.get(own), [check])


def _judge(look: Look, other: dg.AssetKey, key: Sequence[str], tolerance: float) -> Finding:
    found = diff(look.other(other), look.frame, key, tolerance=tolerance)
    one, two = other.to_user_string(), look.name
    return Finding(
        passed=found.is_none,
        sentence=in_words(found, f"'{one}'", f"'{two}'"),
        counts={
            "rows": found.rows_after,
            f"rows only in {one}": found.removed,
            f"rows only in {two}": found.added,
            "rows that differ": found.changed,
        },
        tables={
            "cells that differ": found.changed_examples.rename(
                {"before": f"in {one}", "after": f"in {two}"}
            ),
            f"only in {one}": found.removed_examples,
            f"only in {two}": found.added_examples,
        },
    )


def in_words(found: Difference, one: str, two: str) -> str:
    """Return how two tables differ, as a sentence."""
    if found.is_none:
        return f"{one} and {two} are the same: {found.rows_after:,} rows."
    counted = [
        (found.removed, f"{found.removed:,} rows only in {one}"),
        (found.added, f"{found.added:,} rows only in {two}"),
        (found.changed, f"{found.changed:,} rows differ ({_cells(found)})"),
        (found.columns_removed, f"columns only in {one}: {', '.join(found.columns_removed)}"),
        (found.columns_added, f"columns only in {two}: {', '.join(found.columns_added)}"),
    ]
    types = [
        f"column '{name}' is {before} in {one} and {after} in {two}"
        for name, (before, after) in found.columns_retyped.items()
    ]
    return "; ".join([*(words for count, words in counted if count), *types]) + "."


def _cells(found: Difference) -> str:
    counts = sorted(found.changed_by_column.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} in {count:,}" for name, count in counts)
