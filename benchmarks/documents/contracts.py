"""What the tables hold."""

from typing import Annotated

import pandera.polars as pa
import polars as pl

PERSON = pl.Struct(
    {
        "constituent_id": pl.Int64,
        "name": pl.String,
        "role": pl.String,
        "life_dates": pl.String,
        "gender": pl.String,
    }
)
IMAGE = pl.Struct({"media_id": pl.Int64, "url": pl.String, "rights": pl.String})


class Documents(pa.DataFrameModel):
    """One document an object."""

    object_id: int = pa.Field(unique=True)
    object_number: str = pa.Field(unique=True)
    title: str
    classification: str
    medium: str = pa.Field(nullable=True)
    earliest_year: int
    latest_year: int
    people: Annotated[pl.List, PERSON]
    media: Annotated[pl.List, IMAGE]
    terms: list[str]
