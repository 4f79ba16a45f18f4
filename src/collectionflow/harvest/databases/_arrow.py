"""Arrow's batches as frames."""

from typing import Any

import polars as pl

from collectionflow.errors import SourceError
from collectionflow.harvest.databases._dialect import Schema


def frame_of(batch: Any, schema: Schema) -> pl.DataFrame:
    """Return a record batch of `pyarrow` as a frame with the names of `schema`.

    Raises:
        SourceError: where its text is no text; nobody after this looks.
    """
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        message = (
            f"A text is not UTF-8 ({error}). Mend it in the database, or take the column as bytes "
            "in the contract (`pl.Binary`)."
        )
        raise SourceError(message) from error
    return pl.DataFrame(pl.from_arrow(batch.rename_columns(list(schema))))


def arrow_errors() -> tuple[type[Exception], ...]:
    """Return what a stream of Arrow batches raises: `pyarrow` passes on what its driver says."""
    import pyarrow as pa

    return (OSError, pa.ArrowException)
