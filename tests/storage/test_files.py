import errno
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow.storage import _files

TABLE = pl.DataFrame({"object_id": [1, 2, 3]})


def partial_folder(base: Path) -> Path:
    return base / ".collectionflow" / "partial"


def put(path: Path, content: str) -> UPath:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return UPath(path)


@pytest.mark.parametrize("url", ["/data/objects", "file:///data/objects", "local:///data/objects"])
def test_a_path_of_this_machine_is_local(url: str) -> None:
    assert _files.local_path(UPath(url)) == Path("/data/objects")
    assert _files.location(UPath(url)) == "/data/objects"


def test_a_bucket_is_not_local() -> None:
    bucket = UPath("s3://tables/objects.parquet")
    assert _files.local_path(bucket) is None
    assert _files.location(bucket) == "s3://tables/objects.parquet"


@pytest.mark.parametrize("name", ["env=prod/objects", "objects [1]", "all*", "what?", "50%2F"])
def test_a_path_is_taken_literally(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.parquet"
    TABLE.write_parquet(path, mkdir=True)
    assert_frame_equal(_files.scan(UPath(path)), TABLE.lazy())


def test_a_staged_file_lies_below_the_base_and_is_gone_afterwards(tmp_path: Path) -> None:
    with _files.staged(UPath(tmp_path), ".ndjson") as path:
        assert path.exists()
        assert path.suffix == ".ndjson"
        assert path.parent == partial_folder(tmp_path)
    assert list(partial_folder(tmp_path).iterdir()) == []


def test_a_staged_file_is_gone_after_an_error_too(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with _files.staged(UPath(tmp_path)) as path:
            path.write_bytes(b"half")
            message = "no space left"
            raise OSError(message)

    with pytest.raises(OSError, match="no space left"):
        write_and_fail()
    assert list(partial_folder(tmp_path).iterdir()) == []


def test_an_abandoned_file_is_removed_and_one_being_written_is_not(tmp_path: Path) -> None:
    abandoned = partial_folder(tmp_path) / "abandoned.parquet"
    put(abandoned, "half")
    with _files.staged(UPath(tmp_path)) as being_written:
        assert not abandoned.exists()
        with _files.staged(UPath(tmp_path)) as other:
            assert other != being_written
            assert being_written.exists()


def test_a_file_that_vanishes_while_the_folder_is_cleared_is_left_alone(tmp_path: Path) -> None:
    folder = partial_folder(tmp_path)
    folder.mkdir(parents=True)
    # Listed, but not to be opened: so it looks when its run has just published it.
    (folder / "published.parquet").symlink_to(tmp_path / "nowhere")
    with _files.staged(UPath(tmp_path)) as path:
        assert path.exists()


def test_a_file_that_another_run_took_for_abandoned_is_created_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Path] = []
    lock = fcntl.flock

    def take_the_first(descriptor: int, operation: int) -> None:
        if not taken:
            (path,) = partial_folder(tmp_path).iterdir()
            path.unlink()
            taken.append(path)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", take_the_first)
    with _files.staged(UPath(tmp_path)) as path:
        assert path.exists()
        assert path not in taken


def test_what_goes_to_a_bucket_is_staged_where_only_this_user_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _files.staged(UPath("s3://tables")) as path:
        assert path.parent == tmp_path / f"collectionflow-{os.getuid()}"
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 123_456)
    expected = f"'{tmp_path}/collectionflow-123456' belongs to another user. Remove it, or set"
    with (
        pytest.raises(PermissionError, match=expected),
        _files.staged(UPath("s3://tables")),
    ):
        pass  # pragma: no cover


def test_only_one_process_publishes_at_a_time(tmp_path: Path) -> None:
    with _files.publishing(UPath(tmp_path)):
        lock = os.open(tmp_path / ".collectionflow" / "publishing.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)


def test_a_bucket_has_no_lock() -> None:
    with _files.publishing(UPath("memory://tables")):
        assert not UPath("memory://tables/.collectionflow").exists()


def test_moving_makes_the_folder_and_replaces_the_file(tmp_path: Path) -> None:
    source = tmp_path / "partial"
    target = UPath(tmp_path / "new" / "objects.parquet")
    for content in ("one", "two"):
        source.write_text(content)
        _files.move(source, target)
        assert target.read_text() == content
        assert not source.exists()


def test_writing_replaces_a_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "sitemap.xml"
    for content in (b"<one/>", b"<two/>"):
        _files.write(path, content)
        assert path.read_bytes() == content
    assert list(partial_folder(tmp_path).iterdir()) == []


def test_a_copy_on_a_disk_is_a_second_name_of_the_same_file(tmp_path: Path) -> None:
    source = put(tmp_path / "objects.parquet", "one")
    target = tmp_path / "versions" / "1.parquet"
    _files.copy(source, UPath(target))
    assert target.samefile(tmp_path / "objects.parquet")
    _files.copy(source, UPath(target))
    assert sorted(path.name for path in target.parent.iterdir()) == ["1.parquet"]


def test_what_a_killed_copy_left_is_in_nobodys_way(tmp_path: Path) -> None:
    source = put(tmp_path / "objects.parquet", "one")
    put(tmp_path / "versions" / ".1.parquet.partial", "half")
    _files.copy(source, UPath(tmp_path / "versions" / "1.parquet"))
    assert [path.read_text() for path in (tmp_path / "versions").iterdir()] == ["one"]


def test_without_hard_links_a_copy_keeps_content_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    source = put(tmp_path / "objects.parquet", "one")
    os.utime(tmp_path / "objects.parquet", (1_000_000_000, 1_000_000_000))
    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "versions" / "1.parquet"
    _files.copy(source, UPath(target))
    assert target.read_text() == "one"
    assert target.stat().st_mtime == 1_000_000_000
    assert not target.samefile(tmp_path / "objects.parquet")


@pytest.mark.parametrize("put_in_place", [_files.move, _files.copy])
def test_a_reader_of_the_old_file_keeps_it(
    tmp_path: Path, put_in_place: Callable[..., None]
) -> None:
    target = tmp_path / "objects.parquet"
    put(target, "old")
    with target.open() as reader:
        put_in_place(put(tmp_path / "new", "new"), UPath(target))
        assert reader.read() == "old"
    assert target.read_text() == "new"
