import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow import ProjectError
from collectionflow.storage import _files
from collectionflow.storage.publication import publish_frame
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import (
    StoredTable,
    find_version,
    new_version,
    publish,
    rollback,
    versions,
)


@pytest.fixture
def table(tmp_path: Path) -> StoredTable:
    return StoredTable(base=UPath(tmp_path), name="clean/objects")


def rows(*object_ids: int) -> pl.DataFrame:
    return pl.DataFrame({"object_id": list(object_ids)})


def write(table: StoredTable, *object_ids: int, keep: int = 3) -> str:
    """Publish a table and return its version."""
    frame = rows(*object_ids).lazy()
    return publish_frame(frame, table, Terms(versions_kept=keep)).version


def write_elsewhere(table: StoredTable, *object_ids: int, at: datetime) -> None:
    """Publish a table as another tool would, which knows nothing of versions."""
    path = _files.location(table.path)
    rows(*object_ids).write_parquet(path, mkdir=True)
    os.utime(path, (at.timestamp(), at.timestamp()))


def names(table: StoredTable) -> list[str]:
    return [version.name for version in versions(table)]


def published(table: StoredTable) -> pl.DataFrame:
    return _files.scan(table.path).collect()


def test_a_table_lies_at_its_name_and_everything_else_in_one_folder(tmp_path: Path) -> None:
    table = StoredTable(base=UPath(tmp_path), name="objects/2020")
    assert table.path == UPath(tmp_path / "objects/2020.parquet")
    assert table.refused == UPath(tmp_path / ".collectionflow/refused/objects/2020.parquet")
    assert table.archive == UPath(tmp_path / ".collectionflow/versions/objects/2020")


def test_the_names_of_versions_sort_by_time() -> None:
    named = [new_version() for _ in range(20)]
    assert named == sorted(named)


def test_without_a_table_there_are_no_versions(table: StoredTable) -> None:
    assert versions(table) == []


def test_versions_come_newest_first_with_the_published_one_marked(table: StoredTable) -> None:
    written = [write(table, number, number + 1) for number in range(3)]
    assert names(table) == written[::-1]
    assert [version.is_published for version in versions(table)] == [True, False, False]


def test_a_version_knows_when_it_was_written(table: StoredTable) -> None:
    before = datetime.now(UTC)
    write(table, 1)
    (version,) = versions(table)
    assert before <= version.written_at <= datetime.now(UTC)


@pytest.mark.parametrize("keep", [1, 2, 4])
def test_no_more_versions_are_kept_than_wanted(table: StoredTable, keep: int) -> None:
    written = [write(table, number, keep=keep) for number in range(5)]
    assert names(table) == written[: -keep - 1 : -1]


def test_every_version_that_is_kept_can_be_read(table: StoredTable) -> None:
    for number in (1, 2, 3):
        write(table, number, number + 10)
    kept = [_files.scan(version.path).collect() for version in versions(table)]
    for found, expected in zip(kept, [rows(3, 13), rows(2, 12), rows(1, 11)], strict=True):
        assert_frame_equal(found, expected)


def test_a_rollback_publishes_the_next_older_version(table: StoredTable) -> None:
    first, second, third = (write(table, number) for number in (1, 2, 3))
    assert rollback(table).name == second
    assert_frame_equal(published(table), rows(2))
    assert rollback(table).name == first
    assert_frame_equal(published(table), rows(1))
    assert names(table) == [third, second, first]
    assert [version.is_published for version in versions(table)] == [False, False, True]


def test_a_rollback_can_be_undone(table: StoredTable) -> None:
    write(table, 1)
    second = write(table, 2)
    rollback(table)
    undone = rollback(table, second)
    assert undone.is_published
    assert undone.path == table.path
    assert_frame_equal(published(table), rows(2))


def test_a_rollback_to_the_published_version_changes_nothing(table: StoredTable) -> None:
    write(table, 1)
    second = write(table, 2)
    assert rollback(table, second).is_published
    assert_frame_equal(published(table), rows(2))


def test_writing_after_a_rollback_keeps_what_was_rolled_back(table: StoredTable) -> None:
    first, second = write(table, 1), write(table, 2)
    rollback(table)
    third = write(table, 3)
    assert names(table) == [third, second, first]
    fourth = write(table, 4)
    assert names(table) == [fourth, third, second]


def test_a_table_that_somebody_deleted_is_rolled_back_to_its_newest_version(
    table: StoredTable,
) -> None:
    write(table, 1)
    second = write(table, 2)
    write(table, 3)
    table.path.unlink()
    assert rollback(table).name == second
    assert_frame_equal(published(table), rows(2))


def test_without_an_older_version_a_rollback_says_so(table: StoredTable) -> None:
    write(table, 1)
    with pytest.raises(ProjectError, match="'clean/objects' has no version older than the publ"):
        rollback(table)
    assert_frame_equal(published(table), rows(1))


def test_the_start_of_a_name_finds_a_version(table: StoredTable) -> None:
    first, _ = write(table, 1), write(table, 2)
    assert find_version(table, first).name == first
    assert find_version(table, first[:-3]).name == first


def test_an_ambiguous_or_unknown_name_is_refused_with_all_that_there_are(
    table: StoredTable,
) -> None:
    with pytest.raises(ProjectError, match=r"No version of 'clean/objects'.*There are: none"):
        find_version(table, "2020")
    first, second = write(table, 1), write(table, 2)
    there_are = f"begins with '2'. There are: {second}, {first}."
    with pytest.raises(ProjectError, match=f"More than one version .* {there_are}"):
        find_version(table, "2")


def test_a_file_of_another_tool_is_the_version_of_its_time(table: StoredTable) -> None:
    write_elsewhere(table, 1, 2, at=datetime(2020, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC))
    assert names(table) == ["20200102T030405.600000Z"]


def test_a_file_of_another_tool_is_kept_and_comes_back(table: StoredTable) -> None:
    write_elsewhere(table, 1, 2, at=datetime(2020, 1, 2, tzinfo=UTC))
    second = write(table, 1, 2, 3)
    assert names(table) == [second, "20200102T000000.000000Z"]
    rollback(table)
    assert_frame_equal(published(table), rows(1, 2))
    assert names(table) == [second, "20200102T000000.000000Z"]


def test_other_files_in_the_archive_are_no_versions(table: StoredTable) -> None:
    first, second = write(table, 1), write(table, 2)
    Path(table.archive.path, f".{first}.parquet.partial").write_bytes(b"half")
    Path(table.archive.path, "2020").mkdir()
    assert names(table) == [second, first]


def test_partitions_and_tables_of_one_name_keep_their_versions_apart(tmp_path: Path) -> None:
    whole = StoredTable(base=UPath(tmp_path), name="objects")
    partition = StoredTable(base=UPath(tmp_path), name="objects/2020")
    for table in (whole, partition):
        write(table, 1)
    written = write(whole, 2), write(partition, 2)
    assert names(whole)[0] == written[0]
    assert names(partition)[0] == written[1]
    assert len(versions(whole)) == len(versions(partition)) == 2


def test_publishing_moves_a_staged_file_in_place(table: StoredTable, tmp_path: Path) -> None:
    staged = tmp_path / "staged.parquet"
    rows(1, 2).write_parquet(staged)
    publish(staged, table, new_version(), keep=1)
    assert not staged.exists()
    assert_frame_equal(published(table), rows(1, 2))
