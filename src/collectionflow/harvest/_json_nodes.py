"""Values of a known shape: the type that a decoder reads them as, and the columns they become."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any, ClassVar, Final, TypeAlias

import polars as pl
from msgspec import Raw

from collectionflow.harvest._json_places import Place, Places
from collectionflow.harvest._json_values import NULL, Path, lengths_of, series_of, struct_of
from collectionflow.harvest._lists import regrouped

# Stands for a key that an object has not.
ABSENT: Final = object()


@dataclass
class Seen:
    """What was met while values became columns: colons, objects and their keys, the columns."""

    columns: dict[str, pl.Series] = field(default_factory=dict)
    colons: int = 0
    objects: list[tuple[Path, Collection[str], int, Mapping[str, int]]] = field(
        default_factory=list
    )

    def tell(
        self, path: Path, wanted: Collection[str], objects: int, keys: Mapping[str, int]
    ) -> None:
        """Remember the objects at a path; it is told when all has been read."""
        self.objects.append((path, wanted, objects, keys))

    def count_colons(self, values: Sequence[Raw]) -> None:
        """Count the colons of values as they are written."""
        self.colons += b"".join(values).count(b":")


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """Values that the decoder reads itself: texts, truth values, or whole numbers."""

    type: Any
    dtype: pl.DataType
    null: ClassVar[None] = None

    def read(self, values: Sequence[Any], seen: Seen) -> pl.Series:
        """Return values as a column."""
        if self.dtype == pl.String:
            seen.colons += "".join(filter(None, values)).count(":")
        return pl.Series(values, dtype=self.dtype, strict=True)


@dataclass(frozen=True, kw_only=True)
class Written:
    """Values that stay as they are written, and are read with the care of `series_of`."""

    path: Path
    dtype: pl.DataType
    is_coerced: bool
    type: ClassVar[Any] = Raw
    null: ClassVar[Raw] = NULL

    def read(self, values: Sequence[Any], seen: Seen) -> pl.Series:
        """Return values as a column."""
        seen.count_colons(values)
        return series_of(values, self.dtype, self.path, seen.tell, is_coerced=self.is_coerced)


@dataclass(frozen=True, kw_only=True)
class Items:
    """Lists of values that are all of one shape."""

    inner: "ColumnNode"
    null: ClassVar[None] = None

    @property
    def type(self) -> Any:
        """What the decoder reads."""
        return list[self.inner.type] | None

    def read(self, values: Sequence[Any], seen: Seen) -> pl.Series:
        """Return values as a column of lists."""
        flat = list(chain.from_iterable(filter(None, values)))
        return regrouped(self.inner.read(flat, seen), lengths_of(values))


@dataclass(frozen=True, kw_only=True)
class Unnamed:
    """Values that no column is made of."""

    type: ClassVar[Any] = Raw
    null: ClassVar[Raw] = NULL

    def read(self, values: Sequence[Any], seen: Seen) -> None:
        """Pass over values."""
        seen.count_colons(values)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Values of which several columns are made, and stay as they are written."""

    path: Path
    place: Place
    places: Places
    type: ClassVar[Any] = Raw
    null: ClassVar[Raw] = NULL

    def read(self, values: Sequence[Any], seen: Seen) -> None:
        """Fill the columns."""
        seen.count_colons(values)
        self.places.fill(self.place, values, self.path, seen.tell, seen.columns)


@dataclass(frozen=True, kw_only=True)
class Members:
    """What objects are made of: `struct` has a field for each key, named by `attribute`.

    An object that lacks an `optional` key has `ABSENT` there.
    """

    path: Path
    wanted: Collection[str]
    nodes: Mapping[str, "Node"]
    optional: Collection[str]
    struct: Any

    def read(self, objects: Sequence[Any], seen: Seen) -> dict[str, pl.Series | None]:
        """Return what objects have at each key; one that is None has null there."""
        known = len(objects) - objects.count(None)
        if known < len(objects):
            empty = self._empty()
            objects = [empty if each is None else each for each in objects]
        keys: dict[str, int] = {}
        found = {}
        for number, (key, node) in enumerate(self.nodes.items()):
            values = list(map(attrgetter(attribute(number)), objects))
            keys[key] = known
            if key in self.optional:
                keys[key] = sum(value is not ABSENT for value in values)
                values = [node.null if value is ABSENT else value for value in values]
            found[key] = node.read(values, seen)
        seen.colons += sum(count * (1 + key.count(":")) for key, count in keys.items())
        seen.tell(self.path, self.wanted, known, keys)
        return found

    def _empty(self) -> Any:
        """Return an object that has null at each key, and none of the optional ones."""
        values = {
            attribute(number): ABSENT if key in self.optional else node.null
            for number, (key, node) in enumerate(self.nodes.items())
        }
        return self.struct(**values)


@dataclass(frozen=True, kw_only=True)
class Struct:
    """Objects that are the values of a struct."""

    members: Members
    dtype: pl.Struct
    null: ClassVar[None] = None

    @property
    def type(self) -> Any:
        """What the decoder reads."""
        return self.members.struct | None

    def read(self, objects: Sequence[Any], seen: Seen) -> pl.Series:
        """Return objects as a column."""
        found = self.members.read(objects, seen)
        columns = []
        for each in self.dtype.fields:
            series = found.get(each.name)
            if series is None:  # A key that no object had when the shape was learned.
                series = pl.Series([None] * len(objects), dtype=each.dtype)
            columns.append(series.alias(each.name))
        return struct_of(columns, objects)


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Objects whose members fill columns: records, and what is at the start of a path."""

    members: Members
    place: Place
    places: Places
    null: ClassVar[None] = None

    @property
    def type(self) -> Any:
        """What the decoder reads."""
        return self.members.struct | None

    def read(self, objects: Sequence[Any], seen: Seen) -> None:
        """Fill the columns."""
        found = self.members.read(objects, seen)
        for key, place in self.place.inner.items():
            if key not in found:
                nulls, path = [NULL] * len(objects), (*self.members.path, key)
                self.places.fill(place, nulls, path, seen.tell, seen.columns)
            elif (series := found[key]) is not None:
                seen.columns[place.columns[0]] = series


ColumnNode: TypeAlias = Leaf | Written | Items | Struct
Node: TypeAlias = ColumnNode | Unnamed | Placed | Branch


def attribute(number: int) -> str:
    """Return what a decoder's type calls a key, by its number: not all keys can be names."""
    return f"k{number}"
