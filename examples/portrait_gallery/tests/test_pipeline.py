"""The pipeline from end to end, on the sample."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
from polars.testing import assert_frame_equal

from collectionflow.harvest import DatabaseSource, FolderSource
from portrait_gallery.definitions import defs
from portrait_gallery.sample import write_database
from portrait_gallery.sample.files import tables
from portrait_gallery.website import Website

Run = Callable[..., dg.ExecuteInProcessResult]
Table = Callable[[str], pl.DataFrame]


def test_the_sample_becomes_documents_and_a_sitemap(sample: Path, tmp_path: Path, run: Run) -> None:
    assert run(FolderSource(directory=str(sample))).success
    lines = (tmp_path / "website" / "objects_json.ndjson").read_text().splitlines()
    documents = [json.loads(line) for line in lines]
    assert len(documents) == 120
    assert [each["id"] for each in documents] == sorted(each["id"] for each in documents)
    assert max(len(each["sitters"]) for each in documents) > 150
    assert "NULL" not in "".join(lines)
    assert "(Non-Portrait)" not in "".join(lines)
    sitemap = (tmp_path / "website" / "objects_sitemap.xml").read_text()
    (part,) = tmp_path.glob("website/objects_sitemap-1-*.xml")
    assert f"<loc>https://example.org/{part.name}</loc>" in sitemap
    assert part.read_text().count("<loc>https://example.org/object/npg_") == 120
    images = [each for each in documents if each["image"]]
    assert part.read_text().count("<image:loc>https://images.example.org/") == len(images) > 100


def test_what_is_published_is_read_back_and_counted(sample: Path, run: Run) -> None:
    result = run(FolderSource(directory=str(sample)))
    counted = {
        each.asset_key.to_user_string(): (each.passed, each.description)
        for each in result.get_asset_check_evaluations()
        if each.check_name == "published_count"
    }
    found = (True, "120 documents are published, of 120 rows.")
    assert counted == {"objects_json": found, "objects_sitemap": found}


def test_a_second_run_changes_nothing(
    sample: Path, tmp_path: Path, run: Run, table: Table, published: Callable[[], dict[str, bytes]]
) -> None:
    source = FolderSource(directory=str(sample))
    assert run(source).success
    names = [path.stem for path in tmp_path.glob("tables/*.parquet")]
    tables_before, website_before = {name: table(name) for name in names}, published()
    assert run(source).success
    assert published() == website_before
    for name in names:
        assert_frame_equal(table(name), tables_before[name])


def test_a_database_gives_the_same_documents_as_files(
    sample: Path, tmp_path: Path, run: Run, table: Table
) -> None:
    url = f"sqlite:///{tmp_path}/gallery.db"
    write_database(url, 120, seed=1)
    assert run(DatabaseSource(url=url)).success
    from_database = table("object_documents")
    assert run(FolderSource(directory=str(sample))).success
    assert_frame_equal(table("object_documents"), from_database)


def test_documents_are_published_anew_without_the_source(
    sample: Path, tmp_path: Path, run: Run, published: Callable[[], dict[str, bytes]]
) -> None:
    assert run(FolderSource(directory=str(sample))).success
    before = published()["objects_json.ndjson"]
    (tmp_path / "website" / "objects_json.ndjson").unlink()
    assert run(FolderSource(directory="nowhere"), job="documents").success
    assert published()["objects_json.ndjson"] == before


def test_stages_run_in_memory_on_tables_given_to_them() -> None:
    harvested = [given(f"harvested_{name}", frame) for name, frame in tables(30, seed=1).items()]
    stages = [
        asset
        for asset in defs.assets or []
        if isinstance(asset, dg.AssetsDefinition)
        and asset.key.path[-1].startswith(("cleaned", "enriched", "linked", "object_"))
    ]
    result = dg.materialize_to_memory([*harvested, *stages])
    documents = result.output_for_node("object_documents").collect()
    assert documents.height == 30
    assert documents["title"].null_count() == 0


def test_an_address_has_underscores_where_the_number_has_slashes() -> None:
    website = Website(object_pages="https://example.org/object/npg_")
    numbers = pl.DataFrame({"number": ["S/NPG.77.190"]})
    assert numbers.select(website.object_page(pl.col("number"))).item() == (
        "https://example.org/object/npg_S_NPG.77.190"
    )


def given(name: str, frame: pl.LazyFrame) -> dg.AssetsDefinition:
    @dg.asset(name=name)
    def table() -> pl.LazyFrame:
        return frame

    return table
