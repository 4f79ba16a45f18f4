"""The drop guard: a table that lost much since its last version is not published unseen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from collectionflow.storage.gate import Measurement

METADATA_KEY = "collectionflow/drop_guard"
ALLOW_TAG = "collectionflow/allow_drop"


@dataclass(frozen=True, kw_only=True)
class DropGuard:
    """From which loss on the guard warns and stops, as shares from 0 to 1."""

    warn: float = 0.15
    stop: float = 0.30
    allow_empty: bool = False

    def __post_init__(self) -> None:
        """Refuse thresholds that could never act."""
        if not 0 < self.warn <= self.stop <= 1:
            message = (
                f"Drop guard thresholds are shares from 0 to 1, warn at most stop. "
                f"Found warn={self.warn}, stop={self.stop}."
            )
            raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class Drop:
    """Something that became less: the rows, or the filled share of one column."""

    text: str
    share: float


def drop_guard(
    *, warn: float = 0.15, stop: float = 0.30, allow_empty: bool = False
) -> dict[str, Any]:
    """Return asset metadata that sets the drop guard of one asset.

    `warn` and `stop` are the shares of rows, or of a column's filled values, that may be lost.
    A table with a contract must have a row unless `allow_empty`.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow import drop_guard
        >>> @dg.asset(metadata=drop_guard(warn=0.01, stop=0.05))
        ... def loans() -> pl.LazyFrame:
        ...     return pl.LazyFrame({"loan": [1]})
    """
    return {METADATA_KEY: asdict(DropGuard(warn=warn, stop=stop, allow_empty=allow_empty))}


def guard_of(metadata: Mapping[str, Any]) -> DropGuard:
    """Return the drop guard that an asset's metadata sets, or the default one."""
    return DropGuard(**metadata.get(METADATA_KEY, {}))


def is_allowed(tags: Mapping[str, str], asset: str) -> bool:
    """Tell whether a run's tags let `asset` lose rows or values this once.

    Examples:
        >>> from collectionflow.storage.drop_guard import is_allowed
        >>> is_allowed({"collectionflow/allow_drop": "objects, titles"}, "titles")
        True
    """
    names = [name.strip() for name in tags.get(ALLOW_TAG, "").split(",")]
    return asset in names or "*" in names


def drops(before: Measurement, now: Measurement) -> list[Drop]:
    """Return what became less between two versions, the greatest loss first."""
    found = [_rows_drop(before, now)]
    found += [_filled_drop(name, before, now) for name in before.filled if name in now.filled]
    return sorted((drop for drop in found if drop.share > 0), key=lambda drop: -drop.share)


def _rows_drop(before: Measurement, now: Measurement) -> Drop:
    share = _lost(before.rows, now.rows)
    return Drop(text=f"Rows fell from {before.rows:,} to {now.rows:,} (-{share:.0%}).", share=share)


def _filled_drop(name: str, before: Measurement, now: Measurement) -> Drop:
    was, is_now = before.filled_share(name), now.filled_share(name)
    text = f"Column '{name}' was filled in {was:.1%} of the rows, now in {is_now:.1%}."
    # Without rows there are no values either; the rows' own drop says it once.
    return Drop(text=text, share=_lost(was, is_now) if now.rows else 0.0)


def _lost(before: float, now: float) -> float:
    return (before - now) / before if before else 0.0
