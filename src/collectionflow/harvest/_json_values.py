"""Raw JSON values as Polars columns: a value comes out as it was, or it is named as a misfit."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate, chain
from typing import Final, TypeAlias, TypeVar

import msgspec
import polars as pl
from msgspec import Raw
from polars.datatypes import DataTypeClass

from collectionflow.casts import strictly_cast
from collectionflow.harvest._json import Record, scalar
from collectionflow.harvest._json_faults import has_single_keys
from collectionflow.harvest._lists import regrouped

T = TypeVar("T")
Path: TypeAlias = tuple[str, ...]
# Hears of the objects at a path: which keys are wanted, how many there are, how many have a key.
Tell: TypeAlias = Callable[[Path, Collection[str], int, Mapping[str, int]], None]

NULL: Final = Raw(b"null")
# What decoders and Polars raise for a value that is not of the type.
UNFIT: Final = (msgspec.DecodeError, TypeError, ValueError, OverflowError, RecursionError)
# Every decimal of so many digits, without an exponent, comes back from a Float64 as it was.
_SAFE_DIGITS: Final = 15

_lists = msgspec.json.Decoder(list[list[Raw] | None])
_objects = msgspec.json.Decoder(list[Record | None])
_strings = msgspec.json.Decoder(list[str | None])
_booleans = msgspec.json.Decoder(list[bool | None])
_integers = msgspec.json.Decoder(list[int | None])
_floats = msgspec.json.Decoder(list[float | None])


class Misfit(Exception):
    """A value that its column does not hold: which one, where, and what was expected."""

    def __init__(self, index: int, path: Path, value: Raw, expected: str) -> None:
        super().__init__(index, path, expected)
        self.index, self.path, self.value, self.expected = index, path, value, expected


def source_dtype(dtype: pl.DataType, *, is_coerced: bool) -> pl.DataType:
    """Return the type in which JSON has what a contract calls `dtype`.

    Truth values, whole numbers and Float64 are themselves, lists and objects nested; the rest is
    text. What is coerced is text as well, so that storage casts it strictly; only inside lists and
    objects, which storage does not cast, it is cast here.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.harvest._json_values import source_dtype
        >>> source_dtype(pl.Int64(), is_coerced=False), source_dtype(pl.Date(), is_coerced=False)
        (Int64, String)
        >>> source_dtype(pl.List(pl.Date), is_coerced=True)
        List(Date)
    """
    if not dtype.is_nested():
        return pl.String() if is_coerced or not _is_native(dtype) else dtype
    return dtype if is_coerced else _uncoerced(dtype)


def series_of(
    cells: Sequence[Raw], dtype: pl.DataType, path: Path, tell: Tell, *, is_coerced: bool
) -> pl.Series:
    """Return raw values as a column of a type that `source_dtype` gave.

    Raises:
        Misfit: for the first value that the type does not hold.
    """
    match dtype:
        case pl.List() | pl.Array():
            return _list_series(cells, dtype, path, tell, is_coerced=is_coerced)
        case pl.Struct():
            return _struct_series(cells, dtype, path, tell, is_coerced=is_coerced)
        case _:
            return _all_or_misfit(
                lambda some: _leaves(some, dtype, is_coerced=is_coerced), cells, path, str(dtype)
            )


def objects_at(cells: Sequence[Raw], path: Path) -> list[Record | None]:
    """Return raw values as objects, null as None.

    Raises:
        Misfit: for a value that is no object, or has a key twice.
    """
    return _all_or_misfit(_decode_objects, cells, path, "an object that has no key twice")


def tell_keys(
    tell: Tell, path: Path, objects: Sequence[Record | None], wanted: Collection[str]
) -> None:
    """Tell of the keys of the objects at a path."""
    there = [each for each in objects if each]
    keys: Counter[str] = Counter()
    for shape, number in Counter(map(tuple, there)).items():
        keys.update(dict.fromkeys(shape, number))
    tell(path, wanted, len(there), keys)


def members(objects: Sequence[Record], keys: Iterable[str]) -> dict[str, Sequence[Raw]]:
    """Return, for each key, what all objects have there, null where an object has it not.

    Examples:
        >>> import msgspec
        >>> from collectionflow.harvest._json_values import members
        >>> found = members([{"id": msgspec.Raw(b"1")}, {}], ["id"])
        >>> [bytes(value) for value in found["id"]]
        [b'1', b'null']
    """
    shapes = set(map(tuple, objects))
    if len(shapes) != 1:
        return {key: [each.get(key, NULL) for each in objects] for key in keys}
    # As a rule all have the same keys in the same order, which takes a quarter of the time.
    (shape,) = shapes
    flat = list(chain.from_iterable(map(dict.values, objects)))
    places = {key: place for place, key in enumerate(shape)}
    return {
        key: flat[places[key] :: len(shape)] if key in places else [NULL] * len(objects)
        for key in keys
    }


def _is_native(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or dtype in {pl.Boolean, pl.Float64, pl.String}


def _uncoerced(dtype: pl.DataType) -> pl.DataType:
    match dtype:
        case pl.List():
            return pl.List(_uncoerced(instance(dtype.inner)))
        case pl.Array():
            return pl.Array(_uncoerced(instance(dtype.inner)), dtype.size)
        case pl.Struct():
            fields = dtype.fields
            return pl.Struct({each.name: _uncoerced(instance(each.dtype)) for each in fields})
        case _:
            return dtype if _is_native(dtype) else pl.String()


def instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype


def _all_or_misfit(
    decode: Callable[[Sequence[Raw]], T], cells: Sequence[Raw], path: Path, expected: str
) -> T:
    """Decode all values at once; where that fails, find the first that is to blame."""
    try:
        return decode(cells)
    except UNFIT as error:
        index = next(number for number, cell in enumerate(cells) if not _fits(decode, cell))
        raise Misfit(index, path, cells[index], expected) from error


def _fits(decode: Callable[[Sequence[Raw]], object], cell: Raw) -> bool:
    try:
        decode([cell])
    except UNFIT:
        return False
    return True


def _joined(cells: Sequence[Raw]) -> bytes:
    return b"[%b]" % b",".join(cells)


def _decode_objects(cells: Sequence[Raw]) -> list[Record | None]:
    text = _joined(cells)
    objects = _objects.decode(text)
    if not has_single_keys(text, [each for each in objects if each]):
        message = "An object has a key twice."
        raise ValueError(message)
    return objects


def _list_series(
    cells: Sequence[Raw],
    dtype: pl.List | pl.Array,
    path: Path,
    tell: Tell,
    *,
    is_coerced: bool,
) -> pl.Series:
    width = dtype.size if isinstance(dtype, pl.Array) else None
    lists = _all_or_misfit(lambda some: decode_lists(some, width), cells, path, str(dtype))
    flat = list(chain.from_iterable(each for each in lists if each))
    inner = instance(dtype.inner)
    try:
        items = series_of(flat, inner, path, tell, is_coerced=is_coerced)
    except Misfit as misfit:
        # The number of an item becomes that of its list.
        ends = list(accumulate(len(each or ()) for each in lists))
        index = bisect_right(ends, misfit.index)
        raise Misfit(index, misfit.path, misfit.value, misfit.expected) from misfit.__cause__
    series = regrouped(items, lengths_of(lists))
    return series if width is None else series.list.to_array(width)


def lengths_of(lists: Sequence[Sequence[object] | None]) -> list[int | None]:
    """Return how many items lists have, None for none."""
    return [None if each is None else len(each) for each in lists]


def decode_lists(cells: Sequence[Raw], width: int | None) -> list[list[Raw] | None]:
    """Return raw values as lists, null as None; raises one of `UNFIT`."""
    lists = _lists.decode(_joined(cells))
    if width is not None and any(each is not None and len(each) != width for each in lists):
        message = f"A list has not {width} items."
        raise ValueError(message)
    return lists


def _struct_series(
    cells: Sequence[Raw], dtype: pl.Struct, path: Path, tell: Tell, *, is_coerced: bool
) -> pl.Series:
    objects = objects_at(cells, path)
    names = [each.name for each in dtype.fields]
    tell_keys(tell, path, objects, names)
    found = members([each or {} for each in objects], names)
    columns = []
    for each in dtype.fields:
        inner, inner_path = instance(each.dtype), (*path, each.name)
        series = series_of(found[each.name], inner, inner_path, tell, is_coerced=is_coerced)
        columns.append(series.alias(each.name))
    return struct_of(columns, objects)


def struct_of(columns: Sequence[pl.Series], objects: Sequence[object]) -> pl.Series:
    """Return the members of objects as a struct, null where an object is None."""
    members = pl.DataFrame(columns or None, height=len(objects)).to_struct()
    if None not in objects:
        return members
    is_there = pl.Series([one is not None for one in objects], dtype=pl.Boolean)
    return members.zip_with(is_there, pl.Series([None], dtype=members.dtype))


def _leaves(cells: Sequence[Raw], dtype: pl.DataType, *, is_coerced: bool) -> pl.Series:
    if dtype == pl.String:
        return _texts(cells)
    if not is_coerced:
        return _natives(cells, dtype)
    try:
        return _natives(cells, dtype)
    except UNFIT:
        return _cast(_texts(cells), dtype)


def _natives(cells: Sequence[Raw], dtype: pl.DataType) -> pl.Series:
    text = _joined(cells)
    if dtype == pl.Boolean:
        return pl.Series(_booleans.decode(text), dtype=dtype)
    if dtype.is_integer():
        return pl.Series(_integers.decode(text), dtype=dtype, strict=True)
    if dtype != pl.Float64:
        message = f"JSON has no {dtype}."
        raise TypeError(message)
    numbers = _floats.decode(text)
    safe_length = 0 if b"e" in text or b"E" in text else _SAFE_DIGITS
    for cell, number in zip(cells, numbers, strict=True):
        if len(cell) > safe_length and number is not None and not _is_exact(cell, number):
            message = "A number has more digits than Float64 holds, or is too small."
            raise ValueError(message)
    return pl.Series(numbers, dtype=dtype)


def _is_exact(cell: Raw, number: float) -> bool:
    """Return whether a number is written as one of the ways in which programs write a Float64."""
    text = str(cell, "ascii")
    if text == repr(number):
        return True
    written = Decimal(text)
    return written in {Decimal(repr(number)), Decimal(f"{number:.17g}"), Decimal(number)}


def _texts(cells: Sequence[Raw]) -> pl.Series:
    try:
        return pl.Series(_strings.decode(_joined(cells)), dtype=pl.String)
    except msgspec.DecodeError:
        return pl.Series([scalar(cell) for cell in cells], dtype=pl.String)


def _cast(texts: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return text in another type by the strict casts of storage."""
    found, is_refused = strictly_cast(texts, dtype)
    if is_refused.any():
        message = f"A text is no {dtype}."
        raise ValueError(message)
    return found
