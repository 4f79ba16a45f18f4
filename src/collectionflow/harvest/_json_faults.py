"""What is wrong with JSON: it ends too early, is none, or is read differently by two readers.

The last is so where an object has a key twice, and with text that is no UTF-8, half a surrogate
pair, and NaN.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Final

import jiter
from msgspec import Raw

from collectionflow.errors import SourceError

_SHOWN_CHARACTERS: Final = 80


class CutOff(SourceError):
    """JSON that ends before it is complete. A server may send it whole when asked again."""


def check_text(body: bytes, where: str) -> None:
    """Refuse bytes that are not UTF-8.

    Raises:
        CutOff: where only the last character is incomplete.
        SourceError: where another byte is wrong.
    """
    try:
        str(body, "utf-8")
    except UnicodeDecodeError as error:
        kind = CutOff if error.reason == "unexpected end of data" else SourceError
        message = (
            f"{where} is not UTF-8 at byte {error.start + 1:,} ({error.reason}), which JSON must "
            "be. Ask the source to mend it."
        )
        raise kind(message) from None


def has_single_keys(text: bytes | Raw, objects: Sequence[dict[str, Raw]]) -> bool:
    """Return whether none of the objects that were decoded from `text` had a key twice.

    A decoder keeps the last of two equal keys. Each key brings a colon, so where one was dropped,
    the text has more colons than the keys and values that were kept. A colon that is escaped in a
    key upsets that sum: there a slower reader decides.
    """
    whole = bytes(text)
    shapes = Counter(map(tuple, objects))
    has_colons = any(":" in key for shape in shapes for key in shape)
    if has_colons and has_escaped_colons(whole):
        return first_double_key(whole) is None
    values = b"".join(chain.from_iterable(map(dict.values, objects)))
    kept = sum(count * len(shape) for shape, count in shapes.items()) + values.count(b":")
    if has_colons:
        kept += sum(count * "".join(shape).count(":") for shape, count in shapes.items())
    return whole.count(b":") == kept


def has_escaped_colons(text: bytes) -> bool:
    """Return whether a colon may be written as an escape. Other characters often are, such as <."""
    return b"\\u003" in text and (b"\\u003a" in text or b"\\u003A" in text)


def double_key(text: bytes | Raw, where: str) -> SourceError:
    """Return the error for text in which an object has a key twice."""
    found = _lowered(first_double_key(bytes(text)))
    return SourceError(
        f"{where} cannot be read safely: {found}. Which of the two values holds is not known. Ask "
        "the source to mend it."
    )


def first_double_key(text: bytes) -> ValueError | None:
    """Return what a reader says of the first key that an object has twice, None without one."""
    try:
        jiter.from_json(text, catch_duplicate_keys=True)
    except ValueError as error:
        return error
    return None


def json_fault(text: bytes | Raw, where: str, expected: str) -> SourceError:
    """Return what is wrong with text that could not be decoded as what was expected."""
    try:
        jiter.from_json(bytes(text), allow_inf_nan=False)
    except ValueError as error:
        if str(error).startswith("EOF"):
            return CutOff(f"{where} is cut off: {_lowered(error)}.")
        return SourceError(
            f"{where} is not JSON that can be read: {_lowered(error)}. It begins with "
            f"'{excerpt(text)}'."
        )
    return SourceError(f"{where} is '{excerpt(text)}', expected {expected}.")


def excerpt(text: bytes | Raw) -> str:
    """Return the start of a value, for an error."""
    start = bytes(text)[: _SHOWN_CHARACTERS * 4].decode("utf-8", "replace").strip()
    is_whole = len(bytes(text)) <= len(start.encode()) and len(start) <= _SHOWN_CHARACTERS
    return start if is_whole else f"{start[:_SHOWN_CHARACTERS]}…"


def _lowered(error: ValueError | None) -> str:
    text = str(error)
    return text if text.startswith("EOF") else text[:1].lower() + text[1:]
