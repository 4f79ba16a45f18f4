"""The shape of a source's records, learned from some, by which the others are read at once.

A decoder that knows keys and types before it reads takes a quarter of the time. It guesses nothing:
records of another shape are refused here, to be read one by one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
import polars as pl
from msgspec import Raw

from collectionflow.harvest._json import Record
from collectionflow.harvest._json_faults import has_escaped_colons
from collectionflow.harvest._json_nodes import (
    ABSENT,
    Branch,
    ColumnNode,
    Items,
    Leaf,
    Members,
    Node,
    Placed,
    Seen,
    Struct,
    Unnamed,
    Written,
    attribute,
)
from collectionflow.harvest._json_places import Place, Places
from collectionflow.harvest._json_values import (
    UNFIT,
    Misfit,
    Path,
    Tell,
    decode_lists,
    instance,
    members,
    objects_at,
)


class UnlikeError(Exception):
    """Records are not of the shape, or an object may have a key twice."""


class Shape:
    """The shape of records that `places` has read, by which others are read.

    Examples:
        >>> import pandera.polars as pa
        >>> from collectionflow.contract import contract_of
        >>> from collectionflow.harvest._json import decode_records
        >>> from collectionflow.harvest._json_places import Places
        >>> from collectionflow.harvest._json_shape import Shape
        >>> class Objects(pa.DataFrameModel):
        ...     id: int
        >>> records = decode_records(b'[{"id": 1}]', None, "the page")
        >>> shape = Shape(records, Places(contract_of(Objects), {}))
        >>> shape.columns([b'[{"id": 2}, {"id": 3}]'], lambda *_: None)["id"].to_list()
        [2, 3]
    """

    def __init__(self, records: Sequence[Record], places: Places) -> None:
        self._record = _branch(records, (), places.record, places)
        self._decoder = msgspec.json.Decoder(list[self._record.members.struct])

    def columns(self, texts: Sequence[bytes], tell: Tell) -> dict[str, pl.Series]:
        """Return the columns of lists of records.

        A decoder keeps the last of two equal keys. Each key brings a colon, so where one was
        dropped, the text has more colons than what was kept. Escaped colons upset that sum.

        Raises:
            UnlikeError: where they are of another shape, or may have a key twice.
        """
        seen = Seen()
        try:
            records = list(chain.from_iterable(map(self._decoder.decode, texts)))
            self._record.read(records, seen)
        except (*UNFIT, Misfit) as error:
            raise UnlikeError from error
        has_escaped = any(map(has_escaped_colons, texts))
        if has_escaped or sum(text.count(b":") for text in texts) != seen.colons:
            raise UnlikeError
        for objects in seen.objects:
            tell(*objects)
        return seen.columns


def _branch(objects: Sequence[Record], path: Path, place: Place, places: Places) -> Branch:
    nodes = {
        key: _placed(cells, (*path, key), place.inner[key], places)
        if key in place.inner
        else Unnamed()
        for key, cells in _all_members(objects).items()
    }
    found = _members(objects, path, list(place.inner), nodes)
    return Branch(members=found, place=place, places=places)


def _placed(cells: Sequence[Raw], path: Path, place: Place, places: Places) -> Node:
    objects = [] if place.columns else [each for each in objects_at(cells, path) if each]
    if objects:
        return _branch(objects, path, place, places)
    if place.inner or len(place.columns) > 1:
        return Placed(path=path, place=place, places=places)
    (name,) = place.columns
    return _column(cells, path, places.schema[name], is_coerced=name in places.coerced)


def _column(
    cells: Sequence[Raw], path: Path, dtype: pl.DataType, *, is_coerced: bool
) -> ColumnNode:
    """Return how values become a column that go on like these: by the decoder, where it can."""
    written = Written(path=path, dtype=dtype, is_coerced=is_coerced)
    match dtype:
        case pl.List():
            items = list(chain.from_iterable(filter(None, decode_lists(cells, None))))
            inner = _column(items, path, instance(dtype.inner), is_coerced=is_coerced)
            return Items(inner=inner)
        case pl.Struct():
            objects = [each for each in objects_at(cells, path) if each]
            return _struct(objects, path, dtype, is_coerced=is_coerced) if objects else written
        case _:
            kind = _kind(dtype)
            return Leaf(type=kind | None, dtype=dtype) if kind and _are(kind, cells) else written


def _struct(objects: Sequence[Record], path: Path, dtype: pl.Struct, *, is_coerced: bool) -> Struct:
    dtypes = {each.name: instance(each.dtype) for each in dtype.fields}
    nodes = {
        key: _column(cells, (*path, key), dtypes[key], is_coerced=is_coerced)
        if key in dtypes
        else Unnamed()
        for key, cells in _all_members(objects).items()
    }
    return Struct(members=_members(objects, path, list(dtypes), nodes), dtype=dtype)


def _members(
    objects: Sequence[Record], path: Path, wanted: Sequence[str], nodes: Mapping[str, Node]
) -> Members:
    counts = Counter(chain.from_iterable(objects))
    optional = {key for key in nodes if counts[key] < len(objects)}
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (attribute(number), node.type, ABSENT)
        if key in optional
        else (attribute(number), node.type)
        for number, (key, node) in enumerate(nodes.items())
    ]
    struct = msgspec.defstruct(
        "Object",
        fields,
        kw_only=True,
        rename={attribute(number): key for number, key in enumerate(nodes)},
        forbid_unknown_fields=True,
        gc=False,
    )
    return Members(path=path, wanted=wanted, nodes=nodes, optional=optional, struct=struct)


def _all_members(objects: Sequence[Record]) -> dict[str, Sequence[Raw]]:
    return members(objects, dict.fromkeys(chain.from_iterable(objects)))


def _kind(dtype: pl.DataType) -> Any:
    """Return the decoder's type for a column's; None where it has none that is exact."""
    if dtype.is_integer():
        return int
    return {pl.String: str, pl.Boolean: bool}.get(type(dtype))


def _are(kind: Any, cells: Iterable[Raw]) -> bool:
    try:
        msgspec.json.decode(b"[%b]" % b",".join(cells), type=list[kind | None])
    except UNFIT:
        return False
    return True
