"""One file a document: unchanged files untouched, odd ids safe, the folder whole or not at all."""

import errno
import gzip
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import Frame
from collectionflow.errors import ProjectError, Refused, StopRun
from collectionflow.output import JsonFolderTarget, _json_documents, document_id
from collectionflow.output._target import Terms

TERMS = Terms(metadata=document_id("id"))


def publish(folder: Path, rows: Any, terms: Terms = TERMS, *, is_gzip: bool = False) -> Any:
    frame = rows if isinstance(rows, pl.LazyFrame) else pl.LazyFrame(rows)
    return target(folder, is_gzip=is_gzip).publish_on_terms("objects", frame, terms)


def target(folder: Path, *, is_gzip: bool = False) -> JsonFolderTarget:
    return JsonFolderTarget(directory=str(folder), is_gzip=is_gzip)


def files(folder: Path) -> dict[str, bytes]:
    """Return the documents' files, by name."""
    found = (folder / "objects").iterdir()
    return {path.name: path.read_bytes() for path in found if not path.name.startswith("index.")}


def identities(folder: Path) -> dict[str, tuple[int, int]]:
    found = {path.name: path.stat() for path in (folder / "objects").iterdir()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def test_each_document_is_a_file_and_the_index_lists_all(tmp_path: Path) -> None:
    metadata = publish(tmp_path, {"id": ["1985/12 a", "2"], "title": ["Émile", None]})
    first = '{"id":"1985/12 a","title":"Émile"}'.encode()
    second = b'{"id":"2","title":null}'
    assert files(tmp_path) == {"1985~2F12~20a.json": first, "2.json": second}
    lines = (tmp_path / "objects" / "index.ndjson").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": "1985/12 a", "file": "1985~2F12~20a.json", "bytes": len(first), "sha256": sha256(first).hexdigest()},
        {"id": "2", "file": "2.json", "bytes": len(second), "sha256": sha256(second).hexdigest()},
    ]  # fmt: skip
    index = json.loads((tmp_path / "objects" / "index.json").read_text())
    assert (index["documents"], index["files"][0]["file"]) == (2, "index.ndjson")
    assert metadata["files written"] == 2
    assert metadata["dagster/size_bytes"] == len(first) + len(second)
    assert target(tmp_path).count("objects") == 2


def test_a_packed_document_is_the_same_each_time(tmp_path: Path) -> None:
    publish(tmp_path / "a", {"id": [1]}, is_gzip=True)
    publish(tmp_path / "b", {"id": [1]}, is_gzip=True)
    (content,) = files(tmp_path / "a").values()
    assert files(tmp_path / "b") == {"1.json.gz": content}
    assert gzip.decompress(content) == b'{"id":1}'
    assert target(tmp_path / "a", is_gzip=True).count("objects") == 1


def test_unchanged_files_are_untouched_changed_ones_new_and_vanished_ones_gone(
    tmp_path: Path,
) -> None:
    publish(tmp_path, {"id": range(10), "title": ["a"] * 10})
    before = identities(tmp_path)
    old = (tmp_path / "objects").resolve()
    metadata = publish(tmp_path, {"id": range(1, 11), "title": ["a"] * 8 + ["b"] * 2})
    after = identities(tmp_path)
    same = {name for name in after if before.get(name) == after[name]}
    assert same == {f"{number}.json" for number in range(1, 9)}
    assert set(after) - set(before) == {"10.json"}
    assert set(before) - set(after) == {"0.json"}
    assert metadata["files written"] == 2
    assert len(list(old.glob("[0-9].json"))) == 10, "A reader may still be at it."


def test_where_nothing_has_changed_nothing_is_touched(tmp_path: Path) -> None:
    publish(tmp_path, {"id": [1, 2]})
    folder, before = (tmp_path / "objects").resolve(), identities(tmp_path)
    metadata = publish(tmp_path, {"id": [1, 2]})
    assert (tmp_path / "objects").resolve() == folder
    assert identities(tmp_path) == before
    assert metadata["files written"] == 0


def test_another_order_is_another_index_of_the_same_files(tmp_path: Path) -> None:
    publish(tmp_path, {"id": [1, 2]})
    before = identities(tmp_path)
    assert publish(tmp_path, {"id": [2, 1]})["files written"] == 0
    assert identities(tmp_path)["1.json"] == before["1.json"]
    assert '"id":"2"' in (tmp_path / "objects" / "index.ndjson").read_text().split("\n")[0]


def test_one_folder_is_kept_and_can_be_rolled_back_to(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="There are: none"):
        target(tmp_path).rollback("objects")
    assert list(tmp_path.iterdir()) == []
    for last in (3, 4, 5):
        publish(tmp_path, {"id": range(last)})
    newest = (tmp_path / "objects").resolve().name
    assert len(list((tmp_path / ".collectionflow" / "documents" / "objects").glob("2*"))) == 2
    assert target(tmp_path).rollback("objects") < newest
    assert target(tmp_path).count("objects") == 4
    assert target(tmp_path).rollback("objects", newest[:4]) == newest
    with pytest.raises(ProjectError, match="no single earlier publication that begins with 'x'"):
        target(tmp_path).rollback("objects", "x")


