"""What each type of value is in JSON, read by Python's own parser."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing.parametric import dataframes

from collectionflow.errors import StopRun
from collectionflow.output._json_losses import Losses
from collectionflow.output._json_values import json_values

MOMENT = datetime(2024, 5, 17, 9, 30)
PARIS = pl.Datetime("us", "Europe/Paris")


def as_json(values: list[Any], dtype: Any = None) -> list[Any]:
    frame = pl.DataFrame({"value": pl.Series(values, dtype=dtype, strict=False)})
    lines = frame.select(json_values(frame.schema)).write_ndjson().split("\n")[:-1]
    return [json.loads(line)["value"] for line in lines]


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (float("nan"), pl.Float64, None),
        (float("inf"), pl.Float64, None),
        (float("-inf"), pl.Float32, None),
        (0.1, pl.Float64, 0.1),
        (5e-324, pl.Float64, 5e-324),
        (2**63 - 1, pl.Int64, 2**63 - 1),
        (2**64 - 1, pl.UInt64, 2**64 - 1),
        (2**100, pl.Int128, 2**100),
        (Decimal("1.10"), pl.Decimal(38, 2), "1.10"),
        (Decimal("12345678901234567890.123456789"), pl.Decimal(38, 9), "12345678901234567890.123456789"),
        (date(1840, 4, 2), pl.Date, "1840-04-02"),
        (time(9, 30), pl.Time, "09:30:00"),
        (MOMENT, pl.Datetime("us"), "2024-05-17T09:30:00.000000"),
        (MOMENT, pl.Datetime("ms"), "2024-05-17T09:30:00.000"),
        (MOMENT.replace(tzinfo=ZoneInfo("Europe/Paris")), PARIS, "2024-05-17T09:30:00.000000+02:00"),
        (MOMENT.replace(tzinfo=UTC), pl.Datetime("us", "UTC"), "2024-05-17T09:30:00.000000+00:00"),
        (timedelta(days=1, microseconds=5), pl.Duration, "PT86400.000005S"),
        (b"\x00\xff", pl.Binary, "AP8="),
        ("Print", pl.Categorical, "Print"),
        ("Print", pl.Enum(["Drawing", "Print"]), "Print"),
        ('"\\\n\x00\u2028é😀', pl.String, '"\\\n\x00\u2028é😀'),
        (True, pl.Boolean, True),
        (None, pl.Null, None),
        ([], pl.List(pl.String), []),
        ([MOMENT, None], pl.List(pl.Datetime), ["2024-05-17T09:30:00.000000", None]),
        ([b"a", b"b"], pl.Array(pl.Binary, 2), ["YQ==", "Yg=="]),
        ({"at": MOMENT, "n": 1}, pl.Struct({"at": pl.Datetime, "n": pl.Int64}), {"at": "2024-05-17T09:30:00.000000", "n": 1}),
        ([{"mark": b"a"}, None], pl.List(pl.Struct({"mark": pl.Binary})), [{"mark": "YQ=="}, None]),
    ],
)  # fmt: skip
def test_a_value_is_what_the_rule_says(value: Any, dtype: Any, expected: Any) -> None:
    assert as_json([value, None], dtype) == [expected, None]


def test_python_objects_are_refused_with_the_column() -> None:
    with pytest.raises(StopRun) as stopped:
        json_values({"title": pl.String(), "thing": pl.Object()})
    assert stopped.value.description == (
        "Column 'thing' holds Python objects, which JSON cannot. Make them text, numbers, lists or "
        "structs where the column is made."
    )


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(frame=dataframes(max_cols=4, max_size=5, excluded_dtypes=[pl.Object, pl.Categorical]))
def test_any_frame_is_json_with_all_its_columns(frame: pl.DataFrame) -> None:
    lines = frame.select(json_values(frame.schema)).write_ndjson().split("\n")[:-1]
    assert len(lines) == frame.height
    for line in lines:
        assert list(json.loads(line, parse_constant=pytest.fail)) == frame.columns


@settings(deadline=None)
@given(st.lists(st.text()))
def test_any_text_is_read_back(texts: list[str]) -> None:
    frame = pl.DataFrame({"value": texts}, schema={"value": pl.String})
    lines = frame.select(json_values(frame.schema)).write_ndjson().split("\n")[:-1]
    assert [json.loads(line)["value"] for line in lines] == texts


def test_what_json_cannot_carry_is_counted_wherever_it_is() -> None:
    frame = pl.LazyFrame(
        {
            "height": [float("nan"), 1.0, float("inf")],
            "sizes": [[{"depth": float("-inf")}], [], None],
            "box": pl.Series([[float("nan"), 1.0]] * 3, dtype=pl.Array(pl.Float32, 2)),
            "id": [2**53, 2**53 + 1, -(2**63)],
            "hash": pl.Series([2**64 - 1, 0, 1], dtype=pl.UInt64),
            "small": pl.Series([1, 2, 3], dtype=pl.Int32),
            "title": ["a", "b", "c"],
        }
    )
    losses, told = Losses(frame.collect_schema()), []
    losses.watched(frame).collect()
    losses.tell("objects", told.append)
    null = "NaN or infinite, which JSON cannot say: they are null."
    big = "integers beyond 2^53. They are exact in the file, but JavaScript rounds them: cast the column to text where it is made."
    assert told == [
        f"'objects': 2 values of 'height' are {null}",
        f"'objects': 1 values of 'sizes.depth' are {null}",
        f"'objects': 3 values of 'box' are {null}",
        f"'objects': 2 values of 'id' are {big}",
        f"'objects': 1 values of 'hash' are {big}",
    ]
    assert losses.rows == 3


def test_where_nothing_can_be_lost_rows_are_counted_and_nothing_is_told() -> None:
    frame = pl.LazyFrame({"title": ["a", "b"]})
    losses = Losses(frame.collect_schema())
    assert losses.watched(frame).collect().height == losses.rows == 2
    losses.tell("objects", pytest.fail)
