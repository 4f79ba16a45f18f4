"""The contract of every source that offers tables by name."""

from abc import ABC, abstractmethod
from typing import Any

import dagster as dg
import polars as pl


class TableSource(dg.ConfigurableResource, ABC):
    """Offers tables by name: a folder of files or a database, whichever the configuration says.

    An asset that takes a `TableSource` runs unchanged on each of them.
    """

    @abstractmethod
    def harvest(self, table: str, schema: Any) -> pl.LazyFrame:
        """Return one table as a lazy frame with exactly the columns of a Pandera schema.

        Nothing is read until storage writes the frame. Columns that the schema does not name are
        left behind, with a warning on the asset's page.

        Raises:
            SourceError: where the table or one of the columns is missing; the message names what
                is there.
        """
