"""`Frame[Schema]`: a lazy frame whose Pandera schema is its contract."""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_args

import dagster as dg
import polars as pl


class TableType(type):
    """Lets Dagster's run-time check accept the tables that a `Frame[...]` asset returns.

    Each engine has an annotation that is such a type: `values` are the classes of the tables that
    it means, `engine` is the key of the resource that reads and writes them, None for Polars.
    """

    schema: Any
    engine: str | None
    values: tuple[type, ...]

    def __init__(cls, name: str, bases: tuple[type, ...], names: dict[str, Any]) -> None:
        """Tell Dagster which resource the tables need."""
        super().__init__(name, bases, names)
        if cls.engine is not None:
            dg.make_python_type_usable_as_dagster_type(cls, _of_engine(cls, cls.engine))

    def __instancecheck__(cls, instance: object) -> bool:
        """Tell whether a value is what the annotation means."""
        return isinstance(instance, cls.values)


def _of_engine(table: TableType, engine: str) -> dg.DagsterType:
    """Return the type that has Dagster ask for the engine's resource wherever `table` stands."""

    def check(_context: dg.TypeCheckContext, value: object) -> dg.TypeCheck:
        found = f"Expected {table.__name__}, found a value of type '{type(value).__name__}'."
        return dg.TypeCheck(success=isinstance(value, table), description=found)

    return dg.DagsterType(
        key=table.__name__,
        type_check_fn=check,
        required_resource_keys={engine},
        typing_type=table,
    )


class Table(metaclass=TableType):
    """What the annotations of all engines have in common."""

    schema: Any = None
    engine: ClassVar[str | None] = None
    values: ClassVar[tuple[type, ...]] = ()

    @classmethod
    @cache
    def __class_getitem__(cls, schema: type) -> type:
        """Return the class that carries `schema`; the same one each time, as Dagster expects."""
        return TableType(f"{cls.__name__}[{schema.__name__}]", (cls,), {"schema": schema})


class _Frame(Table):
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

    values = (pl.LazyFrame, pl.DataFrame)


if TYPE_CHECKING:
    from typing_extensions import TypeAliasType

    SchemaT = TypeVar("SchemaT")
    # Type checkers and editors see what flows: a plain LazyFrame.
    Frame = TypeAliasType("Frame", pl.LazyFrame, type_params=(SchemaT,))
else:
    Frame = _Frame
    Frame.__name__ = Frame.__qualname__ = "Frame"


def table_types(annotation: object) -> Iterator[TableType]:
    """Yield the annotations of tables, of whichever engine, in an annotation.

    A table may stand inside an `Optional[...]`.

    Examples:
        >>> from collectionflow import Frame
        >>> from collectionflow.frame import table_types
        >>> [each.__name__ for each in table_types(Frame | None)]
        ['Frame']
    """
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, TableType):
            yield each


def schema_of(annotation: object) -> Any:
    """Return the Pandera schema that a `Frame[...]`, of whichever engine, carries, or None.

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
    return next((each.schema for each in table_types(annotation)), None)
