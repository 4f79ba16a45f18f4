from typing import Any

import polars as pl
import pytest

from collectionflow.output._search_mapping import mapping_of

TEXT = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (pl.String(), TEXT),
        (pl.Enum(["a"]), {"type": "keyword"}),
        (pl.Categorical(), {"type": "keyword"}),
        (pl.Int8(), {"type": "byte"}),
        (pl.UInt8(), {"type": "short"}),
        (pl.UInt64(), {"type": "unsigned_long"}),
        (pl.Int128(), {"type": "keyword"}),
        (pl.Float32(), {"type": "float"}),
        (pl.Decimal(12, 2), {"type": "double"}),
        (pl.Datetime("ns"), {"type": "date_nanos"}),
        (pl.Time(), {"type": "keyword"}),
        (pl.Duration(), {"type": "keyword"}),
        (pl.Binary(), {"type": "binary"}),
        (pl.Null(), {"type": "keyword"}),
        (pl.List(pl.List(pl.Int64)), {"type": "long"}),
        (pl.Array(pl.String, 2), TEXT),
        (pl.Struct({"a": pl.Boolean}), {"properties": {"a": {"type": "boolean"}}}),
    ],
)
def test_each_type_has_its_field(dtype: pl.DataType, expected: dict[str, Any]) -> None:
    assert mapping_of({"value": dtype}, {})["properties"]["value"] == expected


@pytest.mark.parametrize(
    ("dtype", "said", "expected"),
    [
        (pl.String(), {"analyzer": "folded"}, TEXT | {"analyzer": "folded"}),
        (pl.String(), {"type": "text"}, TEXT),
        (
            pl.String(),
            {"fields": {"folded": {"type": "text"}}},
            {"type": "text", "fields": {**TEXT["fields"], "folded": {"type": "text"}}},
        ),
        (pl.List(pl.Float32), {"type": "geo_point"}, {"type": "geo_point"}),
        (
            pl.List(pl.Struct({"a": pl.Int8, "b": pl.String})),
            {"type": "nested", "properties": {"b": {"type": "keyword"}}},
            {
                "type": "nested",
                "properties": {"a": {"type": "byte"}, "b": {"type": "keyword"}},
            },
        ),
        (
            pl.Struct({"lat": pl.Float64, "lon": pl.Float64}),
            {"type": "geo_point"},
            {"type": "geo_point"},
        ),
        (
            pl.Array(pl.Float32, 384),
            {"type": "dense_vector", "index": True},
            {"type": "dense_vector", "dims": 384, "index": True},
        ),
        (
            pl.Array(pl.Float32, 384),
            {"type": "knn_vector"},
            {"type": "knn_vector", "dimension": 384},
        ),
        (
            pl.List(pl.Float32),
            {"type": "dense_vector", "dims": 3},
            {"type": "dense_vector", "dims": 3},
        ),
    ],
)
def test_what_a_field_says_is_laid_over_what_its_type_gives(
    dtype: pl.DataType, said: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = mapping_of({"value": dtype}, {"value": {"search": said, "other": 1}})
    assert found["properties"]["value"] == expected
