"""The contract of every engine: read stored tables, describe them, write one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl
from upath import UPath

from collectionflow.contract import Contract
from collectionflow.storage.gate import Measurement

# Below 123k rows a group the footers grow, above it readers lose parallelism. Level 2 of zstd saves
# no space on tables of collections; beyond 3 the CPU time doubles for 4 to 9 % of size.
ROW_GROUP_ROWS: Final = 122_880
# A nested record holds what many flat ones do, and a reader holds several groups at once: the
# example's whole job on a million objects peaked at 1,570 MiB with groups of 123k, 1,400 with an
# eighth. Writing a quarter costs less than that.
NESTED_ROW_GROUP_ROWS: Final = 30_720
ZSTD_LEVEL: Final = 1


def row_group_rows(schema: pl.Schema) -> int:
    """Return how many rows of a table are stored together."""
    is_nested = any(dtype.is_nested() for dtype in schema.dtypes())
    return NESTED_ROW_GROUP_ROWS if is_nested else ROW_GROUP_ROWS


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What an engine should know of the table that it writes.

    `metadata` is the file's own; it is complete only when all rows have come.
    """

    table: str
    contract: Contract | None
    metadata: Callable[[], dict[str, str]]
    log: Callable[[str], None]

    def as_it_comes(self) -> "Writing":
        """Return the same writing without a contract, so that nothing is cast."""
        return replace(self, contract=None)


class UncastableError(Exception):
    """Ends a sink at the first value that a cast cannot hold; the gate then explains it."""


class Engine(ABC):
    """Reads stored tables as what its product calls a lazy table, and writes such a one.

    The rest is the same for all engines: storage casts, judges, publishes and describes what lies
    on the disk when the engine has written it.
    """

    @abstractmethod
    def scan(self, tables: Sequence[UPath], columns: Sequence[str] | None) -> Any:
        """Return stored tables as one, in their order; all columns where none are named.

        A table may lack a named column that another one has: its rows have no value there.
        """

    @abstractmethod
    def describe(self, table: Any) -> pl.Schema:
        """Return the columns of a table that is not computed yet, in the types they will have."""

    @abstractmethod
    def select(self, table: Any, columns: Sequence[str]) -> Any:
        """Return a table with these columns only."""

    @abstractmethod
    def sink(self, table: Any, path: Path, writing: Writing) -> Measurement | None:
        """Compute a table into the file `path`, or into several in `_files.parts_folder(path)`.

        Return what was counted on the way by the rules of the contract, None where that is still to
        be done.

        Raises:
            UncastableError: where the engine casts by the contract, and a value cannot be held.
        """
