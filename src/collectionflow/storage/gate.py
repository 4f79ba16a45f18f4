"""The gate: measures a written table against its contract in one pass, and says what is wrong."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from collectionflow.contract import Contract, Rule

EXAMPLES = 5
# The name of a passing column; no table of a collection has such a one.
FAILS = "collectionflow: fails"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one pass over a table counts: its rows, filled values by column, broken rules."""

    rows: int
    filled: Mapping[str, int]
    broken: tuple[tuple[Rule, int], ...] = ()

    def filled_share(self, column: str) -> float:
        """Return the share of rows in which `column` has a value, 0 to 1; 0 without rows."""
        return self.filled[column] / self.rows if self.rows else 0.0


@dataclass(frozen=True, kw_only=True)
class Breach:
    """One broken rule: how many rows break it, and the first of them."""

    rule: str
    count: int
    rows: int
    examples: pl.DataFrame = field(repr=False)

    def __str__(self) -> str:
        """Return the breach as a sentence with its count."""
        return f"{self.rule}: {self.count:,} of {self.rows:,} rows break this."


def measure(table: pl.LazyFrame, rules: Iterable[Rule] = ()) -> Measurement:
    """Count rows, filled values and broken rules of a table in one pass.

    A value is filled unless it is null, an empty text, an empty list or not a number. A rule about
    a column that the table does not have, since it is optional, is left out.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.storage.gate import measure
        >>> measure(pl.LazyFrame({"title": ["Portrait", "", None]})).filled
        {'title': 1}
    """
    schema = table.collect_schema()
    rules = tuple(rule for rule in rules if schema.keys() >= set(rule.columns))
    counts = table.select(
        pl.len().alias("rows"),
        *(_filled(name, dtype).alias(f"filled {name}") for name, dtype in schema.items()),
        *(rule.count.alias(f"rule {number}") for number, rule in enumerate(rules)),
    ).collect()
    row = counts.row(0, named=True)
    return Measurement(
        rows=row["rows"],
        filled={name: row[f"filled {name}"] for name in schema},
        broken=tuple(
            (rule, row[f"rule {number}"])
            for number, rule in enumerate(rules)
            if row[f"rule {number}"]
        ),
    )


def breaches(
    table: pl.LazyFrame, measurement: Measurement, contract: Contract
) -> tuple[list[Breach], list[Breach]]:
    """Return the breaches that stop a table and those that only warn, with their first rows."""
    stopping, warning = [], []
    for rule, count in measurement.broken:
        breach = Breach(
            rule=rule.name,
            count=count,
            rows=measurement.rows,
            examples=_examples(table, rule, contract),
        )
        (warning if rule.is_warning else stopping).append(breach)
    return stopping, warning


def _examples(table: pl.LazyFrame, rule: Rule, contract: Contract) -> pl.DataFrame:
    present = table.collect_schema()
    shown = dict.fromkeys((*contract.key, *(rule.columns or contract.dtypes)))
    number = "row" if "row" not in present else "row number"
    return (
        table.with_columns(rule.fails.alias(FAILS))
        .with_row_index(number, offset=1)
        .filter(FAILS)
        .select(number, *(name for name in shown if name in present))
        .head(EXAMPLES)
        .collect()
    )


def _filled(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.String:
        return (column != "").sum()
    if isinstance(dtype, pl.List):
        return (column.list.len() > 0).sum()
    if dtype.is_float():
        return column.is_not_nan().sum()
    return column.count()
