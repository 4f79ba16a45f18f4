"""What each value of a document is in JSON, as Polars expressions."""

from collections.abc import Mapping

import polars as pl

from collectionflow.errors import StopRun


def json_values(schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """Return one expression a column that gives its values as JSON is to show them.

    Polars' own encoder does most of it: numbers have all their digits, a decimal is text so that
    it keeps them, NaN and infinities are null, a date is `2024-05-17`. What it writes otherwise
    than ISO 8601 says, or not at all, is text before it gets there: a time stamp is
    `2024-05-17T09:30:00.000000`, with its offset where it has a zone; bytes are base64.

    Raises:
        StopRun: for a column of Python objects.

    Examples:
        >>> from datetime import datetime
        >>> import polars as pl
        >>> from collectionflow.output._json_values import json_values
        >>> frame = pl.DataFrame({"at": [datetime(2024, 5, 17, 9, 30)], "mark": [b"CF"]})
        >>> frame.select(json_values(frame.schema)).row(0)
        ('2024-05-17T09:30:00.000000', 'Q0Y=')
    """
    for name, dtype in schema.items():
        _refuse_objects(name, dtype)
    return [_json_value(pl.col(name), dtype) for name, dtype in schema.items()]


def _refuse_objects(name: str, dtype: pl.DataType) -> None:
    if isinstance(dtype, pl.Object):
        message = (
            f"Column '{name}' holds Python objects, which JSON cannot. Make them text, numbers, "
            "lists or structs where the column is made."
        )
        raise StopRun(message)


def _json_value(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if not _has_own_rule(dtype):
        return value
    if isinstance(dtype, pl.Datetime):
        return value.dt.to_string("iso:strict")
    if isinstance(dtype, pl.Binary):
        return value.bin.encode("base64")
    if isinstance(dtype, pl.List):
        return value.list.eval(_json_value(pl.element(), inner_of(dtype)))
    if isinstance(dtype, pl.Array):
        return value.arr.eval(_json_value(pl.element(), inner_of(dtype)))
    return value.struct.with_fields(
        _json_value(pl.field(field), field_type)
        for field, field_type in fields_of(dtype)
        if _has_own_rule(field_type)
    )


def _has_own_rule(dtype: pl.DataType) -> bool:
    """Return whether any value in a column of this type is not left to Polars' encoder."""
    if isinstance(dtype, pl.List | pl.Array):
        return _has_own_rule(inner_of(dtype))
    if isinstance(dtype, pl.Struct):
        return any(_has_own_rule(field_type) for _, field_type in fields_of(dtype))
    return isinstance(dtype, pl.Datetime | pl.Binary)


def inner_of(dtype: pl.List | pl.Array) -> pl.DataType:
    """Return the type of a list's elements."""
    # Polars keeps some types as classes.
    inner = dtype.inner
    return inner() if isinstance(inner, type) else inner


def fields_of(dtype: pl.DataType) -> list[tuple[str, pl.DataType]]:
    """Return the names and types of a struct's fields."""
    fields = dtype.fields if isinstance(dtype, pl.Struct) else []
    return [
        (each.name, each.dtype() if isinstance(each.dtype, type) else each.dtype) for each in fields
    ]
