"""The website that the documents are for."""

import dagster as dg
import polars as pl
from pydantic import Field


class Website(dg.ConfigurableResource[None]):
    """Where the website has its pages: one address in production, another in staging."""

    object_pages: str = Field(description="What the address of each object's page begins with.")

    def object_page(self, number: pl.Expr) -> pl.Expr:
        """Return the address of an object's page, which has '_' where the number has '/'."""
        return pl.lit(self.object_pages) + number.str.replace_all("/", "_", literal=True)
