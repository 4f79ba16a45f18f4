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


def test_links_that_are_there_twice_are_found(links: pl.LazyFrame) -> None:
    assert checks.links_are_distinct(links).collect().rows() == [(4, 9, 19, 2)]


def test_objects_without_image_are_found() -> None:
    objects = pl.LazyFrame({"ObjectID": [1, 2], "ObjectNumber": ["NPG.1", "NPG.2"]})
    found = checks.objects_without_image(objects, pl.LazyFrame({"ObjectID": [2]}))
    assert found.collect().rows() == [(1, "NPG.1")]


def test_objects_without_years_are_found() -> None:
    rows = [(1, "NPG.1", "n.d.", None, None), (2, "NPG.2", "after 1840", 1840, None)]
    columns = ["object_id", "object_number", "dated", "earliest_year", "latest_year"]
    found = checks.objects_without_years(pl.LazyFrame(rows, schema=columns, orient="row"))
    assert found.collect().rows() == [(1, "NPG.1", "n.d.")]


def test_what_documents_are_built_on_blocks_and_the_rest_warns() -> None:
    severities = {
        (spec.asset_key.to_user_string(), spec.name): spec.blocking
        for check in checks.after_harvest
        for spec in check.check_specs
    }
    assert severities["harvested_links", "ObjectID_is_in_harvested_objects"]
    assert severities["harvested_links", "ConstituentID_is_in_harvested_constituents"]
    assert not severities["harvested_links", "links_are_distinct"]
    assert not severities[
        "harvested_constituent_terms", "ConstituentID_is_in_harvested_constituents"
    ]
    assert not severities["harvested_objects", "objects_without_image"]


def test_warnings_let_the_run_go_on(
    sample: Path, run: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    result = run(FolderSource(directory=str(sample)))
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert {
        (each.asset_key.to_user_string(), each.check_name)
        for each in evaluations
        if not each.passed
    } == {
        ("harvested_links", "links_are_distinct"),
        ("harvested_constituent_terms", "ConstituentID_is_in_harvested_constituents"),
    }
    failing = {
        each.check_name: each.metadata["failing"].value
        for each in evaluations
        if "failing" in each.metadata
    }
    assert failing["objects_without_image"] == 13
    assert failing["objects_without_years"] == 5
