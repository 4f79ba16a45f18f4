"""Tables that are directories of parts: published, kept, rolled back and cleared away like files."""

import fcntl
import os
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow import in_buckets
from collectionflow.storage import _files
from collectionflow.storage.publication import publish_frame
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import StoredTable, rollback, versions


@pytest.fixture
def table(tmp_path: Path) -> StoredTable:
    return StoredTable(base=UPath(tmp_path), name="clean/objects")


def rows(*object_ids: int) -> pl.DataFrame:
    return pl.DataFrame({"object_id": list(object_ids)})


def write_parts(table: StoredTable, *object_ids: int, keep: int = 3) -> str:
    """Publish a table of at least two rows as a part a row, and return its version."""
    frame = in_buckets(key="object_id", rows=1)(lambda frame: frame)(rows(*object_ids).lazy())
    return publish_frame(frame, table, Terms(versions_kept=keep)).version


def write_file(table: StoredTable, *object_ids: int) -> str:
    return publish_frame(rows(*object_ids).lazy(), table, Terms()).version


def published(table: StoredTable) -> pl.DataFrame:
    return _files.scan(table.path).collect()


def directories(table: StoredTable) -> list[str]:
    return sorted(path.stem for path in Path(table.parts.path).iterdir())


def test_files_and_parts_take_each_others_place(table: StoredTable) -> None:
    names = [write_file(table, 1, 2), write_parts(table, 2, 3), write_file(table, 3, 4)]
    assert_frame_equal(published(table), rows(3, 4))
    kept = versions(table)
    assert [version.name for version in kept] == names[::-1]
    for version, expected in zip(kept, [rows(3, 4), rows(2, 3), rows(1, 2)], strict=True):
        assert_frame_equal(_files.scan(version.path).collect(), expected)


def test_a_rollback_leads_to_the_parts_of_before_and_can_be_undone(table: StoredTable) -> None:
    write_parts(table, 1, 2)
    second = write_parts(table, 2, 3)
    write_file(table, 3, 4)
    assert rollback(table).name == second
    assert_frame_equal(published(table), rows(2, 3))
    rollback(table)
    assert_frame_equal(published(table), rows(1, 2))
    assert [version.is_published for version in versions(table)] == [False, False, True]
    third = versions(table)[0].name
    rollback(table, third)
    assert_frame_equal(published(table), rows(3, 4))


def test_parts_that_no_version_needs_are_removed(table: StoredTable) -> None:
    names = [write_parts(table, number, number + 1, keep=2) for number in range(4)]
    assert directories(table) == names[-2:]
    write_parts(table, 8, 9, keep=1)
    assert len(directories(table)) == 1


def test_parts_of_a_table_below_are_left_alone(tmp_path: Path, table: StoredTable) -> None:
    below = StoredTable(base=UPath(tmp_path), name="clean/objects/2020")
    write_parts(below, 1, 2)
    write_parts(table, 3, 4, keep=1)
    assert_frame_equal(published(below), rows(1, 2))


def test_a_reader_goes_on_reading_the_version_that_it_began_with(table: StoredTable) -> None:
    write_parts(table, 1, 2)
    begun = _files.scan(table.path)
    write_parts(table, 3, 4)
    assert_frame_equal(begun.collect(), rows(1, 2))


def test_the_folder_of_all_tables_may_be_moved(tmp_path: Path) -> None:
    table = StoredTable(base=UPath(tmp_path / "here"), name="clean/objects")
    write_parts(table, 1, 2)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = StoredTable(base=UPath(tmp_path / "there"), name="clean/objects")
    assert_frame_equal(published(moved), rows(1, 2))
    write_parts(moved, 2, 3)
    assert len(versions(moved)) == 2


def test_parts_that_another_tool_put_there_become_a_version(table: StoredTable) -> None:
    folder = Path(table.path.path)
    folder.mkdir(parents=True)
    for number in (1, 2):
        rows(number).write_parquet(folder / f"part-{number}.parquet")
    (folder / "_SUCCESS").touch()
    assert_frame_equal(published(table), rows(1, 2))
    (earlier,) = versions(table)
    assert earlier.is_published
    write_file(table, 3, 4)
    assert_frame_equal(published(table), rows(3, 4))
    assert rollback(table).name == earlier.name
    assert_frame_equal(published(table), rows(1, 2))


def test_refused_parts_take_the_place_of_a_refused_file_and_back(tmp_path: Path) -> None:
    target = UPath(tmp_path / "refused.parquet")
    for number in range(3):
        parts = tmp_path / "parts"
        parts.mkdir()
        rows(number).write_parquet(parts / "part-0.parquet")
        _files.move(parts, target)
        assert_frame_equal(_files.scan(target).collect(), rows(number))
        rows(number + 10).write_parquet(tmp_path / "file")
        _files.move(tmp_path / "file", target)
        assert_frame_equal(_files.scan(target).collect(), rows(number + 10))


def test_staged_parts_go_with_their_file(tmp_path: Path) -> None:
    with _files.staged(UPath(tmp_path)) as path:
        assert _files.written(path) == path
        _files.parts_folder(path).mkdir()
        assert _files.written(path) == _files.parts_folder(path)
        assert _files.size(_files.written(path)) == 0
    assert list(path.parent.iterdir()) == []


def test_abandoned_parts_are_removed_and_those_being_written_are_not(tmp_path: Path) -> None:
    folder = tmp_path / ".collectionflow" / "partial"
    for name in ("abandoned", "written"):
        (folder / f"{name}.parquet.parts").mkdir(parents=True)
        (folder / f"{name}.parquet").touch()
    descriptor = os.open(folder / "written.parquet", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with _files.staged(UPath(tmp_path)):
        pass
    os.close(descriptor)
    assert sorted(path.name for path in folder.iterdir()) == [
        "written.parquet",
        "written.parquet.parts",
    ]


def test_what_a_killed_link_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / ".objects.parquet.partial").symlink_to("nowhere")
    _files.link(tmp_path / "parts", tmp_path / "objects.parquet")
    assert (tmp_path / "objects.parquet").resolve() == tmp_path / "parts"
    assert not (tmp_path / ".objects.parquet.partial").is_symlink()


def test_parts_survive_a_loss_of_power(tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").write_text("a")
    _files.sync(tmp_path)
    _files.sync(tmp_path / "part-0.parquet")
    assert _files.size(tmp_path) == 1
