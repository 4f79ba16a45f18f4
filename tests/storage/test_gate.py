from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow.contract import contract_of
from collectionflow.storage.gate import Breach, breaches, measure


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True, str_startswith="P", raise_warning=True)
    year: int | None = pa.Field(ge=1500)


def judged(schema: Any, **columns: Any) -> tuple[list[Breach], list[Breach]]:
    table = pl.LazyFrame(columns)
    contract = contract_of(schema)
    return breaches(table, measure(table, contract.rules), contract)


def test_rows_and_filled_values_are_counted() -> None:
    measurement = measure(pl.LazyFrame({"object_id": [1, 2], "title": ["Portrait", None]}))
    assert measurement.rows == 2
    assert measurement.filled == {"object_id": 2, "title": 1}
    assert measurement.filled_share("title") == 0.5
    assert measurement.broken == ()


@pytest.mark.parametrize(
    "values",
    [
        ["Portrait", "", None],
        [["oil"], [], None],
        [1.5, float("nan"), None],
        [{"year": 1}, None, None],
        [True, None, None],
    ],
)
def test_what_says_nothing_is_not_filled(values: list[Any]) -> None:
    assert measure(pl.LazyFrame({"value": values}, strict=False)).filled == {"value": 1}


def test_an_empty_table_has_no_filled_share() -> None:
    measurement = measure(pl.LazyFrame(schema={"title": pl.String}))
    assert (measurement.rows, measurement.filled_share("title")) == (0, 0.0)


def test_broken_rules_stop_or_warn_with_their_first_rows() -> None:
    stopping, warning = judged(
        Objects, object_id=[1, 2, 2], title=["Portrait", "Hat", None], year=[1900, 1400, None]
    )
    assert [str(breach) for breach in stopping] == [
        "'object_id' must be unique: 1 of 3 rows break this.",
        "'year' must be filled: 1 of 3 rows break this.",
        "'year' must be at least 1500: 1 of 3 rows break this.",
    ]
    assert [str(breach) for breach in warning] == [
        "'title' must start with 'P': 1 of 3 rows break this."
    ]
    assert_frame_equal(
        stopping[0].examples,
        pl.DataFrame({"row": [2, 3], "object_id": [2, 2]}, schema_overrides={"row": pl.UInt32}),
    )
    assert_frame_equal(
        warning[0].examples,
        pl.DataFrame(
            {"row": [2], "object_id": [2], "title": ["Hat"]}, schema_overrides={"row": pl.UInt32}
        ),
    )


def test_a_table_that_keeps_every_rule_has_no_breach() -> None:
    assert judged(Objects, object_id=[1, 2], title=["P", "Q"][:1] * 2, year=[1900, 1901]) == (
        [],
        [],
    )


def test_rules_about_an_optional_column_that_is_absent_are_left_out() -> None:
    stopping, warning = judged(Objects, object_id=[1, 1], title=[None, "P"])
    assert [breach.rule for breach in stopping] == ["'object_id' must be unique"]
    assert warning == []


def test_at_most_five_rows_are_shown_and_all_are_counted() -> None:
    ((breach,), _) = judged(Objects, object_id=range(9), title=["P"] * 9, year=[1400] * 9)
    assert (breach.count, breach.rows) == (9, 9)
    assert breach.examples["row"].to_list() == [1, 2, 3, 4, 5]


def test_a_rule_about_the_whole_table_shows_all_columns_of_the_contract() -> None:
    class Links(pa.DataFrameModel):
        begin: int
        end: int

        class Config:
            unique = ("begin", "end")

    ((breach,), _) = judged(Links, note=["a", "b", "c"], end=[1, 1, 2], begin=[1, 1, 1])
    assert breach.examples.columns == ["row", "begin", "end"]
    assert breach.examples["row"].to_list() == [1, 2]


def test_a_column_may_itself_be_called_row() -> None:
    class Seats(pa.DataFrameModel):
        row: int = pa.Field(le=2)

    ((breach,), _) = judged(Seats, row=[1, 2, 3])
    assert_frame_equal(
        breach.examples,
        pl.DataFrame({"row number": [3], "row": [3]}, schema_overrides={"row number": pl.UInt32}),
    )
