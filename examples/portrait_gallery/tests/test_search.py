"""The website's search, on a real server."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import dagster as dg
import polars as pl
import pytest

from collectionflow.harvest import FolderSource
from portrait_gallery import search
from portrait_gallery.definitions import defs
from portrait_gallery.resources import resources


@pytest.fixture
def search_url(request: pytest.FixtureRequest) -> str:
    """The library's own tests start a server; elsewhere PORTRAIT_GALLERY_SEARCH_URL names one."""
    try:
        return request.getfixturevalue("opensearch_url")
    except pytest.FixtureLookupError:
        if url := os.environ.get("PORTRAIT_GALLERY_SEARCH_URL"):
            return url
        pytest.skip("PORTRAIT_GALLERY_SEARCH_URL is not set: it names a search server.")


def hits(url: str, query: str) -> list[dict[str, Any]]:
    """Return the documents that a visitor's words find among the sitters' names."""
    where = f"{url}/objects_search/_search?size=1000&q=sitters.name:({quote(query)})"
    with urlopen(where) as answer:
        return [hit["_source"] for hit in json.load(answer)["hits"]["hits"]]


def test_a_visitor_finds_a_sitter_without_the_accents_of_the_name(
    sample: Path, tmp_path: Path, search_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTRAIT_GALLERY_SEARCH_URL", search_url)
    (index,) = search.definitions(search_url)
    project = dg.Definitions(
        assets=[*(defs.assets or []), *(index.assets or [])],
        asset_checks=[*(defs.asset_checks or []), *(index.asset_checks or [])],
        jobs=defs.jobs,
        resources=resources(
            FolderSource(directory=str(sample)), str(tmp_path), "https://example.org"
        )
        | dict(index.resources or {}),
    )
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    tags = {"collectionflow/allow_drop": "objects_search"}
    with dg.DagsterInstance.ephemeral() as instance:
        job = project.resolve_job_def("collection")
        result = job.execute_in_process(run_config=quiet, instance=instance, tags=tags)
    (check,) = [
        each
        for each in result.get_asset_check_evaluations()
        if each.check_name == "every_object_is_found"
    ]
    assert check.passed
    documents = pl.read_parquet(tmp_path / "tables" / "object_documents.parquet")
    names = documents.explode("sitters").get_column("sitters").struct.field("name").drop_nulls()
    accented = names.filter(names.str.contains("é"))
    assert not accented.is_empty()
    name = accented[0]
    words = name.replace("é", "e")
    assert name in {sitter["name"] for hit in hits(search_url, words) for sitter in hit["sitters"]}


def test_without_a_server_there_is_no_index() -> None:
    assert search.definitions(None) == []
