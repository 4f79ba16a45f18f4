"""Writes documents as one file of JSON: lines or an array, packed or not, with a checksum."""

import io
import mmap
import zlib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import polars as pl

from collectionflow.storage import _files

# zlib's name for a gzip header; it writes no time there, so that runs are alike.
_GZIP: Final = 31
_WINDOW_BYTES: Final = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Written:
    """Size and checksum of a file's JSON, before it is packed.

    The checksum is a CRC-32 in hexadecimal digits: at the speed of Polars' own writer, SHA-256
    would take a quarter of the time again.
    """

    bytes: int
    crc32: str


def write(documents: pl.LazyFrame, path: Path, *, is_array: bool, is_gzip: bool) -> Written:
    """Write documents to a file that survives a loss of power, in bounded memory.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import polars as pl
        >>> from collectionflow.output._json_writer import write
        >>> path = Path(tempfile.mkdtemp(), "objects.ndjson")
        >>> write(pl.LazyFrame({"id": [1, 2]}), path, is_array=False, is_gzip=False)
        Written(bytes=18, crc32='04a52c06')
    """
    if is_array or is_gzip:
        with writing(path, is_array=is_array, is_gzip=is_gzip) as writer:
            documents.sink_ndjson(cast("IO[bytes]", writer))
        return writer.written
    # Through a file of Python's, Polars copies all bytes once more. Looking at them again, while
    # the disk takes them, costs half of that.
    documents.sink_ndjson(path)
    with ThreadPoolExecutor(1) as thread:
        synced = thread.submit(_files.sync, path)
        written = _written(path)
        synced.result()
    return written


def _written(path: Path) -> Written:
    size, crc = path.stat().st_size, 0
    with path.open("rb") as file:
        for start in range(0, size, _WINDOW_BYTES):
            length = min(_WINDOW_BYTES, size - start)
            with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=start) as window:
                crc = zlib.crc32(window, crc)
    return Written(bytes=size, crc32=f"{crc:08x}")


class JsonWriter(io.RawIOBase):
    r"""Takes lines of JSON, and writes them as they are or as one array.

    Examples:
        >>> import io
        >>> from collectionflow.output._json_writer import JsonWriter
        >>> file = io.BytesIO()
        >>> writer = JsonWriter(file, is_array=True, is_gzip=False)
        >>> _ = writer.write(b'{"id":1}\n{"id":2}\n')
        >>> writer.finish()
        >>> file.getvalue(), writer.written
        (b'[\n{"id":1},\n{"id":2}\n]\n', Written(bytes=23, crc32='130c5095'))
    """

    def __init__(self, file: BinaryIO, *, is_array: bool, is_gzip: bool) -> None:
        super().__init__()
        self._size = 0
        self._crc = 0
        self._file = file
        self._is_array = is_array
        self._packer = zlib.compressobj(wbits=_GZIP) if is_gzip else None
        # Only at the end is it known that no line follows, and so no comma.
        self._held = b""
        if is_array:
            self._put(b"[\n")

    def writable(self) -> bool:
        """Tell that this is a file to write to."""
        return True

    def write(self, lines: Any) -> int:
        """Take lines, or any part of them."""
        if self._is_array:
            joined = self._held + lines.replace(b"\n", b",\n")
            self._held = joined[-2:]
            self._put(memoryview(joined)[:-2])
        else:
            self._put(lines)
        return len(lines)

    def finish(self) -> None:
        """Write what ends the file."""
        if self._is_array:
            self._put(b"\n]\n" if self._held else b"]\n")
        if self._packer:
            self._file.write(self._packer.flush())

    @property
    def written(self) -> Written:
        """What was written so far."""
        return Written(bytes=self._size, crc32=f"{self._crc:08x}")

    def _put(self, content: bytes | memoryview) -> None:
        self._size += len(content)
        self._crc = zlib.crc32(content, self._crc)
        self._file.write(self._packer.compress(content) if self._packer else content)


@contextmanager
def writing(path: Path, *, is_array: bool, is_gzip: bool) -> Generator[JsonWriter]:
    """Yield a writer to a file that is complete, and survives a loss of power, at the end."""
    with path.open("wb") as file:
        writer = JsonWriter(file, is_array=is_array, is_gzip=is_gzip)
        yield writer
        writer.finish()
    _files.sync(path)
