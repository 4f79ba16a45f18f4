"""What every check of a boundary is: a question about a published table, and its answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import dagster as dg
import polars as pl

from collectionflow.checks._look import Look
from collectionflow.contract import Rule, identifier_of
from collectionflow.markdown import markdown_table

AssetName = str | dg.AssetKey | dg.AssetsDefinition


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The answer of a check: a sentence, counts, and tables of the first rows that are to blame."""

    passed: bool
    sentence: str
    counts: dict[str, int | float] = field(default_factory=dict)
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """Return the counts and the tables as Dagster shows them."""
        shown = {
            title: dg.MetadataValue.md(markdown_table(rows))
            for title, rows in self.tables.items()
            if not rows.is_empty()
        }
        return self.counts | shown


class Options(TypedDict, total=False):
    """What can be said of every check.

    `blocking` stops the run before anything is built on the table. A check that blocks is an
    error, another one a warning, unless `severity` says otherwise.
    """

    name: str
    description: str
    blocking: bool
    severity: dg.AssetCheckSeverity


@dataclass(frozen=True, kw_only=True)
class Check:
    """One named question about the table of an asset.

    `judge` answers it from a `Look` at the published tables. The `rules` that it asks for are
    counted together with those of all other checks of the table; `reads` are the other assets
    that it looks at.
    """

    asset: dg.AssetKey
    name: str
    description: str
    judge: Callable[[Look], Finding]
    rules: tuple[Rule, ...] = ()
    reads: tuple[dg.AssetKey, ...] = ()
    blocking: bool = False
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN

    def spec(self) -> dg.AssetCheckSpec:
        """Return the check as Dagster lists it."""
        return dg.AssetCheckSpec(
            self.name,
            asset=self.asset,
            description=self.description,
            additional_deps=self.reads or None,
            blocking=self.blocking,
        )


def make_check(
    asset: AssetName,
    judge: Callable[[Look], Finding],
    options: Options,
    *,
    name: str,
    description: str,
    rules: Sequence[Rule] = (),
    reads: Sequence[AssetName] = (),
) -> Check:
    """Return a check with the options that the project gives, and these names where it gives none.

    Raises:
        ValueError: where a check that blocks is only to warn: it would stop nothing.
    """
    blocking = options.get("blocking", False)
    default = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
    severity = options.get("severity", default)
    if blocking and severity is dg.AssetCheckSeverity.WARN:
        message = f"Check '{name}' blocks, but only warns, which stops nothing. Leave one of both."
        raise ValueError(message)
    return Check(
        asset=key_of(asset),
        name=identifier_of(options.get("name", name)),
        description=options.get("description", description),
        judge=judge,
        rules=tuple(rules),
        reads=tuple(key_of(each) for each in reads),
        blocking=blocking,
        severity=severity,
    )


def key_of(asset: AssetName) -> dg.AssetKey:
    """Return the key of an asset, from its name with slashes, its key or itself.

    Examples:
        >>> from collectionflow.checks._check import key_of
        >>> key_of("museum/objects").path
        ['museum', 'objects']
    """
    if isinstance(asset, str):
        return dg.AssetKey.from_user_string(asset)
    return asset if isinstance(asset, dg.AssetKey) else asset.key


def allowed(
    failing: int, rows: int, allow: float, sentence: str, examples: pl.DataFrame | None
) -> Finding:
    """Return the finding that passes where at most the share `allow` of the rows fails."""
    share = failing / rows if rows else float(failing > 0)
    # 29 of 100 rows are not more than 0.29, whatever floats make of it.
    passes = round(share - allow, 9) <= 0
    of = f"{sentence}: {failing:,} of {rows:,} rows ({share:.2%})"
    most = f", at most {100 * allow:.4g}% may" if 0 < allow < 1 else ""
    return Finding(
        passed=passes,
        sentence=f"{of}{most}." if failing else f"All {rows:,} rows are in order.",
        counts={"rows": rows, "failing": failing, "share": round(share, 6)},
        tables={} if examples is None else {"failing rows": examples},
    )
