from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow import CollectionflowError
from collectionflow.storage.diff import diff, row_changes


def frame(**columns: Any) -> pl.LazyFrame:
    return pl.LazyFrame(columns)


BEFORE = frame(object_id=[1, 2, 3], title=["Sitter", "Hat", None], year=[1900, 1901, 1902])
AFTER = frame(object_id=[3, 4, 2], title=["Dog", "Horse", "Hat"], year=[1902, 1903, 1911])


def test_records_added_removed_and_changed_are_counted_by_key() -> None:
    found = diff(BEFORE, AFTER, ["object_id"])
    assert (found.rows_before, found.rows_after) == (3, 3)
    assert (found.added, found.removed, found.changed) == (1, 1, 2)
    assert found.changed_by_column == {"title": 1, "year": 1}
    assert (found.columns_added, found.columns_removed) == ([], [])


def test_examples_show_rows_added_and_removed_and_cells_changed() -> None:
    found = diff(BEFORE, AFTER, ["object_id"])
    assert_frame_equal(
        found.added_examples, pl.DataFrame({"object_id": [4], "title": ["Horse"], "year": [1903]})
    )
    assert_frame_equal(
        found.removed_examples,
        pl.DataFrame({"object_id": [1], "title": ["Sitter"], "year": [1900]}),
    )
    assert_frame_equal(
        found.changed_examples,
        pl.DataFrame(
            {
                "object_id": [2, 3],
                "column": ["year", "title"],
                "before": ["1901", None],
                "after": ["1911", "Dog"],
            }
        ),
    )


def test_the_examples_are_the_first_five_by_key() -> None:
    before = frame(object_id=range(10), title=["a"] * 10)
    after = frame(object_id=range(9, -1, -1), title=["b"] * 10)
    found = diff(before, after, ["object_id"])
    assert found.changed == 10
    assert found.changed_examples["object_id"].to_list() == [0, 1, 2, 3, 4]
    gone = diff(before, after.clear(), ["object_id"])
    assert gone.removed == 10
    assert gone.removed_examples["object_id"].to_list() == [0, 1, 2, 3, 4]


def test_the_order_of_rows_is_no_difference() -> None:
    found = diff(BEFORE, BEFORE.reverse(), ["object_id"])
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
    assert found.changed_examples.is_empty()


def test_columns_added_and_removed_are_named_and_the_rest_is_compared() -> None:
    after = frame(object_id=[1, 2, 3], title=["Sitter", "Hat", None], medium=["oil"] * 3)
    found = diff(BEFORE, after, ["object_id"])
    assert (found.columns_added, found.columns_removed) == (["medium"], ["year"])
    assert found.changed == 0


def test_tables_of_nothing_but_a_key_are_compared_by_it() -> None:
    found = diff(frame(object_id=[1, 2]), frame(object_id=[2, 3]), ["object_id"])
    assert (found.added, found.removed, found.changed) == (1, 1, 0)


def test_a_key_of_several_columns_may_hold_nulls() -> None:
    before = frame(object_id=[1, 1, None], role=["maker", "sitter", None], order=[1, 2, 3])
    after = frame(object_id=[1, None, None], role=["maker", "sitter", None], order=[1, 2, 4])
    found = diff(before, after, ["object_id", "role"])
    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert_frame_equal(
        found.changed_examples,
        pl.DataFrame(
            {
                "object_id": [None],
                "role": [None],
                "column": ["order"],
                "before": ["3"],
                "after": ["4"],
            },
            schema_overrides={"object_id": pl.Int64, "role": pl.String},
        ),
    )


