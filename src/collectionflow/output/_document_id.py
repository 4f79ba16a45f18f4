"""Which column has the ids of an asset's documents."""

from typing import Final

import polars as pl

from collectionflow.errors import StopRun
from collectionflow.output._target import Terms

_ID_KEY: Final = "collectionflow/document_id"
_ID_TYPES: Final = (pl.String, pl.Enum, pl.Categorical)


def document_id(column: str) -> dict[str, str]:
    """Return asset metadata that names the column whose values are the documents' ids.

    Without it, that is the contract's key.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow.output import document_id
        >>> @dg.asset(io_manager_key="search", metadata=document_id("number"))
        ... def objects() -> pl.LazyFrame:
        ...     return pl.LazyFrame({"number": ["NPG.65.2"], "title": ["Portrait"]})
    """
    return {_ID_KEY: column}


def id_column(name: str, frame: pl.LazyFrame, terms: Terms) -> str:
    """Return the column of the ids: the stated one, or the contract's key.

    Raises:
        StopRun: where neither says so, or its values cannot be ids.
    """
    key = terms.contract.key if terms.contract else ()
    column = terms.metadata.get(_ID_KEY) or (key[0] if len(key) == 1 else None)
    present = frame.collect_schema()
    there = ", ".join(f"'{each}'" for each in present)
    if column is None:
        message = (
            f"'{name}' does not say which column has the ids of its documents. Mark one unique in "
            f'its contract, or set metadata=document_id("..."). There are: {there}.'
        )
        raise StopRun(message)
    if column not in present:
        message = f"'{name}' has no column '{column}' for its documents' ids. There are: {there}."
        raise StopRun(message)
    if not present[column].is_integer() and present[column] not in _ID_TYPES:
        message = (
            f"Column '{column}' of '{name}' is {present[column]}, and an id is a text or a whole "
            'number. Name another with metadata=document_id("...").'
        )
        raise StopRun(message)
    return column
