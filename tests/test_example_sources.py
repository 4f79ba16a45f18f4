"""The example client on servers that are started here: what differs is its configuration alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow.harvest import FolderSource, TableSource
from portrait_gallery.definitions import defs
from portrait_gallery.resources import SOURCES, resources
from portrait_gallery.sample import api, write_database, write_sample

OBJECTS = 60
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Documents = Callable[[TableSource], pl.DataFrame]


@pytest.fixture
def documents(tmp_path: Path, instance: dg.DagsterInstance) -> Documents:
    """Run the example on a source and return the documents that came of it."""

    def run(source: TableSource) -> pl.DataFrame:
        project = dg.Definitions(
            assets=defs.assets,
            asset_checks=defs.asset_checks,
            jobs=defs.jobs,
            resources=resources(source, str(tmp_path), "https://example.org"),
        )
        job = project.resolve_job_def("collection")
        assert job.execute_in_process(run_config=_QUIET, instance=instance).success
        return pl.read_parquet(tmp_path / "tables" / "object_documents.parquet")

    return run


@pytest.fixture
def files(tmp_path: Path) -> FolderSource:
    write_sample(tmp_path / "files", OBJECTS, seed=1)
    return FolderSource(directory=str(tmp_path / "files"))


@pytest.fixture
def api_url() -> Iterator[str]:
    with make_server("127.0.0.1", 0, api(OBJECTS, seed=1), handler_class=_Quiet) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (its name there)
        """Say nothing of each request."""


def test_postgresql_gives_the_same_documents_as_files(
    documents: Documents,
    files: FolderSource,
    postgresql_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_database(postgresql_url, OBJECTS, seed=1)
    monkeypatch.setenv("PORTRAIT_GALLERY_DATABASE", postgresql_url)
    from_database = documents(SOURCES["database"])
    assert_frame_equal(documents(files), from_database)


def test_an_api_gives_the_same_documents_as_files(
    documents: Documents, files: FolderSource, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTRAIT_GALLERY_API", api_url)
    from_api = documents(SOURCES["api"])
    assert_frame_equal(documents(files), from_api)
