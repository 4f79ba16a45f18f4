"""Text files in other encodings than UTF-8."""

import codecs
from collections.abc import Iterator
from typing import Final

from collectionflow.errors import SourceError

BOMS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
UTF_8: Final = ("utf-8", "utf-8-sig")
_SHOWN_BYTES: Final = 20


def encoding_of(start: bytes, declared: str) -> str:
    """Return the encoding of a text file: by its byte order mark, else the one that is declared.

    Raises:
        SourceError: where the declared one is unknown.

    Examples:
        >>> from collectionflow.harvest._encoding import encoding_of
        >>> encoding_of("é".encode("utf-16"), "cp1252"), encoding_of(b"abc", "cp1252")
        ('utf-16', 'cp1252')
    """
    try:
        known = codecs.lookup(declared).name
    except LookupError as error:
        message = f"There is no encoding '{declared}'. Set the source's encoding, such as 'cp1252'."
        raise SourceError(message) from error
    # The codec's own name of UTF-8 differs from what people write.
    declared = "utf-8" if known == "utf-8" else declared
    return next((name for bom, name in BOMS.items() if start.startswith(bom)), declared)


def utf8_chunks(chunks: Iterator[bytes], encoding: str, where: str) -> Iterator[bytes]:
    """Yield a text file's bytes as UTF-8 without a byte order mark. UTF-8 itself is not checked.

    Raises:
        SourceError: where the file is no text in `encoding`, or is valid UTF-8 after all, which
            another encoding would garble without a word.
    """
    if encoding not in UTF_8:
        yield from _recoded(chunks, encoding, where)
        return
    first = next(chunks, b"")
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from chunks


def _recoded(chunks: Iterator[bytes], encoding: str, where: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    guard = _Utf8Guard()
    lines = 1
    for chunk in chunks:
        guard.feed(chunk)
        try:
            yield decoder.decode(chunk).encode()
        except UnicodeDecodeError as error:
            raise not_text(error.object, encoding, where, lines, error.start) from None
        lines += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        message = f"{where} is not {encoding}; it may have been cut off. Ask for it again."
        raise SourceError(message) from None
    if guard.is_utf8_beyond_ascii() and not encoding.startswith("utf"):
        message = (
            f"{where} is UTF-8, but the source is set to encoding='{encoding}', which would garble "
            "its accents. Remove the setting."
        )
        raise SourceError(message)


def not_text(
    chunk: bytes, encoding: str, where: str, first_line: int, position: int
) -> SourceError:
    """Return the error for a byte that is not text in the encoding that was said."""
    if encoding.startswith("utf-16"):  # Its lines do not end where bytes say so.
        message = f"{where} is not {encoding}; it may have been cut off. Ask for it again."
        return SourceError(message)
    line = first_line + chunk.count(b"\n", 0, position)
    start = max(chunk.rfind(b"\n", 0, position) + 1, position - _SHOWN_BYTES)
    before = chunk[start:position].decode(encoding, "replace")
    return SourceError(
        f"{where} is not {encoding}: line {line} has the byte 0x{chunk[position]:02X} after "
        f"'{before}'. If the source now exports another encoding, set it on the source, for "
        "example encoding='cp1252'."
    )


class _Utf8Guard:
    """Sees whether bytes that are said to be something else are UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_ascii = self._is_utf8 = True

    def feed(self, chunk: bytes) -> None:
        self._is_ascii = self._is_ascii and chunk.isascii()
        self._is_utf8 = self._is_utf8 and self._decodes(chunk)

    def is_utf8_beyond_ascii(self) -> bool:
        return not self._is_ascii and self._is_utf8 and self._decodes(b"", final=True)

    def _decodes(self, chunk: bytes, *, final: bool = False) -> bool:
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            return False
        return True
