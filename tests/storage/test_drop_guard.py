import pytest

from collectionflow import drop_guard
from collectionflow.storage.drop_guard import (
    ALLOW_TAG,
    METADATA_KEY,
    DropGuard,
    drops,
    guard_of,
    is_allowed,
)
from collectionflow.storage.gate import Measurement


def measured(rows: int, **filled: int) -> Measurement:
    return Measurement(rows=rows, filled=filled)


def test_an_assets_metadata_sets_its_guard() -> None:
    metadata = drop_guard(warn=0.01, stop=0.05, allow_empty=True)
    assert guard_of(metadata) == DropGuard(warn=0.01, stop=0.05, allow_empty=True)
    assert guard_of({}) == DropGuard(warn=0.15, stop=0.30, allow_empty=False)
    assert list(metadata) == [METADATA_KEY]


@pytest.mark.parametrize(("warn", "stop"), [(0, 0.3), (0.5, 0.3), (0.1, 1.5), (15, 30)])
def test_thresholds_that_could_never_act_are_refused(warn: float, stop: float) -> None:
    with pytest.raises(ValueError, match=f"shares from 0 to 1.*Found warn={warn}, stop={stop}"):
        drop_guard(warn=warn, stop=stop)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("objects", True),
        ("titles, objects", True),
        ("*", True),
        ("titles", False),
        ("objects2", False),
        ("", False),
    ],
)
def test_a_run_tag_lets_the_named_assets_pass(value: str, allowed: bool) -> None:
    assert is_allowed({ALLOW_TAG: value}, "objects") is allowed
    assert not is_allowed({}, "objects")


def test_fewer_rows_are_a_drop() -> None:
    (drop,) = drops(measured(1_000, id=1_000), measured(750, id=750))
    assert drop.share == 0.25
    assert drop.text == "Rows fell from 1,000 to 750 (-25%)."


def test_fewer_filled_values_are_a_drop_by_column_greatest_first() -> None:
    before = measured(10, id=10, title=10, year=8)
    now = measured(20, id=20, title=15, year=4)
    found = drops(before, now)
    assert [drop.text for drop in found] == [
        "Column 'year' was filled in 80.0% of the rows, now in 20.0%.",
        "Column 'title' was filled in 100.0% of the rows, now in 75.0%.",
    ]
    assert [drop.share for drop in found] == [pytest.approx(0.75), pytest.approx(0.25)]


def test_more_is_no_drop() -> None:
    assert drops(measured(10, title=5), measured(11, title=6)) == []


def test_a_column_that_was_empty_or_is_gone_or_new_is_no_drop() -> None:
    assert drops(measured(10, year=0, old=10), measured(10, year=0, new=0)) == []


def test_no_rows_are_told_once() -> None:
    assert [drop.text for drop in drops(measured(5, id=5), measured(0, id=0))] == [
        "Rows fell from 5 to 0 (-100%)."
    ]


def test_an_empty_table_cannot_lose_anything() -> None:
    assert drops(measured(0, id=0), measured(0, id=0)) == []