@pytest.mark.parametrize("ids", [["A1", "a1", "b"], ["x", "x", "b"]])
def test_two_documents_of_one_file_name_are_refused(tmp_path: Path, ids: list[str]) -> None:
    publish(tmp_path, {"id": ["1"]})
    with pytest.raises(Refused) as refused:
        publish(tmp_path, {"id": ids})
    assert str(refused.value.description).startswith(
        "2 documents of 'objects' share the name of their file with another, on systems where 'a' "
        "and 'A' are one. What was published stays. Give them other ids. The first:\n\n| id "
    )
    assert f"| {ids[0]} " in str(refused.value.description)
    assert files(tmp_path) == {"1.json": b'{"id":"1"}'}
    assert list((tmp_path / ".collectionflow" / "partial").iterdir()) == []


@pytest.mark.parametrize("identifier", [None, ""])
def test_a_document_without_id_is_refused(tmp_path: Path, identifier: str | None) -> None:
    with pytest.raises(Refused, match="A document of 'objects' has no id"):
        publish(tmp_path, {"id": ["1", identifier]})
    assert not (tmp_path / "objects").exists()


def test_an_id_that_is_too_long_for_a_file_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, {"id": ["x" * 195]})
    with pytest.raises(Refused, match=r"'x{60}…' of 'objects' .* more than 200 characters"):
        publish(tmp_path, {"id": ["x" * 196]})
    with pytest.raises(Refused, match="more than 200 characters"):
        publish(tmp_path, {"id": ["é" * 60]})


def test_the_drop_guard_and_the_empty_frame(tmp_path: Path) -> None:
    publish(tmp_path, {"id": range(10)})
    with pytest.raises(Refused, match="Rows fell from 10 to 6"):
        publish(tmp_path, {"id": range(6)})
    with pytest.raises(Refused, match="has no documents"):
        publish(tmp_path, pl.LazyFrame(schema={"id": pl.Int64}))
    assert target(tmp_path).count("objects") == 10
    allowed = Terms(metadata=document_id("id"), is_drop_allowed=True)
    publish(tmp_path, pl.LazyFrame(schema={"id": pl.Int64}), allowed)
    assert target(tmp_path).count("objects") == 0


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "mine.json").write_text("{}")
    with pytest.raises(StopRun, match=r"is no link that this target has made\. Move it away"):
        publish(tmp_path, {"id": [1]})
    assert (tmp_path / "objects" / "mine.json").exists()


def test_a_bucket_is_refused() -> None:
    bucket = JsonFolderTarget(directory="s3://website/json")
    with pytest.raises(StopRun, match=r"'s3://website/json' is no folder on a disk\."):
        bucket.publish("objects", pl.LazyFrame({"id": [1]}))


def test_a_published_folder_that_someone_has_changed_is_told(tmp_path: Path) -> None:
    with pytest.raises(StopRun, match="'objects' has not been published"):
        target(tmp_path).count("objects")
    publish(tmp_path, {"id": [1, 2]})
    (tmp_path / "objects" / "1.json").unlink()
    with pytest.raises(StopRun, match="1 files are missing, and its list is whole"):
        target(tmp_path).count("objects")
    with pytest.raises(StopRun, match=r"1\.json' is gone, though it was published\. Delete"):
        publish(tmp_path, {"id": [1, 2, 3]})
    with (tmp_path / "objects" / "index.ndjson").open("a") as file:
        file.write("\n")
    with pytest.raises(StopRun, match=r"its list is changed\. Delete that link"):
        target(tmp_path).count("objects")
    (tmp_path / "objects").unlink()
    publish(tmp_path, {"id": [1, 2]})
    assert target(tmp_path).count("objects") == 2


def test_without_its_index_a_folder_is_written_anew(tmp_path: Path) -> None:
    publish(tmp_path, {"id": [1]})
    (tmp_path / "objects" / "index.json").write_text("{")
    told: list[str] = []
    terms = Terms(metadata=document_id("id"), warn=told.append)
    assert publish(tmp_path, {"id": [1]}, terms)["files written"] == 1
    assert "written anew" in told[0]


def test_where_a_file_system_has_no_links_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    publish(tmp_path, {"id": [1, 2]})
    before = identities(tmp_path)
    monkeypatch.setattr(os, "link", no_links)
    publish(tmp_path, {"id": [1, 2, 3]})
    assert set(files(tmp_path)) == {"1.json", "2.json", "3.json"}
    assert identities(tmp_path)["1.json"][1] == before["1.json"][1]


class Objects(pa.DataFrameModel):
    number: str = pa.Field(unique=True)


def test_the_id_is_the_contracts_key(tmp_path: Path) -> None:
    @dg.asset(io_manager_key="json")
    def objects() -> Frame[Objects]:
        return pl.LazyFrame({"number": ["NPG.1"]})

    assert dg.materialize([objects], resources={"json": target(tmp_path)}).success
    assert set(files(tmp_path)) == {"NPG.1.json"}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, "does not say which column has the ids"),
        (document_id("name"), "has no column 'name' for its documents' ids"),
        (document_id("height"), "is Float64, and an id is a text or a whole number"),
    ],
)
def test_without_a_good_id_nothing_is_published(
    tmp_path: Path, metadata: dict[str, str], said: str
) -> None:
    with pytest.raises(StopRun, match=said):
        publish(tmp_path, {"id": [1], "height": [1.0]}, Terms(metadata=metadata))
    with pytest.raises(StopRun, match="does not say which column"):
        target(tmp_path).publish("objects", pl.LazyFrame({"id": [1]}))


def test_documents_come_in_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json_documents, "_BATCH", 10)
    monkeypatch.setattr(_json_documents, "_TASK", 3)
    publish(tmp_path, {"id": range(25)})
    before = identities(tmp_path)
    publish(tmp_path, {"id": range(26)})
    assert identities(tmp_path)["24.json"] == before["24.json"]
    assert target(tmp_path).count("objects") == 26
