"""The sample as a source that needs no one to prepare it."""

from pathlib import Path

import polars as pl
from pydantic import Field

from collectionflow.contract import Contract
from collectionflow.harvest import FolderSource, TableSource
from collectionflow.notes import Notes
from portrait_gallery.sample.files import write_sample


class SampleSource(TableSource):
    """A made-up export, written on the first harvest into a folder named after its contents."""

    directory: str = Field(description="The folder in which the sample's folder is written.")
    object_count: int = Field(default=500, description="How many objects the sample has.")
    seed: int = Field(default=1, description="Another seed gives another gallery.")

    def scan(self, table: str, contract: Contract, notes: Notes) -> pl.LazyFrame:
        """Return one table of the sample as a lazy frame of text."""
        folder = Path(self.directory, f"{self.object_count}-objects-seed-{self.seed}")
        write_sample(folder, self.object_count, self.seed)
        return FolderSource(directory=str(folder)).scan(table, contract, notes)
