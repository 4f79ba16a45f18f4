"""Pages of a harvest on disk, so that one that died goes on where it stopped."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from collectionflow.storage import _files
from collectionflow.storage.current import current_table

# A harvest that died longer ago than this is started anew: its source has moved on.
MAX_AGE_SECONDS: Final = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page as it came: the body, and what the source's paging needs to know of it."""

    header: Mapping[str, Any]
    body: bytes


@dataclass(frozen=True)
class Spool:
    """A folder of numbered pages. Each is there whole or not at all."""

    folder: Path

    def __contains__(self, number: int) -> bool:
        """Return whether a page is there."""
        return self._path(number).is_file()

    def load(self, number: int) -> Page:
        """Return a page that is there."""
        header, _, body = self._path(number).read_bytes().partition(b"\n")
        return Page(header=json.loads(header), body=body)

    def save(self, number: int, page: Page) -> None:
        """Keep a page, whole or not at all, whenever the process is killed."""
        partial = self._path(number).with_suffix(".partial")
        partial.write_bytes(json.dumps(page.header).encode() + b"\n" + page.body)
        partial.replace(self._path(number))

    def clear(self) -> None:
        """Remove all pages: the harvest is complete, or must start anew."""
        for path in self.folder.glob("*.p*"):
            path.unlink()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:09}.page"


def spool_folder(table: str) -> Path | None:
    """Return where the running asset's harvest of `table` is spooled, None outside of a run.

    Take it while the asset's function runs. Beside the tables where those lie on a disk;
    otherwise in the machine's own temporary folder.
    """
    stored = current_table()
    if stored is None:
        return None
    base = _files.local_path(stored.base)
    if base is None:
        mark = hashlib.sha256(str(stored.base).encode()).hexdigest()[:16]
        base = Path(tempfile.gettempdir(), f"collectionflow-{os.getuid()}", mark)
    return base / ".collectionflow" / "harvest" / stored.name / _safe(table)


@contextmanager
def spooled(folder: Path | None, request: Mapping[str, Any]) -> Generator[Spool]:
    """Yield the spool of one harvest, with the pages of an unfinished one of the same request.

    `request` is all that decides what the source sends, without secrets. The pages stay when the
    body raises or the process dies, and go when it ends.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="collectionflow-") as own:
            yield Spool(Path(own))
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # Another run harvests the same table just now.
            with spooled(None, request) as own:
                yield own
            return
        spool = Spool(folder)
        _clear_if_other(spool, request)
        yield spool
    shutil.rmtree(folder, ignore_errors=True)


def _clear_if_other(spool: Spool, request: Mapping[str, Any]) -> None:
    """Empty the spool, unless its pages answer the same request and are not too old."""
    mark = spool.folder / "request"
    wanted = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    is_same = mark.is_file() and mark.read_text() == wanted
    if is_same and time.time() - mark.stat().st_mtime < MAX_AGE_SECONDS:
        return
    spool.clear()
    mark.write_text(wanted)


def _safe(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
