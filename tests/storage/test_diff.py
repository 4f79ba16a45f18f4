from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from collectionflow import CollectionflowError
from collectionflow.storage import diff as module
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


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        (1.0, 1.0 + 1e-7, True),
        (1.0, 1.0 + 1e-5, False),
        (1e9, 1e9 + 100, True),
        (1e9, 1e9 + 10_000, False),
        (0.0, 1e-7, True),
        (0.0, -0.0, True),
        (NAN, NAN, True),
        (NAN, 1.0, False),
        (None, None, True),
        (None, 0.0, False),
        (None, NAN, False),
        (INFINITE, INFINITE, True),
        (INFINITE, -INFINITE, False),
        (INFINITE, 1e308, False),
    ],
)
@pytest.mark.parametrize(
    "nested",
    [
        lambda value: value,
        lambda value: [value],
        lambda value: {"width": value, "unit": "cm"},
        lambda value: [{"unit": "cm", "parts": [2.0, value]}, None],
        lambda value: {"sizes": [[value]], "note": None},
    ],
)
def test_floats_are_near_by_a_tolerance_wherever_they_are(
    before: float | None, after: float | None, is_same: bool, nested: Any
) -> None:
    schema = pl.DataFrame({"id": [1], "value": [nested(1.5)]}).schema
    one = pl.LazyFrame({"id": [1], "value": [nested(before)]}, schema=schema)
    other = pl.LazyFrame({"id": [1], "value": [nested(after)]}, schema=schema)
    for pair in ((one, other), (other, one)):
        found = diff(*pair, ["id"], tolerance=1e-6)
        assert found.is_none is is_same
        assert found.changed_by_column == ({} if is_same else {"value": 1})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([1.0, 2.0], [1.0]),
        ([1.0, 2.0], [2.0, 1.0]),
        ([1.0], [1.0, None]),
        ([], None),
        ([None], []),
        ([{"a": 1.0, "b": "x"}], [{"a": 1.0, "b": "y"}]),
        ([{"a": 1.0, "b": "x"}], [None]),
        ({"a": None, "b": None}, None),
        ({"a": [1.0], "b": [2.0]}, {"a": [1.0, 2.0], "b": []}),
    ],
)
def test_a_tolerance_is_for_floats_and_nothing_else(before: Any, after: Any) -> None:
    both = pl.DataFrame({"value": [before, after, before]})
    one = pl.LazyFrame({"id": [1, 2], "value": both["value"][:2]})
    other = pl.LazyFrame({"id": [1, 2], "value": both["value"][1:]})
    assert diff(one, other, ["id"], tolerance=1e-6).changed_by_column == {"value": 2}


def test_an_array_of_floats_is_near_too() -> None:
    one = pl.LazyFrame({"id": [1], "value": pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float32, 2))})
    other = one.with_columns(pl.Series("value", [[1.0, 2.0000002]], dtype=pl.Array(pl.Float32, 2)))
    assert not diff(one, other, ["id"]).is_none
    assert diff(one, other, ["id"], tolerance=1e-6).is_none


def test_other_types_are_told_and_values_compared() -> None:
    found = diff(frame(id=[1], year=[1900]), frame(id=[1], year=["1900"]), ["id"])
    assert found.columns_retyped == {"year": ("Int64", "String")}
    assert not found.is_none
    assert diff(BEFORE, BEFORE, ["object_id"]).is_none


def test_words_in_nested_categories_are_compared_as_words() -> None:
    def terms(categories: list[str]) -> pl.LazyFrame:
        inner = pl.Struct({"term": pl.Enum(categories)})
        data = {"id": [1, 2], "terms": [[{"term": "oil"}], [{"term": "ink"}]]}
        return pl.LazyFrame(data, schema={"id": pl.Int64, "terms": pl.List(inner)})

    found = diff(terms(["oil", "ink"]), terms(["ink", "oil"]), ["id"])
    assert (found.changed, list(found.columns_retyped)) == (0, ["terms"])


def test_values_that_change_places_are_found() -> None:
    ids = range(50_000)
    one = frame(id=ids, title=[f"Portrait {each % 3}" for each in ids], year=[0, 1] * 25_000)
    other = frame(id=ids, title=[f"Portrait {each % 3}" for each in ids], year=[1, 0] * 25_000)
    found = diff(one, other, ["id"])
    assert (found.changed, found.changed_by_column) == (50_000, {"year": 50_000})


def test_what_differs_is_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 100)
    one, other = frame(id=range(1_000), n=[1] * 1_000), frame(id=range(500, 1_500), n=[2] * 1_000)
    found = diff(one, other, ["id"])
    assert (found.added, found.removed, found.changed) == (500, 500, 500)
    assert found.changed_examples["id"].to_list() == [500, 501, 502, 503, 504]
    assert found.added_examples["id"].to_list() == [1_000, 1_001, 1_002, 1_003, 1_004]
    assert found.removed_examples["id"].to_list() == [0, 1, 2, 3, 4]


def test_keys_whose_hashes_meet_are_no_repeated_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectionflow.storage._thin._identity", lambda _key: pl.lit(7, pl.UInt64))
    assert diff(BEFORE, BEFORE, ["object_id"]).is_none


VALUES = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {
            "text": st.one_of(st.none(), st.text(max_size=3)),
            "size": st.one_of(st.none(), st.floats(width=32)),
            "terms": st.one_of(
                st.none(), st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=2)
            ),
        }
    ),
)
RECORDS = st.dictionaries(st.integers(0, 9), VALUES, max_size=8)
DTYPE = pl.Struct({"text": pl.String, "size": pl.Float64, "terms": pl.List(pl.Int64)})


@given(before=RECORDS, after=RECORDS)
@settings(max_examples=60, deadline=None)
def test_what_differs_is_what_python_finds(before: dict[int, Any], after: dict[int, Any]) -> None:
    one, other = (
        pl.LazyFrame(
            {"id": list(each), "value": list(each.values())},
            schema={"id": pl.Int64, "value": DTYPE},
        )
        for each in (before, after)
    )
    found = diff(one, other, ["id"])

    def words(value: Any) -> str:
        return repr(value).replace("-0.0", "0.0")

    both = before.keys() & after.keys()
    changed = [each for each in both if words(before[each]) != words(after[each])]
    assert (found.added, found.removed) == (len(after.keys() - before), len(before.keys() - after))
    assert found.changed == len(changed)
