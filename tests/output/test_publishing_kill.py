"""What readers find while documents are published, and after the publisher was killed."""

import json
import multiprocessing
import random
import re
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest
from upath import UPath

from collectionflow.output import document_id
from collectionflow.output._json_file import DocumentFile, publish_file
from collectionflow.output._json_folder import DocumentFolder, publish_folder
from collectionflow.output._sitemap_files import Sitemap
from collectionflow.output._sitemap_publication import Pages, publish_sitemap
from collectionflow.output._target import Terms

KILLS = 40
A_FILE_EACH = 200
IN_ONE_FILE = 20_000
PAGES = 55_000  # More than one file holds.
SITE = "https://example.org"
GENERATIONS = 10


def frame(generation: int, documents: int) -> pl.LazyFrame:
    """Return documents of which half are new with each generation."""
    number = pl.int_range(documents)
    text = pl.when(number % 2 == 0).then(pl.lit(generation)).otherwise(-1)
    return pl.LazyFrame({"one": [1]}).select(id=number, generation=text)


# What another process runs has to be of a module that it can import.
def folder_publication(folder: Path, generation: int) -> tuple[Any, ...]:
    place = DocumentFolder(base=folder, name="objects", suffix=".json")
    return publish_folder, place, frame(generation, A_FILE_EACH), Terms(metadata=document_id("id"))


def file_publication(folder: Path, generation: int) -> tuple[Any, ...]:
    place = DocumentFile(base=UPath(folder), name="objects", suffix=".ndjson")
    return publish_file, place, frame(generation, IN_ONE_FILE), Terms()


def generation_of(documents: list[dict[str, Any]], count: int) -> int:
    """Return of which generation documents are; they must be whole."""
    assert [each["id"] for each in documents] == list(range(count))
    (generation,) = {each["generation"] for each in documents[::2]}
    assert {each["generation"] for each in documents[1::2]} == {-1}
    return generation


def read_folder(folder: Path) -> int:
    """Follow the link once, then the index, as a reader does who wants one publication."""
    published = (folder / "objects").resolve(strict=True)
    index = json.loads((published / "index.json").read_bytes())
    listed = (published / "index.ndjson").read_bytes()
    assert f"{zlib.crc32(listed):08x}" == index["files"][0]["crc32"]
    files = [json.loads(line)["file"] for line in listed.splitlines()]
    assert len(files) == index["documents"] == len(list(published.iterdir())) - 2
    documents = [json.loads((published / file).read_bytes()) for file in files]
    return generation_of(documents, A_FILE_EACH)


def lines(content: bytes) -> list[dict[str, Any]]:
    return json.loads(b"[" + b",".join(content.splitlines()) + b"]")


def read_file(folder: Path) -> int:
    """Follow the index; who reads the plain name must find whole documents too."""
    plain = (
        (folder / "objects.ndjson").read_bytes() if (folder / "objects.ndjson").exists() else b""
    )
    if plain:
        generation_of(lines(plain), IN_ONE_FILE)
    index = json.loads((folder / "objects.index.json").read_bytes())
    content = (folder / index["files"][0]["file"]).read_bytes()
    assert f"{zlib.crc32(content):08x}" == index["files"][0]["crc32"]
    return generation_of(lines(content), IN_ONE_FILE)


def sitemap_publication(folder: Path, generation: int) -> tuple[Any, ...]:
    number = pl.int_range(PAGES)
    pages = pl.LazyFrame({"one": [1]}).select(loc=pl.format(f"{SITE}/{{}}/{generation}", number))
    sitemap = Sitemap(base=UPath(folder), name="objects", url=SITE)
    return publish_all_pages, sitemap, Pages("objects", pages, SITE), Terms()


publish_all_pages = partial(publish_sitemap, has_images=False, is_gzip=False)


def read_sitemap(folder: Path) -> int:
    """Follow the index, as a crawler does."""
    index = (folder / "objects.xml").read_text()
    names = re.findall(f"<loc>{SITE}/(.*)</loc>", index)
    content = "".join((folder / name).read_text() for name in names)
    pages = re.findall(f"<loc>{SITE}/([0-9]+)/(-?[0-9]+)</loc>", content)
    assert [int(number) for number, _ in pages] == list(range(PAGES))
    (generation,) = {generation for _, generation in pages}
    return int(generation)


Publication, Read = Callable[[Path, int], tuple[Any, ...]], Callable[[Path], int]
LAYOUTS = pytest.mark.parametrize(
    ("publication", "read"),
    [
        (folder_publication, read_folder),
        (file_publication, read_file),
        (sitemap_publication, read_sitemap),
    ],
)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Fork from a process that has loaded the libraries: a start takes 10 ms, not 2 s."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["collectionflow.output"])
    return context


@LAYOUTS
def test_a_killed_run_leaves_the_old_documents_or_the_new_ones(
    processes: ForkServerContext, tmp_path: Path, publication: Publication, read: Read
) -> None:
    partial = tmp_path / ".collectionflow" / "partial"

    def written() -> set[Path]:
        return {path for path in partial.glob("*") if path.is_file()}

    def writing(generation: int) -> Any:
        """Return a process that has just begun to write."""
        before = written()
        publish, *arguments = publication(tmp_path, generation)
        process = processes.Process(target=publish, args=arguments)
        process.start()
        while process.is_alive() and written() <= before:
            time.sleep(0.0005)
        return process

    def seconds_of_a_run(generation: int) -> float:
        process = writing(generation)
        begin = time.monotonic()
        process.join()
        return time.monotonic() - begin

    seconds_of_a_run(-4)  # The first one loads the libraries.
    longest = median(seconds_of_a_run(generation) for generation in (-3, -2, 0))
    dice = random.Random(1984)  # noqa: S311 (dice, no secret)
    last, changes, killed_while_writing = 0, 0, 0
    for generation in range(1, KILLS + 1):
        process = writing(generation)
        time.sleep(dice.uniform(0, longest))
        process.kill()
        process.join()
        left = written()
        killed_while_writing += len(left)
        found = read(tmp_path)
        assert found in {last, generation}
        changes += found != last
        last = found
        # A machine that is busy with other things now must not make all kills early or late.
        longest *= 1.1 if left else 0.9
    assert killed_while_writing > KILLS // 8, "The kills missed the writing."
    assert changes > 1, "The kills missed the publishing."
    publish, *arguments = publication(tmp_path, KILLS + 1)
    publish(*arguments)
    assert read(tmp_path) == KILLS + 1
    assert written() == set(), "The next run clears away what a killed one left."


@LAYOUTS
def test_two_publishers_at_once_and_a_reader_who_sees_only_whole_publications(
    processes: ForkServerContext, tmp_path: Path, publication: Publication, read: Read
) -> None:
    publish, *arguments = publication(tmp_path, 0)
    publish(*arguments)
    seen = set()
    with ProcessPoolExecutor(2, mp_context=processes) as pool:
        runs = [
            pool.submit(*publication(tmp_path, generation))
            for generation in range(1, GENERATIONS + 1)
        ]
        while not all(run.done() for run in runs):
            try:
                seen.add(read(tmp_path))
            except FileNotFoundError:
                # Slower than two publications: what it read is gone, and it begins again.
                continue
    for run in runs:
        run.result()
    assert len(seen) > 1
    assert read(tmp_path) in range(1, GENERATIONS + 1)
