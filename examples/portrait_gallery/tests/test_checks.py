"""Rules of the asset checks."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from collectionflow.harvest import FolderSource
from portrait_gallery.defs import checks


@pytest.fixture
def links() -> pl.LazyFrame:
    rows = [(1, 4, 9, 19), (2, 4, 9, 19), (3, 5, 9, 1), (4, 6, 8, 1)]
    columns = ["ConXrefID", "ObjectID", "ConstituentID", "RoleID"]
    return pl.LazyFrame(rows, schema=columns, orient="row")


def test_links_without_object_or_constituent_are_an_error(links: pl.LazyFrame) -> None:
    objects = pl.LazyFrame({"ObjectID": [4, 5]})
    constituents = pl.LazyFrame({"ConstituentID": [9]})
    result = checks.links_are_whole(links, objects, constituents)
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.ERROR
    assert result.metadata["rows"].value == 1
    assert "| 4         | 6        | 8             |" in result.metadata["examples"].value


def test_whole_links_pass(links: pl.LazyFrame) -> None:
    objects = pl.LazyFrame({"ObjectID": [4, 5, 6]})
    constituents = pl.LazyFrame({"ConstituentID": [8, 9]})
    assert checks.links_are_whole(links, objects, constituents).passed


def test_links_that_are_there_twice_are_a_warning(links: pl.LazyFrame) -> None:
    result = checks.links_are_distinct(links)
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert result.description == "1 row, 1 different ObjectID."


def test_terms_without_constituent_are_a_warning() -> None:
    terms = pl.LazyFrame(
        {"ConstituentID": [7, 7, 8], "ThesXrefType": ["Gender"] * 3, "Term": ["a", "b", "c"]}
    )
    result = checks.terms_have_constituents(terms, pl.LazyFrame({"ConstituentID": [8]}))
    assert not result.passed
    assert (result.metadata["rows"].value, result.metadata["keys"].value) == (2, 1)


def test_objects_without_image_are_only_counted() -> None:
    objects = pl.LazyFrame({"ObjectID": [1, 2], "ObjectNumber": ["NPG.1", "NPG.2"]})
    result = checks.objects_without_image(pl.LazyFrame({"ObjectID": [2]}), objects)
    assert result.passed
    assert result.metadata["rows"].value == 1


def test_objects_without_years_are_only_counted() -> None:
    rows = [(1, "NPG.1", "n.d.", None, None), (2, "NPG.2", "after 1840", 1840, None)]
    columns = ["object_id", "object_number", "dated", "earliest_year", "latest_year"]
    result = checks.objects_without_years(pl.LazyFrame(rows, schema=columns, orient="row"))
    assert result.passed
    assert "| 1         | NPG.1         | n.d.  |" in result.metadata["examples"].value


def test_warnings_let_the_run_go_on(
    sample: Path, run: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    result = run(FolderSource(directory=str(sample)))
    assert result.success
    passed = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    assert passed == {
        "links_are_whole": True,
        "links_are_distinct": False,
        "terms_have_constituents": False,
        "objects_without_image": True,
        "objects_without_years": True,
    }
