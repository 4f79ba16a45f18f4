"""Where in a JSON record the columns of a contract come from, and their filling from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
from msgspec import Raw

from collectionflow.contract import Contract
from collectionflow.harvest._json import Record, steps
from collectionflow.harvest._json_values import (
    Path,
    Tell,
    members,
    objects_at,
    series_of,
    source_dtype,
    tell_keys,
)


def json_schema(contract: Contract) -> dict[str, pl.DataType]:
    """Return all columns of a contract in the types in which JSON has them.

    An optional column is there as well: which keys come is known only when all records have.
    """
    return {
        name: source_dtype(dtype, is_coerced=name in contract.coerced)
        for name, dtype in contract.dtypes.items()
    }


@dataclass
class Place:
    """One key of a record: the columns that it fills, and the keys below it that are wanted."""

    columns: list[str] = field(default_factory=list)
    inner: "dict[str, Place]" = field(default_factory=dict)


class Places:
    """The columns of a contract, and where in a record each comes from.

    `fields` says where a column comes from that is not at the key of its name.
    """

    def __init__(self, contract: Contract, fields: Mapping[str, str]) -> None:
        self.schema = json_schema(contract)
        self.coerced = contract.coerced
        self.paths: dict[str, Path] = {
            name: steps(fields[name]) if name in fields else (name,) for name in contract.dtypes
        }
        self.record = Place()
        for name, path in self.paths.items():
            place = self.record
            for key in path:
                place = place.inner.setdefault(key, Place())
            place.columns.append(name)

    def columns(self, records: Sequence[Record], tell: Tell) -> dict[str, pl.Series]:
        """Return the columns of records.

        Raises:
            Misfit: for the first value that a column does not hold.
        """
        columns: dict[str, pl.Series] = {}
        self._fill(self.record, records, (), tell, columns)
        return columns

    def fill(
        self,
        place: Place,
        cells: Sequence[Raw],
        path: Path,
        tell: Tell,
        columns: dict[str, pl.Series],
    ) -> None:
        """Fill the columns of one place, and of all below it, from the values that are there."""
        for name in place.columns:
            is_coerced = name in self.coerced
            columns[name] = series_of(cells, self.schema[name], path, tell, is_coerced=is_coerced)
        if place.inner:
            objects = [each or {} for each in objects_at(cells, path)]
            self._fill(place, objects, path, tell, columns)

    def _fill(
        self,
        place: Place,
        objects: Sequence[Record],
        path: Path,
        tell: Tell,
        columns: dict[str, pl.Series],
    ) -> None:
        tell_keys(tell, path, objects, place.inner)
        found = members(objects, place.inner)
        for key, inner in place.inner.items():
            self.fill(inner, found[key], (*path, key), tell, columns)
