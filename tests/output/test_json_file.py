"""Documents in one file: whole or not at all, and an index that tells what is in it."""

import gzip
import io
import json
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectionflow.errors import ProjectError, Refused, StopRun
from collectionflow.output import JsonArrayTarget, NdjsonTarget
from collectionflow.output._json_writer import JsonWriter, Written, write
from collectionflow.output._target import Terms
from collectionflow.storage.drop_guard import DropGuard

DOCUMENTS = [{"id": 1, "title": "Émile"}, {"id": 2, "title": None}]
FRAME = pl.LazyFrame(DOCUMENTS)
TARGETS = [
    (NdjsonTarget, False, ".ndjson"),
    (NdjsonTarget, True, ".ndjson.gz"),
    (JsonArrayTarget, False, ".json"),
    (JsonArrayTarget, True, ".json.gz"),
]
FORMATS = pytest.mark.parametrize(("target", "is_gzip", "suffix"), TARGETS)


def numbered(first: int, last: int) -> pl.LazyFrame:
    return pl.LazyFrame({"id": range(first, last)}, schema={"id": pl.Int64})


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def documents(path: Path) -> Any:
    text = content(path).decode()
    lines = text.split("\n")[:-1]
    return [json.loads(line) for line in lines] if ".ndjson" in path.name else json.loads(text)


def indexed(folder: Path) -> Any:
    """Return the index, and the documents of the file that it names."""
    index = json.loads((folder / "objects.index.json").read_bytes())
    (listed,) = index["files"]
    return index, documents(folder / listed["file"])


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@FORMATS
def test_documents_and_index_are_read_back(
    tmp_path: Path, target: Any, is_gzip: bool, suffix: str
) -> None:
    site = target(directory=str(tmp_path), is_gzip=is_gzip)
    metadata = site.publish("objects", FRAME)
    path = tmp_path / f"objects{suffix}"
    assert documents(path) == DOCUMENTS
    index, listed = indexed(tmp_path)
    checksum = f"{zlib.crc32(content(path)):08x}"
    assert listed == DOCUMENTS
    assert index == {
        "documents": 2,
        "files": [
            {
                "file": f"objects-{checksum}{suffix}",
                "documents": 2,
                "bytes": len(content(path)),
                "crc32": checksum,
            }
        ],
    }
    assert metadata["crc32"] == checksum
    assert metadata["dagster/size_bytes"] == path.stat().st_size
    assert metadata["path"].value == str(path)
    assert site.count("objects") == 2


@FORMATS
def test_the_same_documents_give_the_same_files(
    tmp_path: Path, target: Any, is_gzip: bool, suffix: str
) -> None:
    site = target(directory=str(tmp_path), is_gzip=is_gzip)
    site.publish("objects", numbered(0, 100_000))
    first = listing(tmp_path)
    site.publish("objects", numbered(0, 100_000))
    assert listing(tmp_path) == first
    assert len(first) == 3


@FORMATS
def test_one_publication_is_kept_and_can_be_rolled_back_to(
    tmp_path: Path, target: Any, is_gzip: bool, suffix: str
) -> None:
    site = target(directory=str(tmp_path), is_gzip=is_gzip)
    for last in (3, 4, 5):
        site.publish("objects", numbered(0, last))
    assert len(list(tmp_path.glob("objects-*"))) == 2
    name = site.rollback("objects")
    assert name == indexed(tmp_path)[0]["files"][0]["file"]
    assert len(documents(tmp_path / f"objects{suffix}")) == len(indexed(tmp_path)[1]) == 4
    assert site.count("objects") == 4
    assert site.rollback("objects", name.replace(name, "objects-")) != name
    assert site.count("objects") == 5


def test_where_nothing_earlier_is_kept_a_rollback_says_so(tmp_path: Path) -> None:
    target = NdjsonTarget(directory=str(tmp_path / "site"))
    with pytest.raises(ProjectError, match=r"no single earlier publication\. There are: none"):
        target.rollback("objects")
    assert list(tmp_path.iterdir()) == []
    target.publish("objects", FRAME)
    with pytest.raises(ProjectError, match="no single earlier publication that begins with 'x'"):
        target.rollback("objects", "x")


def test_what_was_published_in_another_format_goes_and_is_no_way_back(tmp_path: Path) -> None:
    NdjsonTarget(directory=str(tmp_path)).publish("objects", numbered(0, 3))
    array = JsonArrayTarget(directory=str(tmp_path))
    array.publish("objects", numbered(0, 4))
    assert not (tmp_path / "objects.ndjson").exists()
    assert (tmp_path / "objects.json").exists()
    with pytest.raises(ProjectError, match="There are: none"):
        array.rollback("objects")


def test_files_that_are_not_ours_stay(tmp_path: Path) -> None:
    for name in ("objects-rare-0123abcd.json", "objects-0123abcd.txt", "other-0123abcd.json"):
        (tmp_path / name).write_text("mine")
    target = JsonArrayTarget(directory=str(tmp_path))
    for last in (3, 4, 5):
        target.publish("objects", numbered(0, last))
    assert sum(content == b"mine" for content in listing(tmp_path).values()) == 3


