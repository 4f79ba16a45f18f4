"""Numbers that look random and are not: a seed, a purpose and a row always give the same one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import polars as pl

# SplitMix64's constants. Polars' own `hash` may change from one version to the next.
_GOLDEN = 0x9E3779B97F4A7C15
_MIX = 0xBF58476D1CE4E5B9
_PARTS = 1_000_000


@dataclass(frozen=True)
class Dice:
    """Throws that depend on the seed, on what they are for and on the number of a row."""

    seed: int

    def roll(self, purpose: str, sides: int, row: pl.Expr) -> pl.Expr:
        """Return a whole number from 0 to `sides - 1`."""
        salt = int.from_bytes(sha256(f"{self.seed} {purpose}".encode()).digest()[:8])
        mixed = row.cast(pl.UInt64) * _word(_GOLDEN) + _word(salt)
        mixed = (mixed ^ (mixed // _word(1 << 32))) * _word(_MIX)
        return (mixed // _word(1 << 29) % sides).cast(pl.Int64)

    def hits(self, purpose: str, share: float, row: pl.Expr) -> pl.Expr:
        """Return true in about this share of the rows, 0 to 1."""
        return self.roll(purpose, _PARTS, row) < round(share * _PARTS)

    def pick(
        self, purpose: str, values: Sequence[str] | Mapping[str, int], row: pl.Expr
    ) -> pl.Expr:
        """Return one of `values`; of a mapping each as often as its weight says."""
        weighted = values if isinstance(values, Mapping) else dict.fromkeys(values, 1)
        slots = [value for value, weight in weighted.items() for _ in range(weight)]
        return entry(self.roll(purpose, len(slots), row), slots)

    def count(self, purpose: str, weights: Mapping[int, int], row: pl.Expr) -> pl.Expr:
        """Return one of the numbers in `weights`, each as often as its weight says."""
        texts = {str(number): weight for number, weight in weights.items()}
        return self.pick(purpose, texts, row).cast(pl.Int64)


def entry(number: pl.Expr, entries: Sequence[str]) -> pl.Expr:
    """Return the entry of this number, counted from 0; null where there is none."""
    return number.replace_strict(range(len(entries)), entries, default=None, return_dtype=pl.String)


def _word(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)
