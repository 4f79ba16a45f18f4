"""Text files in other encodings than UTF-8."""

import codecs
from collections.abc import Generator
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
    with TemporaryDirectory(prefix="collectionflow-") as folder:
        copy = Path(folder, path.name)
        with (
            open_text(path, encoding) as source,
            copy.open("w", encoding="utf-8", newline="") as out,
        ):
            while chunk := source.read(_CHUNK_BYTES):
                out.write(chunk)
        if _is_utf8_beyond_ascii(path):
            message = (
                f"'{path.name}' is UTF-8, but the source is set to encoding='{encoding}', which "
                "would garble its accents. Remove the setting."
            )
            raise SourceError(message)
        yield copy


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
