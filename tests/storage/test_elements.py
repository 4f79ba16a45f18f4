import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow.contract import rule
from collectionflow.storage._elements import elements_to_blame

TERMS = pl.DataFrame({"id": [1, 2, 3, 4], "terms": [["oil", "", ""], [""], [], None]})


def blamed(rows: pl.DataFrame, fails: pl.Expr, *columns: str) -> pl.DataFrame | None:
    return elements_to_blame(rows, rule("a rule", columns, fails))


@pytest.mark.parametrize("columns", [("terms",), ()])
def test_the_elements_that_break_a_rule_alone_are_to_blame(columns: tuple[str, ...]) -> None:
    found = blamed(TERMS, pl.col("terms").list.contains(""), *columns)
    assert found is not None
    assert found.rows() == [(0, 2, ""), (0, 3, ""), (1, 1, "")]


def test_no_element_is_to_blame_for_how_many_there_are() -> None:
    assert blamed(TERMS, pl.col("terms").list.len() < 2, "terms") is None
    assert blamed(TERMS, pl.col("terms").list.len() > 2, "terms") is None


def test_an_element_may_be_nested_itself() -> None:
    rows = pl.DataFrame(
        {"sitters": [[{"name": "Ann"}, {"name": None}]], "parts": [[["a"], ["b", ""]]]}
    )
    names = pl.col("sitters").list.eval(pl.element().struct.field("name").is_null()).list.any()
    found = blamed(rows, names, "sitters")
    assert found is not None
    assert found.rows() == [(0, 2, {"name": None})]
    parts = pl.col("parts").list.eval(pl.element().list.contains("")).list.any()
    found = blamed(rows, parts, "parts")
    assert found is not None
    assert found.rows() == [(0, 2, ["b", ""])]


def test_a_list_may_have_any_name() -> None:
    rows = pl.DataFrame({"element": [["", "a"]]})
    found = blamed(rows, pl.col("element").list.contains(""), "element")
    expected = pl.DataFrame({"index": [0], "element": [1], "value": [""]})
    assert found is not None
    assert_frame_equal(found, expected)


@pytest.mark.parametrize("columns", [("id",), ("id", "terms"), ("absent",)])
def test_rules_that_are_not_about_one_list_have_no_elements(columns: tuple[str, ...]) -> None:
    assert blamed(TERMS, pl.col("id") > 1, *columns) is None
