"""Arrow's batches as frames."""

from typing import Any, Final

import polars as pl

from collectionflow.errors import SourceError
from collectionflow.harvest.databases._dialect import Schema

# What a whole number of 64 bits holds, whichever digits they are.
DECIMAL_DIGITS: Final = 18


def frame_of(batch: Any, schema: Schema) -> pl.DataFrame:
    """Return a record batch of `pyarrow` as a frame with the names of `schema`.

    Where that wants a decimal and a whole number comes, that is how many of its last digit it has.

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
    columns = map(_decimal, batch.columns, schema.values())
    named = pa.RecordBatch.from_arrays(list(columns), names=list(schema))
    return pl.DataFrame(pl.from_arrow(named))


def _decimal(column: Any, dtype: pl.DataType) -> Any:
    import pyarrow as pa

    if not (isinstance(dtype, pl.Decimal) and pa.types.is_int64(column.type)):
        return column
    return column.view(pa.decimal64(min(dtype.precision, DECIMAL_DIGITS), dtype.scale))


def arrow_errors() -> tuple[type[Exception], ...]:
    """Return what a stream of Arrow batches raises: `pyarrow` passes on what its driver says."""
    import pyarrow as pa

    return (OSError, pa.ArrowException)
