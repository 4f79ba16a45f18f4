import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from collectionflow import ParquetIOManager
from collectionflow.harvest._spool import MAX_AGE_SECONDS, Page, spool_folder, spooled

REQUEST = {"url": "https://example.org", "size": 100}
PAGE = Page(header={"following": "?page=2", "total": 7}, body=b"first\nsecond\n\x00")


def test_a_page_comes_back_as_it_was(tmp_path: Path) -> None:
    with spooled(tmp_path, REQUEST) as spool:
        assert 3 not in spool
        spool.save(3, PAGE)
        assert 3 in spool
        assert spool.load(3) == PAGE
        spool.save(3, Page(header={}, body=b""))
        assert spool.load(3) == Page(header={}, body=b"")


def test_pages_go_when_the_harvest_is_complete(tmp_path: Path) -> None:
    folder = tmp_path / "harvest" / "objects"
    with spooled(folder, REQUEST) as spool:
        spool.save(0, PAGE)
    assert not folder.exists()


def fail(folder: Path, request: Mapping[str, object] = REQUEST) -> None:
    """Leave the first page of a harvest that failed."""
    with suppress(KeyError), spooled(folder, request) as spool:
        spool.save(0, PAGE)
        raise KeyError


def test_pages_stay_when_the_harvest_fails(tmp_path: Path) -> None:
    fail(tmp_path)
    with spooled(tmp_path, REQUEST) as spool:
        assert spool.load(0) == PAGE


def test_pages_of_another_request_are_dropped(tmp_path: Path) -> None:
    fail(tmp_path)
    with spooled(tmp_path, REQUEST | {"size": 50}) as spool:
        assert 0 not in spool


def test_pages_that_are_too_old_are_dropped(tmp_path: Path) -> None:
    fail(tmp_path)
    long_ago = time.time() - MAX_AGE_SECONDS - 60
    os.utime(tmp_path / "request", (long_ago, long_ago))
    with spooled(tmp_path, REQUEST) as spool:
        assert 0 not in spool


def test_all_pages_can_be_cleared(tmp_path: Path) -> None:
    with spooled(tmp_path, REQUEST) as spool:
        spool.save(0, PAGE)
        spool.clear()
        assert 0 not in spool


def test_a_page_that_was_half_written_is_not_there(tmp_path: Path) -> None:
    with spooled(tmp_path, REQUEST) as spool:
        (spool.folder / "000000000.partial").write_bytes(b'{"following"')
        assert 0 not in spool
        spool.clear()
        assert not list(spool.folder.glob("*.partial"))


def test_a_second_harvest_at_the_same_time_keeps_to_itself(tmp_path: Path) -> None:
    with spooled(tmp_path, REQUEST) as first, spooled(tmp_path, REQUEST) as second:
        first.save(0, PAGE)
        assert 0 not in second
        second.save(1, PAGE)
    assert not second.folder.exists()


def test_without_a_run_pages_lie_in_a_folder_that_goes() -> None:
    assert spool_folder("objects") is None
    with spooled(None, REQUEST) as spool:
        spool.save(0, PAGE)
    assert not spool.folder.exists()


def test_no_request_is_written_to_disk_in_clear(tmp_path: Path) -> None:
    fail(tmp_path, {"url": "https://example.org/s3cret"})
    assert all(b"s3cret" not in path.read_bytes() for path in tmp_path.iterdir())


def test_pages_survive_a_process_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, signal
from contextlib import suppress
from pathlib import Path
from collectionflow import ParquetIOManager
from collectionflow.harvest._spool import Page, spooled

with spooled(Path({str(tmp_path)!r}), {REQUEST!r}) as spool:
    for number in range(3):
        spool.save(number, Page(header={{"number": number}}, body=b"x"))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    with spooled(tmp_path, REQUEST) as spool:
        assert [spool.load(number).header["number"] for number in range(3)] == [0, 1, 2]


def folder_in_a_run(run: Callable[..., object], **storage: str) -> Path:
    found: list[Path | None] = []

    @dg.asset
    def harvested() -> pl.DataFrame:
        found.append(spool_folder("dbo.Objects/é"))
        return pl.DataFrame({"a": [1]})

    run(harvested, **storage)
    (folder,) = found
    assert folder is not None
    return folder


def test_the_spool_lies_beside_the_table_and_is_the_owners_alone(
    run: Callable[..., object], tmp_path: Path
) -> None:
    folder = folder_in_a_run(run)
    assert folder.parent == tmp_path / "tables" / ".collectionflow" / "harvest" / "harvested"
    assert "é" not in folder.name
    with spooled(folder, REQUEST):
        assert folder.stat().st_mode & 0o077 == 0


def test_the_spool_of_a_table_in_a_bucket_lies_on_this_machine(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found: list[Path | None] = []

    @dg.asset
    def harvested() -> None:
        found.append(spool_folder("objects"))

    manager = ParquetIOManager(base_dir="memory://bucket/tables")
    assert dg.materialize([harvested], resources={"io_manager": manager}, instance=instance).success
    (folder,) = found
    assert folder is not None
    assert folder.is_relative_to(tmp_path / f"collectionflow-{os.getuid()}")
    assert folder.parts[-4:-1] == (".collectionflow", "harvest", "harvested")
