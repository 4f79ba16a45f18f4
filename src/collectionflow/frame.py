"""`Frame[Schema]`: a lazy frame whose Pandera schema is its contract."""

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import polars as pl


class _FrameType(type):
    """Lets Dagster's run-time check accept the frames that a `Frame[...]` asset returns."""

    schema: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, pl.LazyFrame | pl.DataFrame)


class _Frame(metaclass=_FrameType):
    """A `pl.LazyFrame` that keeps the contract of a Pandera `DataFrameModel`.

    On an asset's input, exactly the schema's columns are read. On its output, the schema is the
    gate: a table that breaks it is not published.

    Examples:
        >>> import dagster as dg
        >>> import pandera.polars as pa
        >>> from collectionflow import Frame
        >>> class Objects(pa.DataFrameModel):
        ...     object_id: int = pa.Field(unique=True)
        ...     title: str
        >>> class Titles(pa.DataFrameModel):
        ...     title: str
        >>> @dg.asset
        ... def titles(objects: Frame[Objects]) -> Frame[Titles]:
        ...     return objects.select("title")
    """

    schema: Any = None

    @classmethod
    @cache
    def __class_getitem__(cls, schema: type) -> type:
        """Return the class that carries `schema`; the same one each time, as Dagster expects."""
        return _FrameType(f"Frame[{schema.__name__}]", (cls,), {"schema": schema})


if TYPE_CHECKING:
    from typing_extensions import TypeAliasType

    SchemaT = TypeVar("SchemaT")
    # Type checkers and editors see what flows: a plain LazyFrame.
    Frame = TypeAliasType("Frame", pl.LazyFrame, type_params=(SchemaT,))
else:
    Frame = _Frame
    Frame.__name__ = Frame.__qualname__ = "Frame"


def is_frame(annotation: object) -> bool:
    """Tell whether an annotation is `Frame` or a `Frame[...]`.

    Examples:
        >>> from collectionflow import Frame
        >>> from collectionflow.frame import is_frame
        >>> is_frame(Frame)
        True
    """
    return isinstance(annotation, _FrameType)


def schema_of(annotation: object) -> Any:
    """Return the Pandera schema that a `Frame[...]` annotation carries, or None.

    `Frame[S]` may stand inside an `Optional[...]`.

    Examples:
        >>> import pandera.polars as pa
        >>> from collectionflow import Frame
        >>> from collectionflow.frame import schema_of
        >>> class Objects(pa.DataFrameModel):
        ...     title: str
        >>> schema_of(Frame[Objects]) is Objects
        True
        >>> schema_of(dict) is None
        True
    """
    frames = (each for each in (annotation, *get_args(annotation)) if isinstance(each, _FrameType))
    return next((frame.schema for frame in frames), None)
