"""What a check may look at: the published table, what was counted of it, and other tables."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import dagster as dg
import polars as pl

from collectionflow.contract import Contract, Rule
from collectionflow.storage.gate import Breach, Measurement, breach, measure
from collectionflow.storage.measured import Measured
from collectionflow.storage.published import PublishedTable

AnyTable = PublishedTable | pl.LazyFrame | pl.DataFrame


class Look:
    """One look at the table of an asset, shared by all its checks.

    What the gate counted when the table was published is not counted again. What else the checks
    want to know of single rows is counted in one pass, when the first of them asks.
    """

    def __init__(
        self,
        key: dg.AssetKey,
        contract: Contract | None,
        rules: Sequence[Rule],
        tables: Mapping[dg.AssetKey, AnyTable],
    ) -> None:
        self.name = key.to_user_string()
        self.contract = contract
        self._rules = rules
        self._table = tables[key]
        self._tables = tables

    @cached_property
    def frame(self) -> pl.LazyFrame:
        """The table as a lazy frame."""
        return _frame(self._table)

    def other(self, key: dg.AssetKey) -> pl.LazyFrame:
        """Return the table of another asset that the check reads."""
        return _frame(self._tables[key])

    @property
    def ledger(self) -> pl.DataFrame | None:
        """The harvests of the table, None where another IO manager keeps it."""
        return self._table.ledger if isinstance(self._table, PublishedTable) else None

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns that the source had, empty where that is not known."""
        return self._measured.source_columns if self._measured else ()

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return self._measured.rows if self._measured else self._measurement.rows

    def filled(self, column: str) -> int:
        """Return in how many rows a column has a value."""
        return (self._measured or self._measurement).filled[column]

    def breach(self, rule: Rule) -> Breach | None:
        """Return how the table breaks one of the rules that the checks ask for, or None."""
        if self._measured and self._measured.knows(rule):
            return self._measured.breach(rule)
        measurement = self._measurement
        if not any(each is rule for each in measurement.judged):
            measurement = measure(self.frame, [rule])
        broken = [each for each in measurement.broken if each.rule is rule]
        return breach(self.frame, broken[0], measurement.rows, self.contract) if broken else None

    @cached_property
    def _measured(self) -> Measured | None:
        return self._table.measured if isinstance(self._table, PublishedTable) else None

    @cached_property
    def _measurement(self) -> Measurement:
        """The one pass, over the rules that nobody has counted yet."""
        kept = self._measured
        rules = [rule for rule in self._rules if not (kept and kept.knows(rule))]
        try:
            return measure(self.frame, rules)
        except Exception:  # noqa: BLE001 (whatever a project's own check raises)
            # One rule spoiled the pass of all: each that is asked for is then judged alone.
            return measure(self.frame)


def _frame(table: AnyTable) -> pl.LazyFrame:
    return table.frame if isinstance(table, PublishedTable) else table.lazy()
