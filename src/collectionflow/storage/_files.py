"""Files that appear whole or not at all, on a local disk or in an object store."""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from upath import UPath

from collectionflow.storage._object_store import polars_options


def local_path(path: UPath) -> Path | None:
    """Return `path` as a path of this machine, or None where it lies in an object store."""
    return Path(path.path) if path.protocol in {"", "file", "local"} else None


def scan(path: UPath) -> pl.LazyFrame:
    """Return the table at `path`, a Parquet file or a directory of parts, as a lazy frame.

    Directory names such as `env=prod` stay directory names: they do not become columns.
    """
    return pl.scan_parquet(
        [location(file) for file in files(path)],
        hive_partitioning=False,
        glob=False,
        storage_options=polars_options(path),
    )


def files(path: UPath) -> list[UPath]:
    """Return the files of the table at `path` in the order of their rows.

    Where `path` is a link, the files are those that it leads to now: whoever reads them goes on
    reading one version when another one is published.
    """
    local = local_path(path)
    if local is None or not local.is_dir():
        return [path]
    return [UPath(part) for part in sorted(local.resolve().glob("*.parquet"))]


def location(path: UPath) -> str:
    """Return `path` as Polars and a person write it."""
    return str(local_path(path) or path)


@contextmanager
def staged(base: UPath, suffix: str = ".parquet") -> Generator[Path]:
    """Yield the path of a new local file that only this process writes.

    On a local disk it lies below `base`, so that publishing it is one rename. The file is locked
    as long as it is being written; an unlocked one was left by a killed run and is removed. Who
    writes several files puts them in `parts_folder`, and leaves this one empty.
    """
    local = local_path(base)
    folder = local / ".collectionflow" / "partial" if local else _own_temporary_folder()
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    path, descriptor = _create_locked(folder, suffix)
    try:
        yield path
    finally:
        remove(parts_folder(path))
        path.unlink(missing_ok=True)
        os.close(descriptor)


def parts_folder(staged: Path) -> Path:
    """Return the folder for the parts of a staged table that is not one file."""
    return staged.with_name(f"{staged.name}.parts")


def written(staged: Path) -> Path:
    """Return where a staged table lies: a file, or a directory of parts."""
    folder = parts_folder(staged)
    return folder if folder.is_dir() else staged


def remove(path: Path) -> None:
    """Remove a file, a link or a directory of parts, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _own_temporary_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"collectionflow-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        message = f"'{folder}' belongs to another user. Remove it, or set TMPDIR to another folder."
        raise PermissionError(message)
    return folder


def _create_locked(folder: Path, suffix: str) -> tuple[Path, int]:
    while True:
        path = folder / f"{secrets.token_hex(8)}{suffix}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another run may have taken the file for abandoned before the lock was ours.
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    for path in folder.iterdir():
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue  # Its run has just published it.
        except IsADirectoryError:
            continue  # These parts go with their file.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(parts_folder(path))
            path.unlink(missing_ok=True)
        except BlockingIOError:
            continue  # Its run is still writing.
        finally:
            os.close(descriptor)


@contextmanager
def publishing(base: UPath) -> Generator[None]:
    """Let one process at a time change what is published below `base`, so that no version is lost.

    An object store has no such lock: of two writers at once, the last one wins.
    """
    local = local_path(base)
    if local is None:
        yield
        return
    folder = local / ".collectionflow"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "publishing.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def move(source: Path, target: UPath) -> None:
    """Put a staged file in the place of `target`, atomically and durably.

    A directory of parts is moved too, but not atomically where there is one already.
    """
    local = local_path(target)
    if local is None:
        # An object appears when its upload completes, and not before.
        target.fs.put_file(str(source), target.path)
        target.fs.invalidate_cache()
        return
    local.parent.mkdir(parents=True, exist_ok=True)
    is_directory_there = local.is_dir() and not local.is_symlink()
    if source.is_dir() or is_directory_there:
        remove(local)
    source.replace(local)
    _sync(local.parent)


def link(target: Path, path: Path) -> None:
    """Make `path` a link to the directory `target`, atomically and durably.

    Only one process at a time may do so: see `publishing`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    # Relative, so that the folder of all tables can be moved as a whole.
    partial.symlink_to(os.path.relpath(target, path.parent.resolve()))
    partial.replace(path)
    _sync(path.parent)


def write(path: Path | UPath, content: bytes) -> None:
    """Put a file with this content in the place of `path`, atomically and durably."""
    with staged(UPath(path.parent), path.suffix) as partial:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        move(partial, UPath(path))


def copy(source: UPath, target: UPath) -> None:
    """Make `target` a copy of `source`, atomically; on a disk a link, which costs nothing.

    Only one process at a time may do so: see `publishing`.
    """
    local_source, local_target = local_path(source), local_path(target)
    if local_source is None or local_target is None:
        source.fs.copy(source.path, target.path)
        target.fs.invalidate_cache()
        return
    if local_source.is_symlink():
        link(local_source.resolve(), local_target)
        return
    local_target.parent.mkdir(parents=True, exist_ok=True)
    partial = local_target.with_name(f".{local_target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(local_source)
    except OSError:  # This file system has no hard links.
        shutil.copy2(local_source, partial)
        _sync(partial)
    partial.replace(local_target)
    partial.unlink(missing_ok=True)  # A rename onto another link of the same file does nothing.
    _sync(local_target.parent)


def sync(path: Path) -> None:
    """Make a file, or a directory of parts with all in it, survive a loss of power."""
    for part in path.iterdir() if path.is_dir() else ():
        _sync(part)
    _sync(path)


def size(path: Path) -> int:
    """Return how many bytes a table takes, as a file or as a directory of parts."""
    return sum(Path(file.path).stat().st_size for file in files(UPath(path)))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