@pytest.mark.parametrize("target", [NdjsonTarget, JsonArrayTarget])
def test_nothing_is_published_from_an_empty_frame_unless_that_is_allowed(
    tmp_path: Path, target: Any
) -> None:
    site = target(directory=str(tmp_path))
    site.publish("objects", FRAME)
    with pytest.raises(Refused, match=r"'objects' has no documents\. What was published stays"):
        site.publish("objects", FRAME.clear())
    assert site.count("objects") == 2
    site.publish_on_terms("objects", FRAME.clear(), Terms(is_drop_allowed=True))
    assert site.count("objects") == 0
    assert documents(next(tmp_path.glob("objects.*json"))) in ([], {"documents": 0})


def test_the_drop_guard_compares_with_what_the_index_says(tmp_path: Path) -> None:
    target, told = NdjsonTarget(directory=str(tmp_path)), []
    target.publish("objects", numbered(0, 100))
    with pytest.raises(Refused, match="Rows fell from 100 to 60"):
        target.publish("objects", numbered(0, 60))
    assert target.count("objects") == 100
    target.publish_on_terms("objects", numbered(0, 80), Terms(warn=told.append))
    assert told == ["'objects': Rows fell from 100 to 80 (-20%)."]
    guard = DropGuard(warn=0.9, stop=0.95)
    target.publish_on_terms("objects", numbered(0, 10), Terms(guard=guard))
    assert target.count("objects") == 10


def test_an_index_that_cannot_be_read_is_told_and_written_anew(tmp_path: Path) -> None:
    target, told = NdjsonTarget(directory=str(tmp_path)), []
    for damage in (b"{", b"[]", b'{"files": []}', b'{"files": [{"file": 1}]}', b'{"files": [1]}'):
        (tmp_path / "objects.index.json").write_bytes(damage)
        with pytest.raises(StopRun, match=r"not an index of published JSON\. Delete it"):
            target.count("objects")
        target.publish_on_terms("objects", FRAME, Terms(warn=told.append))
        assert target.count("objects") == 2
    assert told[0].startswith("'objects' is compared with nothing, and written anew: ")


@FORMATS
def test_a_file_that_someone_has_changed_is_not_counted(
    tmp_path: Path, target: Any, is_gzip: bool, suffix: str
) -> None:
    site = target(directory=str(tmp_path), is_gzip=is_gzip)
    with pytest.raises(StopRun, match="'objects' has not been published"):
        site.count("objects")
    site.publish("objects", FRAME)
    path = tmp_path / f"objects{suffix}"
    whole = path.read_bytes()
    changed = content(path).replace(b"1", b"3")
    path.unlink()
    path.write_bytes(gzip.compress(changed) if is_gzip else changed)
    with pytest.raises(StopRun, match=r"is not what '.*objects\.index\.json' says was published"):
        site.count("objects")
    path.write_bytes(whole[:-12])
    with pytest.raises(StopRun, match=r"cannot be read \(|is not what"):
        site.count("objects")
    path.unlink()
    with pytest.raises(StopRun, match=r"cannot be read \("):
        site.count("objects")
    site.publish("objects", FRAME)
    assert site.count("objects") == 2


def test_what_json_cannot_say_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    frame = pl.LazyFrame({"height": [float("nan")]})
    NdjsonTarget(directory=str(tmp_path)).publish_on_terms(
        "objects", frame, Terms(warn=told.append)
    )
    assert told == [
        "'objects': 1 values of 'height' are NaN or infinite, which JSON cannot say: they are null."
    ]


@pytest.mark.parametrize("is_array", [False, True])
def test_a_full_disk_is_an_error(*, is_array: bool) -> None:
    with pytest.raises(OSError, match="No space left"):
        write(numbered(0, 100_000), Path("/dev/full"), is_array=is_array, is_gzip=False)


def test_size_and_checksum_are_of_the_whole_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "objects.ndjson"
    large = pl.LazyFrame({"text": ["é" * 2**20] * 20})
    written = write(large, path, is_array=False, is_gzip=False)
    whole = path.read_bytes()
    assert len(whole) > 40_000_000
    assert written == Written(bytes=len(whole), crc32=f"{zlib.crc32(whole):08x}")


@settings(deadline=None)
@given(
    documents=st.lists(st.binary(min_size=1).filter(lambda text: b"\n" not in text)),
    cuts=st.lists(st.integers(0, 200)),
    is_gzip=st.booleans(),
)
def test_an_array_is_the_same_however_its_lines_arrive(
    documents: list[bytes], cuts: list[int], is_gzip: bool
) -> None:
    lines = b"".join(each + b"\n" for each in documents)
    file = io.BytesIO()
    writer = JsonWriter(file, is_array=True, is_gzip=is_gzip)
    places = sorted({0, len(lines), *(cut for cut in cuts if cut < len(lines))})
    for start, end in pairwise(places):
        assert writer.write(lines[start:end]) == end - start
    writer.finish()
    array = gzip.decompress(file.getvalue()) if is_gzip else file.getvalue()
    assert array == b"[\n" + b",\n".join(documents) + (b"\n" if documents else b"") + b"]\n"
    assert writer.written == Written(bytes=len(array), crc32=f"{zlib.crc32(array):08x}")
    assert writer.writable()


def test_lines_are_written_as_they_are() -> None:
    file = io.BytesIO()
    writer = JsonWriter(file, is_array=False, is_gzip=False)
    writer.write(b'{"a":1}\n')
    writer.finish()
    assert file.getvalue() == b'{"a":1}\n'
