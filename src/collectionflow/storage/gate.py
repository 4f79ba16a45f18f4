"""The gate: measures a written table against its contract in one pass, and says what is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from collectionflow.contract import Contract, Rule
from collectionflow.storage._elements import elements_to_blame

EXAMPLES = 5
# The name of a passing column; no table of a collection has such a one.
FAILS = "collectionflow: fails"
_MARK = f"{FAILS} "
_FILLED = "filled "


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A rule that rows break: how many, and the first of them with all their columns.

    Whether a row is one of several may need the whole column in memory: such a rule has no rows
    here, and `breaches` looks for them.
    """

    rule: Rule
    count: int
    rows: pl.DataFrame | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one pass over a table counts: its rows, filled values by column, broken rules.

    `judged` are the rules that were asked, those that no row breaks among them.
    """

    rows: int
    filled: Mapping[str, int]
    broken: tuple[Broken, ...] = ()
    judged: tuple[Rule, ...] = ()

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


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One pass over a table that is still to be made: what to compute, and what that means then.

    `table` are the same rows, which someone else may use in the same pass, such as a sink.
    """

    table: pl.LazyFrame
    queries: Sequence[pl.LazyFrame]
    rules: tuple[Rule, ...]

    def measurement(self, found: Sequence[pl.DataFrame], table: pl.LazyFrame) -> Measurement:
        """Return what the results of the queries say; `table` is where values must be unique."""
        counts, *examples = found
        row = counts.row(0, named=True) | _repeated(table, self.rules)
        rows = iter(examples)
        asked = [
            Broken(
                rule=each, count=row[f"rule {number}"], rows=next(rows) if each.is_by_row else None
            )
            for number, each in enumerate(self.rules)
        ]
        return Measurement(
            rows=row.pop("rows"),
            filled={
                name.removeprefix(_FILLED): row[name] for name in row if name.startswith(_FILLED)
            },
            broken=tuple(each for each in asked if each.count),
            judged=self.rules,
        )


def measure(table: pl.LazyFrame, rules: Iterable[Rule] = ()) -> Measurement:
    """Count rows, filled values and broken rules of a table in one pass, and keep broken rows.

    A value is filled unless it is null, an empty text, an empty list or not a number. A rule about
    a column that the table does not have, since it is optional, is left out. What must be unique
    is counted by itself, from its own columns.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.storage.gate import measure
        >>> measure(pl.LazyFrame({"title": ["Portrait", "", None]})).filled
        {'title': 1}
    """
    one = one_pass(table, rules)
    return one.measurement(pl.collect_all(one.queries), table)


def one_pass(table: pl.LazyFrame, rules: Iterable[Rule] = ()) -> Pass:
    """Return the pass that `measure` makes, for who has another use of the rows on the way."""
    schema = table.collect_schema()
    rules = tuple(rule for rule in rules if schema.keys() >= set(rule.columns))
    marks = {
        f"{_MARK}rule {number}": rule.fails for number, rule in enumerate(rules) if rule.is_by_row
    }
    if marks:
        table = table.with_row_index(_row_number(schema), offset=1).with_columns(**marks)
    # The cache is what makes it one pass: Polars may not see that two plans begin alike.
    table = table.cache()
    counts = table.select(
        pl.len().alias("rows"),
        *(_filled(name, dtype).alias(f"{_FILLED}{name}") for name, dtype in schema.items()),
        *(pl.col(mark).sum().alias(mark.removeprefix(_MARK)) for mark in marks),
    )
    examples = [table.filter(mark).drop(*marks).head(EXAMPLES) for mark in marks]
    return Pass(table=table.select(*schema), queries=[counts, *examples], rules=rules)


def _repeated(table: pl.LazyFrame, rules: tuple[Rule, ...]) -> dict[str, int]:
    """Return how many rows break each rule about unique values.

    In one select with the others, Polars would keep the table until all values have been seen.
    """
    return {
        f"rule {number}": _count_repeated(table, rule)
        for number, rule in enumerate(rules)
        if not rule.is_by_row
    }


def _count_repeated(table: pl.LazyFrame, rule: Rule) -> int:
    # Distinct hashes cost a fraction of distinct values. If all differ, so do the values.
    value = pl.col(rule.columns[0]) if len(rule.columns) == 1 else pl.struct(rule.columns)
    hashes = table.select(value.hash()).collect().to_series()
    if hashes.n_unique() == hashes.len():
        return 0
    return table.select(rule.count).collect().item()


def breaches(
    table: pl.LazyFrame, measurement: Measurement, contract: Contract
) -> tuple[list[Breach], list[Breach]]:
    """Return the breaches that stop a table and those that only warn, with their first rows."""
    stopping, warning = [], []
    for each in measurement.broken:
        found = breach(table, each, measurement.rows, contract)
        (warning if each.rule.is_warning else stopping).append(found)
    return stopping, warning


def breach(
    table: pl.LazyFrame, broken: Broken, rows: int, contract: Contract | None = None
) -> Breach:
    """Return a broken rule with the first rows that break it; a contract tells their key."""
    return Breach(
        rule=broken.rule.name,
        count=broken.count,
        rows=rows,
        examples=_shown(_rows(table, broken), broken.rule, contract),
    )


def _rows(table: pl.LazyFrame, broken: Broken) -> pl.DataFrame:
    if broken.rows is not None:
        return broken.rows
    return (
        table.with_columns(broken.rule.fails.alias(FAILS))
        .with_row_index(_row_number(table.collect_schema()), offset=1)
        .filter(FAILS)
        .drop(FAILS)
        .head(EXAMPLES)
        .collect()
    )


def _shown(rows: pl.DataFrame, rule: Rule, contract: Contract | None) -> pl.DataFrame:
    """Return the row numbers, the key and the columns that the rule is about, or its elements."""
    number, *present = rows.columns
    columns = rule.columns or rule.fails.meta.root_names() or present
    key = [name for name in contract.key if name in present] if contract else []
    if (elements := elements_to_blame(rows, rule)) is not None:
        numbered = rows.select(number, *key).with_columns(pl.int_range(pl.len()).alias(FAILS))
        return numbered.join(elements, left_on=FAILS, right_on="index").drop(FAILS)
    others = [name for name in columns if name in present and name not in key]
    return rows.select(number, *key, *others)


def _row_number(schema: Mapping[str, pl.DataType]) -> str:
    return "row" if "row" not in schema else "row number"


def _filled(name: str, dtype: pl.DataType) -> pl.Expr:
    return is_filled(name, dtype).sum()


def is_filled(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return whether a column has a value, false or null where it has none."""
    column = pl.col(name)
    if dtype == pl.String:
        return column != ""
    if isinstance(dtype, pl.List):
        return column.list.len() > 0
    if dtype.is_float():
        return column.is_not_nan()
    return column.is_not_null()