@pytest.mark.parametrize(
    ("before", "after", "texts"),
    [
        (["oil"], ["ink"], ["['oil']", "['ink']"]),
        (["oil"], None, ["['oil']", None]),
        ({"year": 1}, {"year": None}, ["{'year': 1}", "{'year': None}"]),
        ([{"name": "Ann"}], [{"name": "Bob"}], ["[{'name': 'Ann'}]", "[{'name': 'Bob'}]"]),
        (b"\xff", b"\xfe", [r"b'\xff'", r"b'\xfe'"]),
        (date(1900, 1, 1), None, ["1900-01-01", None]),
        (timedelta(days=1), None, ["1 day, 0:00:00", None]),
        (Decimal("1.10"), Decimal("1.20"), ["1.10", "1.20"]),
        (True, False, ["true", "false"]),
        (1.5, None, ["1.5", None]),
    ],
)
def test_values_of_any_type_are_compared_and_shown(
    before: Any, after: Any, texts: list[str | None]
) -> None:
    old = pl.LazyFrame({"id": [1, 2], "value": [before, before]})
    new = pl.LazyFrame({"id": [1, 2], "value": [after, before]}, schema=old.collect_schema())
    found = diff(old, new, ["id"])
    assert found.changed_by_column == {"value": 1}
    assert list(found.changed_examples.select("before", "after").row(0)) == texts


def test_null_and_empty_differ() -> None:
    before = frame(id=[1, 2], text=[None, "a"], terms=[None, ["a"]])
    after = frame(id=[1, 2], text=["", "a"], terms=[[], ["a"]])
    assert diff(before, after, ["id"]).changed_by_column == {"text": 1, "terms": 1}


def test_a_changed_type_changes_every_value_that_reads_otherwise() -> None:
    found = diff(frame(id=[1, 2], year=[1900, None]), frame(id=[1, 2], year=["1900", None]), ["id"])
    assert found.changed_by_column == {"year": 1}
    assert list(found.changed_examples.row(0)) == [1, "year", "1900", "1900"]


@pytest.mark.parametrize("categories", [["oil", "ink"], ["ink", "oil"], ["ink", "tempera", "oil"]])
def test_an_enum_is_compared_by_its_words(categories: list[str]) -> None:
    before = pl.LazyFrame(
        {"id": [1, 2], "medium": ["oil", "ink"]},
        schema={"id": pl.Int64, "medium": pl.Enum(["oil", "ink"])},
    )
    after = pl.LazyFrame(
        {"id": [1, 2], "medium": ["oil", "oil"]},
        schema={"id": pl.Int64, "medium": pl.Enum(categories)},
    )
    assert diff(before, after, ["id"]).changed_by_column == {"medium": 1}


def test_without_a_key_records_cannot_be_matched() -> None:
    with pytest.raises(CollectionflowError, match=r"the contract names none.*'object_id', 'title'"):
        diff(BEFORE, AFTER, [])


def test_a_key_that_is_missing_is_refused_with_the_columns_there_are() -> None:
    expected = "Key column 'id' is not in this version. There are: 'object_id', 'title', 'year'."
    with pytest.raises(CollectionflowError, match=expected):
        diff(BEFORE, AFTER, ["id"])


@pytest.mark.parametrize("key", ["id", "len"])
def test_a_key_that_is_not_unique_is_refused_with_examples(key: str) -> None:
    repeated = frame(**{key: [1, 2, 2, 1, 3]})
    expected = rf"The key '{key}' is not unique(.|\n)*\| 1 *\| 2 +\|\n\| 2 *\| 2 +\|$"
    with pytest.raises(CollectionflowError, match=expected):
        diff(frame(**{key: [1, 2]}), repeated, [key])


def test_a_key_that_changed_its_type_is_refused() -> None:
    with pytest.raises(CollectionflowError, match="Key column 'id' was Int64 and is String now"):
        diff(frame(id=[1]), frame(id=["1"]), ["id"])


def test_row_changes_count_the_keys_that_came_and_went() -> None:
    assert row_changes(BEFORE, AFTER, ["object_id"]) == (1, 1)
    assert row_changes(frame(a=[1, None], b=[1, 1]), frame(a=[None, 2], b=[1, 2]), ["a", "b"]) == (
        1,
        1,
    )


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (frame(id=[1]), frame(id=[1]), []),
        (frame(id=[1]), frame(number=[1]), ["id"]),
        (frame(number=[1]), frame(id=[1]), ["id"]),
        (frame(number=[1]), frame(number=[1]), ["id"]),
        (frame(id=[1]), frame(id=["1"]), ["id"]),
    ],
)
def test_without_a_common_key_row_changes_are_unknown(
    before: pl.LazyFrame, after: pl.LazyFrame, key: list[str]
) -> None:
    assert row_changes(before, after, key) == (None, None)
