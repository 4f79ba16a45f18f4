"""The pipeline on the real export of the National Portrait Gallery, which NPG_EXPORT names."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from portrait_gallery.definitions import defs
from portrait_gallery.resources import SOURCES, resources

WHERE = (
    "NPG_EXPORT is not set: it names the folder of the gallery's real export "
    "(github.com/american-art/npg), of which the expected figures are known."
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "NPG_EXPORT" not in os.environ:
        if "CI" in os.environ:
            pytest.fail(WHERE)
        pytest.skip(WHERE)
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def result(folder: Path) -> Iterator[dg.ExecuteInProcessResult]:
    project = dg.Definitions(
        assets=defs.assets,
        asset_checks=defs.asset_checks,
        jobs=defs.jobs,
        resources=resources(SOURCES["export"], str(folder), "http://npg.si.edu"),
    )
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        job = project.resolve_job_def("collection")
        yield job.execute_in_process(run_config=quiet, instance=instance)


@pytest.fixture(scope="module")
def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], tuple[bool, object]]:
    """Which checks found something, and in how many rows."""
    return {
        (each.asset_key.to_user_string(), each.check_name): (each.passed, count.value)
        for each in result.get_asset_check_evaluations()
        if (count := each.metadata.get("failing")) and count.value
    }


@pytest.fixture(scope="module")
def tables(result: dg.ExecuteInProcessResult, folder: Path) -> dict[str, pl.DataFrame]:
    assert result.success
    return {path.stem: pl.read_parquet(path) for path in folder.glob("tables/*.parquet")}


def test_all_that_is_in_the_export_is_harvested(tables: dict[str, pl.DataFrame]) -> None:
    rows = {name: table.height for name, table in tables.items() if name.startswith("harvested")}
    assert rows == {
        "harvested_objects": 16_846,
        "harvested_titles": 18_122,
        "harvested_constituents": 12_734,
        "harvested_links": 42_429,
        "harvested_images": 15_090,
        "harvested_constituent_terms": 54_942,
    }
    objects = tables["harvested_objects"]
    assert objects["ObjectID"].n_unique() == objects["ObjectNumber"].n_unique() == 16_846


def test_the_checks_find_what_is_known_of_the_export(
    checks: dict[tuple[str, str], tuple[bool, object]],
) -> None:
    assert checks == {
        ("harvested_links", "links_are_distinct"): (False, 16),
        ("harvested_constituent_terms", "ConstituentID_is_in_harvested_constituents"): (
            False,
            1_689,
        ),
        ("harvested_objects", "objects_without_image"): (True, 1_756),
        ("cleaned_objects", "objects_without_years"): (True, 581),
    }


def test_objects_have_their_titles_years_and_images(tables: dict[str, pl.DataFrame]) -> None:
    objects = tables["enriched_objects"]
    assert objects.height == 16_846
    several = tables["harvested_titles"].group_by("ObjectID").len().filter(pl.col("len") > 1)
    assert several.height == 1_253
    # Two of them have one title twice, which is no other title.
    assert (objects["other_titles"].list.len() > 0).sum() == 1_251
    undated = objects.filter(pl.col("earliest_year").is_null(), pl.col("latest_year").is_null())
    assert undated.height == 581
    assert objects["image_url"].null_count() == 1_756


def test_years_are_read_from_life_dates_where_the_source_has_none(
    tables: dict[str, pl.DataFrame],
) -> None:
    people = tables["cleaned_constituents"]
    undated = tables["harvested_constituents"].filter(
        pl.col("BeginDate") == 0, pl.col("EndDate") == 0
    )
    read = people.join(undated, left_on="constituent_id", right_on="ConstituentID").drop_nulls(
        "begin_year"
    )
    assert read.height == 15
    assert people.filter(pl.col("name") == "Marc Anthony")["begin_year"].item() == 1968


def test_one_document_has_160_people(result: dg.ExecuteInProcessResult, folder: Path) -> None:
    assert result.success
    with (folder / "website" / "objects_json.ndjson").open(encoding="utf-8") as lines:
        documents = {document["id"]: document for document in map(json.loads, lines)}
    assert len(documents) == 16_846
    people = {
        number: len(document["sitters"]) + len(document["artists"]) + len(document["related"])
        for number, document in documents.items()
    }
    assert max(people.values()) == people[17_216] == 160
    assert sum(not document["is_portrait"] for document in documents.values()) == 676


def test_pages_have_the_addresses_that_the_museum_gives_them(
    result: dg.ExecuteInProcessResult, folder: Path
) -> None:
    assert result.success
    theirs = pl.read_csv(Path(os.environ["NPG_EXPORT"], "NPGWebObjectURLs.csv"))["URL"]
    (sitemap,) = folder.glob("website/objects_sitemap-1-*.xml")
    ours = sitemap.read_text().split("<loc>")[1:]
    assert {each.partition("</loc>")[0] for each in ours} == set(theirs)
