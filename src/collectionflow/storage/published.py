"""A published table as a check reads it: with what was counted of it, and lazily."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import polars as pl

from collectionflow.errors import StopRun
from collectionflow.frame import Table
from collectionflow.storage import _files
from collectionflow.storage.ledger import read_ledger
from collectionflow.storage.measured import Measured, measured
from collectionflow.storage.versions import StoredTable


@dataclass(frozen=True)
class PublishedTable:
    """The table of an asset, or all partitions of it that are published."""

    tables: Sequence[StoredTable]

    @cached_property
    def frame(self) -> pl.LazyFrame:
        """The table as a lazy frame, all partitions one after the other.

        Raises:
            StopRun: where nothing is published.
        """
        paths = [table.path for table in self.tables if table.path.exists()]
        if not paths:
            names = ", ".join(f"'{table.name}'" for table in self.tables) or "the asset"
            message = f"Nothing is published of {names}. Materialize it first."
            raise StopRun(message)
        return pl.concat([_files.scan(path) for path in paths], how="diagonal")

    @cached_property
    def measured(self) -> Measured | None:
        """What was counted when the table was published, None for several partitions."""
        return measured(self.tables[0]) if len(self.tables) == 1 else None

    @cached_property
    def ledger(self) -> pl.DataFrame:
        """The harvests of the table, of all partitions together."""
        return pl.concat([read_ledger(table) for table in self.tables])


class Published(Table):
    """The annotation of a check's input that is a `PublishedTable`.

    What another IO manager reads stays the frame that it is.
    """

    values: ClassVar[tuple[type, ...]] = (PublishedTable, pl.LazyFrame, pl.DataFrame)
