"""Packed files as streams of bytes: gzip, and the members of zip archives.

Names inside an archive are only compared, never used as paths.
"""

import gzip
import tempfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Literal, TypeAlias

from collectionflow.errors import SourceError

Packing: TypeAlias = Literal["gz", "zip"] | None
_Readable: TypeAlias = IO[bytes] | gzip.GzipFile

CHUNK_BYTES: Final = 8 << 20
# A file that unpacks to more than both is taken for an attack, or for damage: text shrinks to a
# tenth, a table that is nearly empty to a hundredth.
MAX_RATIO: Final = 250
MIN_BOMB_BYTES: Final = 256 << 20

_DAMAGE: Final = (zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile)
_GZIP: Final = b"\x1f\x8b"


def chunks(
    path: Path, packing: Packing, member: str, where: str, chunk_bytes: int | None = None
) -> Iterator[bytes]:
    """Yield the bytes of a file, unpacked, in pieces of this size, or of some MB.

    Raises:
        SourceError: where the archive is damaged, is locked by a password, or unpacks to more
            than any real file does.
    """
    size = chunk_bytes or CHUNK_BYTES
    if packing is None:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(size):
                yield chunk
        return
    with _named_damage(where):
        opened = _opened_gzip if packing == "gz" else _opened_member
        with opened(path, member, where) as (packed, packed_bytes):
            yield from _limited(packed, packed_bytes, where, size)


def members(path: Path, where: str) -> list[str]:
    """Return the names of the files in a zip archive."""
    with _named_damage(where), zipfile.ZipFile(path) as archive:
        return [each.filename for each in archive.infolist() if not each.is_dir()]


@contextmanager
def unpacked(pieces: Iterator[bytes], suffix: str) -> Generator[Path]:
    """Yield the path of a temporary file with these bytes."""
    with tempfile.TemporaryDirectory(prefix="collectionflow-") as folder:
        path = Path(folder, f"file{suffix}")
        with path.open("wb") as file:
            file.writelines(pieces)
        yield path


@contextmanager
def _named_damage(where: str) -> Generator[None]:
    try:
        yield
    except _DAMAGE as error:
        message = (
            f"{where} is damaged or was cut off, so that it cannot be unpacked ({error}). Ask for "
            "it again."
        )
        raise SourceError(message) from error
    except (RuntimeError, NotImplementedError) as error:
        # The library's words for a password and for a method that it does not know.
        message = (
            f"{where} cannot be unpacked: {error}. Ask for a plain archive without a password."
        )
        raise SourceError(message) from error


@contextmanager
def _opened_gzip(path: Path, _member: str, where: str) -> Generator[tuple[_Readable, int]]:
    with path.open("rb") as raw:
        if raw.read(2) != _GZIP:
            message = f"{where} is no gzip file, though its name says so. Ask for it again."
            raise SourceError(message)
        raw.seek(0)
        with gzip.GzipFile(fileobj=raw) as file:
            yield file, path.stat().st_size


@contextmanager
def _opened_member(path: Path, member: str, _where: str) -> Generator[tuple[_Readable, int]]:
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        yield file, archive.getinfo(member).compress_size


def _limited(file: _Readable, packed_bytes: int, where: str, chunk_bytes: int) -> Iterator[bytes]:
    size = 0
    most = max(packed_bytes * MAX_RATIO, MIN_BOMB_BYTES)
    while chunk := file.read(chunk_bytes):
        size += len(chunk)
        if size > most:
            message = (
                f"{where} unpacks to more than {MAX_RATIO} times its {packed_bytes:,} bytes, which "
                "no export does: it may be made to fill the disk. Unpack it by hand if you trust "
                "it."
            )
            raise SourceError(message)
        yield chunk
