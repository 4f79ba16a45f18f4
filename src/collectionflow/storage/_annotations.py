"""What an asset's parameter asks for, read from its annotation."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

import dagster as dg
import polars as pl

from collectionflow.contract import Contract, contract_of
from collectionflow.frame import schema_of, table_types


def wants_dict(context: dg.InputContext) -> bool:
    """Tell whether the parameter is a dict of frames by partition key."""
    annotation = context.dagster_type.typing_type
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Mapping)


def wants_lazy(context: dg.InputContext) -> bool:
    """Tell whether the parameter is a lazy table; without an annotation it is not."""
    annotation = _frame_annotation(context)
    return pl.LazyFrame in _alternatives(context) or any(table_types(annotation))


def wants_frame(context: dg.InputContext) -> bool:
    """Tell whether the parameter is one frame by its annotation."""
    return wants_lazy(context) or pl.DataFrame in _alternatives(context)


def may_be_none(context: dg.InputContext) -> bool:
    """Tell whether the parameter is optional."""
    return type(None) in _alternatives(context)


def input_contract(context: dg.InputContext) -> Contract | None:
    """Return the contract of the parameter, or of each frame in its dict."""
    schema = schema_of(_frame_annotation(context))
    return contract_of(schema) if schema else None


def input_engine(context: dg.InputContext) -> str | None:
    """Return the key of the engine that the parameter asks for, None for Polars."""
    return _engine(_frame_annotation(context))


def output_engine(context: dg.OutputContext) -> str | None:
    """Return the key of the engine that an output is written by, None for Polars."""
    return _engine(context.dagster_type.typing_type)


def output_contract(context: dg.OutputContext) -> Contract | None:
    """Return the contract of an output."""
    schema = schema_of(context.dagster_type.typing_type)
    return contract_of(schema) if schema else None


def _engine(annotation: Any) -> str | None:
    return next((each.engine for each in table_types(annotation)), None)


def _alternatives(context: dg.InputContext) -> tuple[Any, ...]:
    annotation = _frame_annotation(context)
    return annotation, *get_args(annotation)


def _frame_annotation(context: dg.InputContext) -> Any:
    annotation = context.dagster_type.typing_type
    arguments = get_args(annotation)
    return arguments[1] if wants_dict(context) and arguments else annotation
