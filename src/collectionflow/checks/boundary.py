"""`boundary_checks`: all asset checks of a boundary, declared in one place."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import dagster as dg

from collectionflow.checks._check import Check
from collectionflow.checks._step import checks_step, contracts_of
from collectionflow.checks.contract import contract_checks
from collectionflow.contract import Contract


def boundary_checks(
    assets: Sequence[dg.AssetsDefinition], *checks: Check
) -> list[dg.AssetChecksDefinition]:
    """Return the asset checks of a boundary: after harvest, after transform, before output.

    Each asset's contract gives checks of its own: its columns, unexpected columns, and each rule.
    What stops a publication blocks. `checks` are those that only the project can know, such as
    `reference`, `complete`, `row_count`, `fresh` and `rule`.

    The checks of a table share one pass over it, and read what was counted when it was published.
    An exception in a check is a failed check.

    Raises:
        ValueError: where a check belongs to an asset that is not among `assets`.

    Examples:
        >>> import dagster as dg
        >>> import pandera.polars as pa
        >>> import polars as pl
        >>> from collectionflow import Frame
        >>> from collectionflow.checks import boundary_checks, complete, row_count
        >>> class Objects(pa.DataFrameModel):
        ...     object_id: int = pa.Field(unique=True)
        ...     title: str = pa.Field(nullable=True)
        >>> @dg.asset
        ... def objects() -> Frame[Objects]:
        ...     return pl.LazyFrame({"object_id": [1], "title": ["Portrait"]})
        >>> (found,) = boundary_checks(
        ...     [objects],
        ...     complete(objects, "title", at_least=0.95),
        ...     row_count(objects, at_least=1),
        ... )
        >>> sorted(spec.name for spec in found.check_specs)[:3]
        ['columns', 'filled', 'object_id_must_be_unique']
    """
    contracts = dict(pair for asset in assets for pair in contracts_of(asset))
    for check in checks:
        if check.asset not in contracts:
            names = ", ".join(f"'{key.to_user_string()}'" for key in contracts)
            message = (
                f"Check '{check.name}' is about '{check.asset.to_user_string()}', which is not "
                f"among the assets of this boundary: {names}."
            )
            raise ValueError(message)
    return [
        checks_step(name, key, contract, found)
        for key, contract in contracts.items()
        for name, found in _grouped(key, _all_checks(key, contract, checks)).items()
    ]


def _all_checks(
    key: dg.AssetKey, contract: Contract | None, declared: Iterable[Check]
) -> list[Check]:
    """Return an asset's checks under names that differ."""
    own = list(contract_checks(key, contract)) if contract else []
    found: dict[str, Check] = {}
    for check in (*own, *(each for each in declared if each.asset == key)):
        name, number = check.name, 2
        while name in found:
            name, number = f"{check.name}_{number}", number + 1
        found[name] = replace(check, name=name)
    return list(found.values())


def _grouped(key: dg.AssetKey, checks: Iterable[Check]) -> dict[str, list[Check]]:
    """Return checks by the step that makes them.

    What looks at one table alone shares a step. Who reads a table waits for the checks that block
    it: were all checks of a table one step, two tables that are held against each other would wait
    for each other.
    """
    name = f"checks_of_{key.to_python_identifier()}"
    found: dict[str, list[Check]] = {}
    for check in checks:
        aside = "_and_others" if check.blocking else "_aside"
        found.setdefault(name + (aside if check.reads else ""), []).append(check)
    return found
