"""Text files in other encodings than UTF-8."""

import codecs
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from collectionflow.errors import SourceError

_CHUNK_BYTES = 1 << 20


def open_text(path: Path, encoding: str) -> TextIO:
    """Open a text file with its line ends as they are; a byte order mark is not text."""
    known = codecs.lookup(encoding).name
    return path.open(encoding="utf-8-sig" if known == "utf-8" else encoding, newline="")


@contextmanager
def utf8_copy(path: Path, encoding: str) -> Generator[Path]:
    """Yield a temporary UTF-8 copy of a text file, in bounded memory.

    Raises:
        SourceError: where the file is no text in `encoding`, or is valid UTF-8 after all, which
            another encoding would garble without a word.
    """
    if _is_utf8_beyond_ascii(path):
        message = (
            f"'{path.name}' is UTF-8, but the source is set to encoding='{encoding}', which would "
            "garble its accents. Remove the setting."
        )
        raise SourceError(message)
    with TemporaryDirectory(prefix="collectionflow-") as folder:
        copy = Path(folder, path.name)
        _transcode(path, encoding, copy)
        yield copy


def _transcode(path: Path, encoding: str, copy: Path) -> None:
    try:
        with (
            open_text(path, encoding) as source,
            copy.open("w", encoding="utf-8", newline="") as out,
        ):
            while chunk := source.read(_CHUNK_BYTES):
                out.write(chunk)
    except UnicodeDecodeError:
        raise not_text(path, encoding) from None


def not_text(path: Path, encoding: str) -> SourceError:
    """Return the error for a file that is not text in the encoding that was said."""
    if encoding.startswith("utf-16"):  # Its lines do not end where bytes say so.
        message = f"'{path.name}' is not {encoding}; it may have been cut off. Ask for it again."
        return SourceError(message)
    number, line, start = next(_undecodable_lines(path, encoding))
    before = line[max(start - 20, 0) : start].decode(encoding, "replace")
    return SourceError(
        f"'{path.name}' is not {encoding}: line {number} has the byte 0x{line[start]:02X} after "
        f"'{before}'. If the source now exports another encoding, set it on the source, for "
        "example encoding='cp1252'."
    )


def _undecodable_lines(path: Path, encoding: str) -> Iterator[tuple[int, bytes, int]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                yield number, line, error.start


def _is_utf8_beyond_ascii(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_ascii = True
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK_BYTES):
                is_ascii = is_ascii and chunk.isascii()
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return not is_ascii
