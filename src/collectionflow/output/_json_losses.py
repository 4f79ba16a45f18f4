"""What JSON, or those who read it, cannot carry: counted as documents stream by, and told."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from collectionflow.output._json_values import fields_of, inner_of

# https://www.rfc-editor.org/rfc/rfc8259#section-6: what every reader of JSON reads exactly.
_EXACT: Final = 2**53
_WIDE: Final = (pl.Int64, pl.UInt64, pl.Int128, pl.UInt128)


@dataclass(frozen=True, kw_only=True)
class _Loss:
    column: str
    count: pl.Expr
    text: str


class Losses:
    """Counts rows, NaN, infinities and very large integers in the frames that it watches.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._json_losses import Losses
        >>> frame = pl.LazyFrame({"height": [1.5, float("nan")]})
        >>> losses = Losses(frame.collect_schema())
        >>> _ = losses.watched(frame).collect()
        >>> losses.tell("objects", print)
        'objects': 1 values of 'height' are NaN or infinite, which JSON cannot say: they are null.
    """

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self._kinds = [
            loss for name, dtype in schema.items() for loss in _losses(name, pl.col(name), dtype)
        ]
        self.rows = 0
        self._found = [0] * len(self._kinds)
        self._lock = threading.Lock()

    def watched(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return `frame` so that what gets lost is counted, with one look at each batch."""
        return frame.map_batches(self._look, streamable=True)

    def _look(self, batch: pl.DataFrame) -> pl.DataFrame:
        named = {str(number): loss.count for number, loss in enumerate(self._kinds)}
        # A row of its own for the case that there is nothing to count.
        counts = batch.select(pl.lit(0).alias("none"), **named).row(0)[1:]
        with self._lock:
            self.rows += batch.height
            self._found = [sum(pair) for pair in zip(self._found, counts, strict=True)]
        return batch

    def tell(self, name: str, warn: Callable[[str], None]) -> None:
        """Warn of each column that has lost something."""
        for loss, count in zip(self._kinds, self._found, strict=True):
            if count:
                warn(f"'{name}': {count:,} values of '{loss.column}' are {loss.text}")


def _losses(column: str, value: pl.Expr, dtype: pl.DataType) -> Iterator[_Loss]:
    if isinstance(dtype, pl.List | pl.Array):
        yield from _losses(column, value.explode(), inner_of(dtype))
    elif isinstance(dtype, pl.Struct):
        for field, field_type in fields_of(dtype):
            inside = value.struct.field(field)
            yield from _losses(f"{column}.{field}", inside, field_type)
    elif dtype.is_float():
        text = "NaN or infinite, which JSON cannot say: they are null."
        yield _Loss(column=column, count=(~value.is_finite()).sum(), text=text)
    elif dtype in _WIDE:
        text = (
            "integers beyond 2^53. They are exact in the file, but JavaScript rounds them: cast "
            "the column to text where it is made."
        )
        is_beyond = value > _EXACT
        if dtype.is_signed_integer():
            is_beyond |= value < -_EXACT
        yield _Loss(column=column, count=is_beyond.sum(), text=text)
