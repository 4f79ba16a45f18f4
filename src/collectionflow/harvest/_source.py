"""The contract of every source that offers tables by name."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import dagster as dg
import polars as pl

from collectionflow.contract import Contract, contract_of
from collectionflow.errors import CollectionflowError, SourceError
from collectionflow.ledger import Harvest
from collectionflow.markdown import quoted
from collectionflow.notes import Notes, current_notes
from collectionflow.storage.current import current_table
from collectionflow.storage.ledger import record


class TableSource(dg.ConfigurableResource[None], ABC):
    """Offers tables by name: files, a database, an API, whichever the configuration says.

    An asset that takes a `TableSource` runs unchanged on each of them. A source of one's own is a
    subclass with one method, `scan`.
    """

    def harvest(self, table: str, schema: Any) -> pl.LazyFrame:
        """Return one table as a lazy frame with exactly the columns of a Pandera schema.

        Nothing is read until storage writes the frame. A column comes in its contract's type where
        the source itself has that type, otherwise as the text that it was; a schema with
        `coerce = True` has storage cast text strictly. Columns that the schema does not name are
        left behind, with a warning on the asset's page.

        Raises:
            SourceError: where the table or one of the columns is missing, with what is there, or
                what comes cannot be read safely.
            SourceUnavailable: where the source does not answer. A retry of the run may help.
        """
        notes = current_notes()
        try:
            return self.scan(table, contract_of(schema), notes)
        except CollectionflowError as error:
            self._record(table, notes, error)
            raise

    @abstractmethod
    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return the columns of `contract` as a lazy frame that has not read anything yet.

        `notes.begin(table, source)` gives the count of received records that the ledger shows.
        """

    def _record(self, table: str, notes: Notes, error: CollectionflowError) -> None:
        """Write a harvest that failed before storage heard of it to the ledger."""
        stored = current_table()
        if stored is not None:
            harvests = notes.harvests or [Harvest(table=table, source=type(self).__name__)]
            record(stored, harvests, "failed", str(error).split("\n", 1)[0])


def choose_columns(
    table: str, contract: Contract, present: Sequence[str], where: str, notes: Notes
) -> list[str]:
    """Return the contract's columns that a source has, and warn of those it has besides.

    Raises:
        SourceError: where a required column is missing, or a column that is wanted is there twice.
    """
    repeated = [name for name in contract.dtypes if list(present).count(name) > 1]
    if repeated:
        message = (
            f"{where} has more than one column '{repeated[0]}', so it is not known which to take. "
            "Ask the source to name its columns apart."
        )
        raise SourceError(message)
    missing = contract.missing(dict.fromkeys(present))
    if missing:
        raise SourceError(_missing(table, contract, missing, present, where))
    notes.source_columns += present
    if unexpected := contract.unexpected(dict.fromkeys(present)):
        names = quoted(unexpected)
        notes.warn(f"{where} has columns that {contract.name} does not name: {names}.")
    return [name for name in contract.dtypes if name in present]


def tallied(frame: pl.LazyFrame, harvest: Harvest) -> pl.LazyFrame:
    """Return a frame that Polars itself reads, so that its rows are counted as they stream."""

    def count(batch: pl.DataFrame) -> pl.DataFrame:
        harvest.count(received=batch.height)
        return batch

    return frame.map_batches(count, streamable=True)


def missing_table(table: str, present: Sequence[str], where: str) -> SourceError:
    """Return the error for a table that a source does not have."""
    there = quoted(sorted(present)) or "nothing"
    return SourceError(f"{where} has no table '{table}'. There is: {there}.{_hint(table, present)}")


def _missing(
    table: str, contract: Contract, missing: Sequence[str], present: Sequence[str], where: str
) -> str:
    noun = "Column" if len(missing) == 1 else "Columns"
    verb = "is" if len(missing) == 1 else "are"
    hints = "".join(_hint(name, present) for name in missing)
    return (
        f"{noun} {quoted(missing)} {verb} missing from '{table}'. {where} has: "
        f"{quoted(present)}.{hints} Rename it in {contract.name} if the source renamed it, or ask "
        "for the column."
    )


def _hint(name: str, present: Sequence[str]) -> str:
    by_folded = {each.casefold(): each for each in present}
    close = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.7)
    return f" Is '{name}' now '{by_folded[close[0]]}'?" if close else ""
