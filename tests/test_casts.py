from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

from collectionflow.casts import cast_rules, casts, moment
from collectionflow.contract import contract_of


def _model(dtype: Any) -> type[pa.DataFrameModel]:
    value = pa.Field(nullable=True, coerce=True)
    return type("S", (pa.DataFrameModel,), {"__annotations__": {"value": dtype}, "value": value})


def cast(values: list[Any], dtype: Any, present: Any = pl.String) -> tuple[list[Any], int]:
    """Return the values in another type, and how many cannot be held."""
    contract = contract_of(_model(dtype))
    table = pl.DataFrame({"value": pl.Series(values, dtype=present)})
    expressions = casts(contract, table.schema)
    (rule,) = cast_rules(contract, table.schema)
    return table.select(**expressions).to_series().to_list(), table.select(rule.count).item()


@pytest.mark.parametrize(
    ("dtype", "values", "expected", "refused"),
    [
        (pl.Int64, ["1", " 2 ", "007", "+3", "", " ", None], [1, 2, 7, 3, None, None, None], 0),
        (pl.Int64, ["POA", "1.0", "1e3", "1 000"], [None] * 4, 4),
        (pl.Int8, ["127", "128"], [127, None], 1),
        (pl.Float64, ["0.1", "1e5", "-2."], [0.1, 1e5, -2.0], 0),
        (pl.Float64, ["1,5", "x"], [None, None], 2),
        (pl.Boolean, ["true", "No", "1", "maybe", ""], [True, False, True, None, None], 1),
        (pl.Date, ["2020-01-02", "2020-01-02 00:00:00"], [date(2020, 1, 2)] * 2, 0),
        (pl.Date, ["02/01/2020", "2020-01-02 10:00:00", "2020-02-30"], [None] * 3, 3),
        (pl.Time, ["10:20:30", "25:00:00"], [time(10, 20, 30), None], 1),
        (pl.Categorical(), ["a", ""], ["a", None], 0),
        (pl.Enum(["a", "b"]), ["a", "c"], ["a", None], 1),
        (pl.Binary, ["a"], [b"a"], 0),
        (pl.Decimal(10, 2), ["1.20", "1.2000", "-3"], [Decimal("1.20")] * 2 + [Decimal(-3)], 0),
        (pl.Decimal(10, 2), ["1.234", "x", "123456789.00"], [None] * 3, 3),
    ],
)
def test_text_becomes_the_same_value_or_is_refused(
    dtype: Any, values: list[str | None], expected: list[Any], refused: int
) -> None:
    assert cast(values, dtype) == (expected, refused)


def test_a_time_that_is_finer_than_its_type_is_refused() -> None:
    values = ["2020-01-02T03:04:05.1234560", "2020-01-02 03:04:05.1234567"]
    assert cast(values, pl.Datetime("us")) == ([datetime(2020, 1, 2, 3, 4, 5, 123456), None], 1)
    zoned = ["2020-01-02T03:04:05.120+00:00", "2020-01-02T03:04:05.1239Z"]
    moment = datetime(2020, 1, 2, 3, 4, 5, 120_000, tzinfo=UTC)
    assert cast(zoned, pl.Datetime("ms", "UTC")) == ([moment, None], 1)


def test_iso_times_are_read_and_others_refused() -> None:
    moment = datetime(2020, 1, 2, 3, 4, 5)
    values = ["2020-01-02T03:04:05", "2020-01-02 03:04:05", "2020-01-02", "03/04/2020", None]
    assert cast(values, pl.Datetime("us")) == (
        [moment, moment, datetime(2020, 1, 2), None, None],
        1,
    )


def test_a_time_zone_must_be_in_text_and_type() -> None:
    moment = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    zoned = ["2020-01-02T03:04:05Z", "2020-01-02T05:04:05+02:00", "2020-01-02T03:04:05"]
    assert cast(zoned, pl.Datetime("us", "UTC")) == ([moment, moment, None], 1)
    assert cast(zoned[:1], pl.Datetime("us")) == ([None], 1)


def test_whole_numbers_become_others_only_where_they_fit() -> None:
    assert cast([1, 300], pl.Int8, pl.Int64) == ([1, None], 1)


def test_whole_numbers_become_truth_values_only_where_they_are_0_or_1() -> None:
    assert cast([0, 1, 2, -1, None], pl.Boolean, pl.Int8) == ([False, True, None, None, None], 2)


def test_anything_flat_becomes_text() -> None:
    assert cast([1, None], pl.String, pl.Int64) == (["1", None], 0)
    assert cast([date(2020, 1, 2)], pl.String, pl.Date) == (["2020-01-02"], 0)


@pytest.mark.parametrize(
    "dtype", [pl.Int64, pl.String, pl.Date, pl.Enum(["a"]), pl.List(pl.String), pl.Float32]
)
def test_a_column_without_values_or_type_becomes_any_type(dtype: Any) -> None:
    assert cast([None, None], dtype, pl.Null) == ([None, None], 0)


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        (pl.Float64(), pl.Int64),
        (pl.List(pl.String()), pl.String),
        (pl.Binary(), pl.String),
        (pl.String(), pl.List(pl.String())),
        (pl.String(), pl.Duration),
    ],
)
def test_a_cast_that_could_change_a_value_is_left_to_the_gate(
    present: pl.DataType, wanted: Any
) -> None:
    assert casts(contract_of(_model(wanted)), {"value": present}) == {}


def test_only_coerced_columns_that_are_there_and_differ_are_cast() -> None:
    class Objects(pa.DataFrameModel):
        object_id: int = pa.Field(coerce=True)
        year: int
        missing: int = pa.Field(coerce=True)
        number: str = pa.Field(coerce=True)

    present = {"object_id": pl.String(), "year": pl.String(), "number": pl.String()}
    assert list(casts(contract_of(Objects), present)) == ["object_id"]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (date(2026, 7, 1), pl.Date()),
        (datetime(2026, 7, 1), pl.Datetime("ms")),
        (datetime(2026, 7, 1, tzinfo=UTC), pl.Datetime("us", "Europe/London")),
        ("2026-07-01", pl.String()),
        ("2026-07-01T01:00:00+01:00", pl.String()),
        (" 2026-07-01 00:00:00 ", pl.String()),
    ],
)
def test_a_moment_is_in_utc(value: Any, dtype: pl.DataType) -> None:
    table = pl.DataFrame({"changed": [value]}, schema={"changed": dtype})
    found = table.select(moment("changed", dtype)).item()
    assert found == datetime(2026, 7, 1, tzinfo=UTC)
