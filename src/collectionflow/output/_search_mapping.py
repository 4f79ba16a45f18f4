"""The mapping of a search index, from the contract's types and what its columns say of search."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from collectionflow.output._json_values import fields_of, inner_of

METADATA_KEY: Final = "search"
# Longer values are not sorted and faceted by; they are found by their words all the same.
_KEYWORD_CHARACTERS: Final = 256
_TEXT: Final = {
    "type": "text",
    "fields": {"keyword": {"type": "keyword", "ignore_above": _KEYWORD_CHARACTERS}},
}
_TYPES: Final[Mapping[type[pl.DataType], str]] = {
    pl.Boolean: "boolean",
    pl.Int8: "byte",
    pl.Int16: "short",
    pl.Int32: "integer",
    pl.Int64: "long",
    pl.UInt8: "short",
    pl.UInt16: "integer",
    pl.UInt32: "long",
    pl.UInt64: "unsigned_long",
    pl.Float32: "float",
    pl.Float64: "double",
    # An index sorts and compares a decimal as a double; the document keeps all its digits.
    pl.Decimal: "double",
    pl.Date: "date",
    pl.Datetime: "date",
    pl.Binary: "binary",
}
_HAVE_PROPERTIES: Final = {"object", "nested"}
# What the two products call a vector's length.
_DIMENSIONS: Final = {"dense_vector": "dims", "knn_vector": "dimension"}


def mapping_of(
    dtypes: Mapping[str, pl.DataType], metadata: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the mapping of documents with these columns; nothing else may be in them.

    `metadata` is what the contract's fields carry. What a field says under `search` is laid over
    what its type gives; a type that it names takes the place of the type's own, and only
    `nested` and `object` keep the properties.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._search_mapping import mapping_of
        >>> columns = {"year": pl.Int32(), "number": pl.String()}
        >>> mapping_of(columns, {"number": {"search": {"type": "keyword"}}})["properties"]
        {'year': {'type': 'integer'}, 'number': {'type': 'keyword'}}
    """
    said = {name: metadata.get(name, {}).get(METADATA_KEY, {}) for name in dtypes}
    properties = {
        name: overlaid(_field(dtype), _with_dimensions(said[name], dtype))
        for name, dtype in dtypes.items()
    }
    return {"dynamic": "strict", "properties": properties}


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `below` with what `above` says, object within object.

    Examples:
        >>> from collectionflow.output._search_mapping import overlaid
        >>> overlaid({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
        {'a': {'b': 1, 'c': 3}}
    """
    kept = dict(below)
    if (kind := above.get("type", kept.get("type"))) != kept.get("type"):
        properties = kept.get("properties")
        kept = {"properties": properties} if properties and kind in _HAVE_PROPERTIES else {}
    for name, value in above.items():
        is_laid_over = isinstance(value, Mapping) and isinstance(kept.get(name), Mapping)
        kept[name] = overlaid(kept[name], value) if is_laid_over else value
    return kept


def _field(dtype: pl.DataType) -> dict[str, Any]:
    if isinstance(dtype, pl.List | pl.Array):
        # To an index a list is the same field, several times.
        return _field(inner_of(dtype))
    if isinstance(dtype, pl.Struct):
        return {"properties": {name: _field(each) for name, each in fields_of(dtype)}}
    if isinstance(dtype, pl.String):
        return dict(_TEXT)
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ns":
        return {"type": "date_nanos"}
    return {"type": _TYPES.get(type(dtype), "keyword")}


def _with_dimensions(said: Mapping[str, Any], dtype: pl.DataType) -> dict[str, Any]:
    """Return what a column says, a vector's length added where the column's type knows it."""
    name = _DIMENSIONS.get(said.get("type", ""))
    if name is None or not isinstance(dtype, pl.Array):
        return dict(said)
    return {name: dtype.shape[0], **said}
