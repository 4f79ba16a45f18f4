"""The sample has the proportions and the dirt of a real export, and is the same each time."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import polars as pl
import pytest

from portrait_gallery.sample import SampleSource, write_database, write_sample
from portrait_gallery.sample.files import EXCEL_ROWS, tables

OBJECTS = 16_846


@pytest.fixture(scope="module")
def gallery() -> dict[str, pl.DataFrame]:
    return {name: table.collect() for name, table in tables(OBJECTS, seed=1).items()}


def test_tables_have_the_proportions_of_the_real_export(gallery: dict[str, pl.DataFrame]) -> None:
    real = {
        "objects": 16_846,
        "titles": 18_122,
        "constituents": 12_734,
        "links": 42_429,
        "images": 15_090,
        "constituent_terms": 54_942,
    }
    assert {name: table.height for name, table in gallery.items()} == pytest.approx(real, rel=0.04)


def test_keys_are_distinct(gallery: dict[str, pl.DataFrame]) -> None:
    objects = gallery["objects"]
    assert objects["ObjectID"].is_unique().all()
    assert objects["ObjectNumber"].is_unique().all()
    assert gallery["constituents"]["ConstituentID"].is_unique().all()
    assert gallery["links"]["ConXrefID"].is_unique().all()


def test_links_have_their_object_and_their_constituent(gallery: dict[str, pl.DataFrame]) -> None:
    links = gallery["links"]
    assert links.join(gallery["objects"], on="ObjectID", how="anti").is_empty()
    assert links.join(gallery["constituents"], on="ConstituentID", how="anti").is_empty()


def test_one_object_has_160_constituents(gallery: dict[str, pl.DataFrame]) -> None:
    sizes = gallery["links"].group_by("ObjectID").len()["len"]
    assert sizes.max() == 160
    assert sizes.mean() == pytest.approx(42_429 / OBJECTS, rel=0.02)


def test_some_links_are_there_twice(gallery: dict[str, pl.DataFrame]) -> None:
    repeated = gallery["links"].group_by("ObjectID", "ConstituentID", "RoleID").len()
    assert repeated.filter(pl.col("len") > 1).height == 16


def test_terms_outlive_some_constituents(gallery: dict[str, pl.DataFrame]) -> None:
    terms, constituents = gallery["constituent_terms"], gallery["constituents"]
    orphans = terms.join(constituents, on="ConstituentID", how="anti")
    assert orphans["ConstituentID"].n_unique() == 452
    assert orphans.height == pytest.approx(1_689, rel=0.15)


def test_some_objects_have_several_titles_and_some_no_image(
    gallery: dict[str, pl.DataFrame],
) -> None:
    titles = gallery["titles"].filter(pl.col("DisplayOrder") == 2)
    assert titles.height == pytest.approx(1_253, rel=0.05)
    without = gallery["objects"].join(gallery["images"], on="ObjectID", how="anti")
    assert without.height == pytest.approx(1_756, rel=0.05)


@pytest.mark.parametrize(
    ("name", "column", "pattern"),
    [
        ("objects", "Medium", "^NULL$"),
        ("objects", "Medium", "“"),
        ("objects", "Dimensions", ' {2}.*"'),
        ("objects", "CreditLine", "\n"),
        ("objects", "CreditLine", r"\s$"),
        ("objects", "Exhibitions", '"'),
        ("titles", "Title", r"\s$"),
        ("titles", "Title", '"Great"'),
        ("constituents", "DisplayName", r"^\(Non-Portrait\)$"),
        ("constituents", "DisplayName", "[éøñÅ]"),
        ("constituents", "DisplayName", ' "'),
        ("constituents", "DisplayDate", "^born  "),
        ("links", "Suffix", "^ "),
        ("images", "Size Notes", "^$"),
    ],
)
def test_texts_are_as_dirty_as_real_ones(
    gallery: dict[str, pl.DataFrame], name: str, column: str, pattern: str
) -> None:
    assert gallery[name][column].str.contains(pattern).any()


def test_unknown_years_are_0(gallery: dict[str, pl.DataFrame]) -> None:
    undated = gallery["objects"].filter(pl.col("DateBegin") == 0, pl.col("DateEnd") == 0)
    assert undated.height == pytest.approx(581, rel=0.2)
    assert set(undated["Dated"]) == {"NULL", "n.d.a."}


def test_files_are_written_as_the_museum_writes_them(sample: Path) -> None:
    names = {path.name for path in sample.iterdir()}
    assert names == {
        "objects.csv",
        "titles.csv",
        "constituents.csv",
        "links.csv",
        "images.csv",
        "constituent_terms.xlsx",
    }
    images = (sample / "images.csv").read_bytes()
    assert images.startswith(b"\xef\xbb\xbfObjectID,Accession Number")
    assert images.count(b"\r\n") == images.count(b"\n")
    assert b"\r" not in (sample / "objects.csv").read_bytes()


def test_what_excel_cannot_hold_is_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert EXCEL_ROWS < 1_048_576
    monkeypatch.setattr("portrait_gallery.sample.files.EXCEL_ROWS", 100)
    write_sample(tmp_path / "files", 30, seed=1)
    assert (tmp_path / "files" / "constituent_terms.csv").exists()


def test_the_same_seed_gives_the_same_bytes_and_another_another_gallery(tmp_path: Path) -> None:
    for name, seed in {"one": 1, "same": 1, "other": 2}.items():
        write_sample(tmp_path / name, 30, seed)
    one, same, other = (contents(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one["objects.csv"] != other["objects.csv"]


def test_processes_that_start_at_once_share_one_sample(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: write_sample(tmp_path / "files", 30, seed=1), range(4)))
    assert [path.name for path in tmp_path.iterdir()] == ["files"]
    assert len(contents(tmp_path / "files")) == 6


def test_a_sample_that_cannot_be_named_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        write_sample(tmp_path / "files", 30, seed=1)
    assert list(tmp_path.iterdir()) == []


def test_a_sample_too_small_for_its_dirt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 30 objects, not 3"):
        write_sample(tmp_path / "files", 3, seed=1)


def test_a_source_writes_its_own_sample_once(tmp_path: Path) -> None:
    from portrait_gallery.contracts import HarvestedTitles

    source = SampleSource(directory=str(tmp_path), object_count=30, seed=7)
    first = source.harvest("titles", HarvestedTitles).collect()
    assert source.harvest("titles", HarvestedTitles).collect().equals(first)
    assert [path.name for path in tmp_path.iterdir()] == ["30-objects-seed-7"]


def test_a_database_has_numbers_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "tms" / "gallery.db"
    write_database(f"sqlite:///{path}", 30, seed=1)
    write_database(f"sqlite:///{path}", 30, seed=1)  # Takes the place of the first.
    with sqlite3.connect(path) as connection:
        query = "SELECT count(*), typeof(max(ObjectID)), sum(Edition IS NULL) > 0 FROM objects"
        assert connection.execute(query).fetchone() == (30, "integer", 1)
        assert connection.execute(
            "SELECT count(*) FROM links WHERE Suffix = 'NULL'"
        ).fetchone() == (0,)
    connection.close()
    assert [each.name for each in path.parent.iterdir()] == ["gallery.db"]


def test_the_command_writes_files_and_a_database(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "portrait_gallery.sample", "--objects", "30"]
    files, database = tmp_path / "files", tmp_path / "gallery.db"
    subprocess.run([*command, "--out", files, "--database", f"sqlite:///{database}"], check=True)
    assert len(contents(files)) == 6
    assert database.exists()
    again = subprocess.run([*command, "--out", files], check=False, capture_output=True, text=True)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    nowhere = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "--out FOLDER, --database URL or --serve PORT" in nowhere.stderr


def test_the_command_serves_an_api() -> None:
    command = [sys.executable, "-m", "portrait_gallery.sample", "--objects", "30", "--serve", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().removeprefix("Serving ").strip()
        with urlopen(f"{url}?page=4&size=8") as answer:
            page = json.load(answer)
        with pytest.raises(HTTPError, match="404"):
            urlopen(url.replace("objects", "nope"))
        server.kill()
    assert page["total"] == 30
    assert [type(each["ObjectID"]) for each in page["records"]] == [int] * 6
    assert "NULL" not in json.dumps(page)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
