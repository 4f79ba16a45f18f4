"""What a step has to say besides its table: warnings, metadata and charts.

A source or an asset says it while the step runs; storage adds it to the materialization.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import dagster as dg
import polars as pl

from collectionflow.ledger import Harvest

if TYPE_CHECKING:
    import altair as alt

    from collectionflow.storage.merge import Merge

_log = logging.getLogger("collectionflow")


@dataclass
class Notes:
    """The warnings, metadata, charts and explanations of one step.

    An explanation looks again at a source that could not be read, and returns an error that a
    registrar understands, or None where it finds nothing. `state` is kept with the table, for the
    next harvest; `merge` says that the frame holds only what changed. `source_columns` are all
    that the source has, those besides the contract's among them.
    """

    warnings: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    charts: "dict[str, Callable[[pl.LazyFrame], alt.TopLevelMixin]]" = field(default_factory=dict)
    explanations: list[Callable[[], Exception | None]] = field(default_factory=list)
    harvests: list[Harvest] = field(default_factory=list)
    state: dict[str, str] = field(default_factory=dict)
    merge: "Merge | None" = None
    source_columns: list[str] = field(default_factory=list)
    log: Any = _log

    def warn(self, message: str) -> None:
        """Keep a warning for the materialization and log it now."""
        self.warnings.append(message)
        self.log.warning(message)

    def begin(self, table: str, source: str) -> Harvest:
        """Return the count of a new harvest, which the ledger and the asset's page will show."""
        harvest = Harvest(table=table, source=source)
        self.harvests.append(harvest)
        return harvest

    def explain(self) -> Exception | None:
        """Return a better error for one that Polars raised while it read the step's sources."""
        found = (explanation() for explanation in self.explanations)
        return next((each for each in found if each is not None), None)


# Weak keys: the notes live as long as the step.
_notes: "WeakKeyDictionary[object, Notes]" = WeakKeyDictionary()


def notes_of(step: Any) -> Notes:
    """Return the notes of a Dagster step, from its step context."""
    return _notes.setdefault(step, Notes(log=step.log))


def current_notes() -> Notes:
    """Return the notes of the step that is running; outside a run, notes that only log.

    Take them while the asset's function runs: a lazy frame that runs later is on other threads.
    """
    try:
        context = dg.AssetExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return Notes()
    return notes_of(context.get_step_execution_context())


def warn(message: str) -> None:
    """Show a warning in the log and on the page of the asset that is being materialized.

    Examples:
        >>> from collectionflow import warn
        >>> warn("12 images have no rights statement.")
    """
    current_notes().warn(message)


def add_chart(title: str, draw: "Callable[[pl.LazyFrame], alt.TopLevelMixin]") -> None:
    """Show a chart of the stored table on the asset's page.

    `draw` receives the table as storage wrote it, so the chart costs no second computation.

    Examples:
        >>> import altair as alt
        >>> import polars as pl
        >>> from collectionflow import add_chart
        >>> def by_year(objects: pl.LazyFrame) -> alt.Chart:
        ...     counts = objects.group_by("year").len().collect()
        ...     return alt.Chart(counts).mark_bar().encode(x="year:O", y="len:Q")
        >>> add_chart("Objects by year", by_year)
    """
    current_notes().charts[title] = draw
