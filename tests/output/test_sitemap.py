import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from collectionflow.output import SitemapTarget

SPACE = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
Publish = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Publish a frame as a sitemap of the name given."""

    def publish(frame: pl.LazyFrame, name: str = "objects") -> dg.ExecuteInProcessResult:
        @dg.asset(name=name, io_manager_key="sitemap")
        def sitemap() -> pl.LazyFrame:
            return frame

        target = SitemapTarget(directory=str(tmp_path), base_url="https://example.org/")
        return dg.materialize([sitemap], resources={"sitemap": target}, raise_on_error=False)

    return publish


def texts(path: Path, element: str) -> list[str | None]:
    """Return the texts of all elements of a name, by another parser than wrote them."""
    return [found.text for found in ET.parse(path).iterfind(f".//s:{element}", SPACE)]  # noqa: S314 (our own file)


def files(folder: Path, name: str = "objects") -> list[Path]:
    """Return the files that an index names, in its order."""
    locations = [str(each) for each in texts(folder / f"{name}.xml", "loc")]
    return [folder / location.removeprefix("https://example.org/") for location in locations]


def test_urls_and_dates_are_read_back(publish: Publish, tmp_path: Path) -> None:
    frame = pl.LazyFrame(
        {
            "loc": ["https://example.org/a?b=1&c='<>\"", "https://example.org/é"],
            "lastmod": [date(2026, 11, 24), None],
        }
    )
    result = publish(frame)
    (file,) = files(tmp_path)
    assert texts(file, "loc") == frame.collect()["loc"].to_list()
    assert texts(file, "lastmod") == ["2026-11-24"]
    (event,) = result.asset_materializations_for_node("objects")
    assert event.metadata["files"].value == 1
    assert event.metadata["sitemap"].value == "https://example.org/objects.xml"


def test_a_file_holds_50_000_urls(publish: Publish, tmp_path: Path) -> None:
    frame = pl.LazyFrame({"n": range(50_001)})
    publish(frame.select(loc=pl.format("https://example.org/{}", "n")))
    assert [len(texts(file, "loc")) for file in files(tmp_path)] == [50_000, 1]


def test_the_same_urls_give_the_same_files(publish: Publish, tmp_path: Path) -> None:
    frame = pl.LazyFrame({"loc": ["https://example.org/1"]})
    publish(frame)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.xml")}
    publish(frame)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.xml")} == before


def test_files_of_the_sitemap_before_are_removed_and_no_others(
    publish: Publish, tmp_path: Path
) -> None:
    publish(pl.LazyFrame({"loc": ["https://example.org/1"]}))
    publish(pl.LazyFrame({"loc": ["https://example.org/2"]}), "objects_1")
    (tmp_path / "objects-1-mine.xml").write_text("mine")
    old = files(tmp_path)
    publish(pl.LazyFrame({"loc": ["https://example.org/3"]}))
    assert not old[0].exists()
    assert files(tmp_path, "objects_1")[0].exists()
    assert (tmp_path / "objects-1-mine.xml").exists()
    assert len(list(tmp_path.glob("*.xml"))) == 5


def test_no_urls_are_an_empty_sitemap(publish: Publish, tmp_path: Path) -> None:
    publish(pl.LazyFrame({"loc": []}, schema={"loc": pl.String}))
    (file,) = files(tmp_path)
    assert texts(file, "loc") == []


@pytest.mark.parametrize(
    "url", [None, "/objects/1", "ftp://example.org", "https://e.org/" + "x" * 2_048]
)
def test_what_is_no_absolute_url_stops_the_sitemap(
    publish: Publish, tmp_path: Path, url: str | None
) -> None:
    publish(pl.LazyFrame({"loc": ["https://example.org/1"]}))
    before = files(tmp_path)
    result = publish(pl.LazyFrame({"loc": ["https://example.org/2", url]}))
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "'objects' has 1 URLs that a sitemap cannot hold" in str(
        failed.step_failure_data.user_failure_data
    )
    assert files(tmp_path) == before
