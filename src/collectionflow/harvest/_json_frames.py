"""JSON records as frames of a contract's columns, and what the contract does not name told."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._json import Record, steps
from collectionflow.harvest._json_faults import excerpt
from collectionflow.harvest._json_values import (
    Misfit,
    Path,
    members,
    objects_at,
    series_of,
    source_dtype,
)
from collectionflow.harvest._source import choose_columns
from collectionflow.markdown import quoted
from collectionflow.notes import Notes

# Where keys are data, such as identifiers, there is no end to them.
_NAMES_KEPT: Final = 1_000
_NAMES_SHOWN: Final = 20


def json_schema(contract: Contract) -> dict[str, pl.DataType]:
    """Return all columns of a contract in the types in which JSON has them.

    An optional column is there as well: which keys come is known only when all records have.
    """
    return {
        name: source_dtype(dtype, is_coerced=name in contract.coerced)
        for name, dtype in contract.dtypes.items()
    }


@dataclass
class _Place:
    """One key of a record: the columns that it fills, and the keys below it that are wanted."""

    columns: list[str] = field(default_factory=list)
    inner: "dict[str, _Place]" = field(default_factory=dict)


@dataclass
class _Level:
    """What the objects at one path had, over all records."""

    objects: int = 0
    wanted: Collection[str] = ()
    keys: Counter[str] = field(default_factory=Counter)


class JsonFrames:
    """Makes frames of one harvest's records, and remembers what the contract does not name.

    `fields` says where in a record a column comes from, where that is not the key of its name.
    `where` names the source in errors. Make a new one for each run of a lazy frame.

    Examples:
        >>> import pandera.polars as pa
        >>> from collectionflow.contract import contract_of
        >>> from collectionflow.harvest._json import decode_records
        >>> from collectionflow.harvest._json_frames import JsonFrames
        >>> class Objects(pa.DataFrameModel):
        ...     id: int
        ...     maker: str
        >>> fields = {"maker": "maker.name"}
        >>> frames = JsonFrames("objects", contract_of(Objects), "the page", fields)
        >>> body = b'[{"id": 1, "maker": {"name": "Rembrandt"}}]'
        >>> frames.frame(decode_records(body, None, "the page")).rows()
        [(1, 'Rembrandt')]
    """

    def __init__(
        self,
        table: str,
        contract: Contract,
        where: str,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self._table, self._contract, self._where = table, contract, where
        self._schema = json_schema(contract)
        given = fields or {}
        self._paths: dict[str, Path] = {
            name: steps(given[name]) if name in given else (name,) for name in contract.dtypes
        }
        self._plan = _plan(self._paths)
        self._levels: dict[Path, _Level] = {}
        self._records = 0

    def frame(self, records: Sequence[Record], wanted: Sequence[str] | None = None) -> pl.DataFrame:
        """Return records as a frame of the wanted columns, in the types of `json_schema`.

        Thousands of records at a time are faster than hundreds.

        Raises:
            SourceError: for a value that is not what its column holds, with record and field.
        """
        columns: dict[str, pl.Series] = {}
        try:
            self._fill(self._plan, records, (), columns)
        except Misfit as misfit:
            raise self._refusal(misfit) from misfit
        self._records += len(records)
        names = self._schema if wanted is None else wanted
        return pl.DataFrame([columns[name].alias(name) for name in names])

    def finish(self, notes: Notes) -> None:
        """Say at the end of a harvest which keys were left behind, and which never came.

        Raises:
            SourceError: where a required column was in none of the records.
        """
        if not self._records:
            return
        present = [name for name, path in self._paths.items() if self._has(path)]
        if self._contract.missing(dict.fromkeys(present)):
            others = [key for key in self._levels[()].keys if key not in self._plan.inner]
            choose_columns(self._table, self._contract, [*present, *others], self._where, notes)
        for message in (self._unexpected(), self._absent()):
            if message:
                notes.warn(message)

    def _fill(
        self,
        place: _Place,
        objects: Sequence[Record],
        path: Path,
        columns: dict[str, pl.Series],
    ) -> None:
        """Fill the columns of all places below one."""
        self._tell(path, objects, place.inner)
        found = members(objects, place.inner)
        for key, inner in place.inner.items():
            cells = found[key]
            below = (*path, key)
            for name in inner.columns:
                columns[name] = series_of(
                    cells,
                    self._schema[name],
                    below,
                    self._tell,
                    is_coerced=name in self._contract.coerced,
                )
            if inner.inner:
                self._fill(inner, [each or {} for each in objects_at(cells, below)], below, columns)

    def _tell(self, path: Path, objects: Sequence[Record | None], wanted: Collection[str]) -> None:
        """Count the keys of the objects at one path."""
        level = self._levels.setdefault(path, _Level(wanted=wanted))
        there = [each for each in objects if each]
        level.objects += len(there)
        for shape, count in Counter(map(tuple, there)).items():
            for key in shape:
                if key in level.keys or key in wanted or len(level.keys) < _NAMES_KEPT:
                    level.keys[key] += count

    def _has(self, path: Path) -> bool:
        level = self._levels.get(path[:-1])
        return level is not None and level.keys[path[-1]] > 0

    def _refusal(self, misfit: Misfit) -> SourceError:
        number = self._records + misfit.index + 1
        return SourceError(
            f"Field '{'.'.join(misfit.path)}' of record {number:,} of '{self._table}' is "
            f"'{excerpt(misfit.value)}', expected {misfit.expected}. Ask {self._where} to mend it, "
            f"or keep it as text: make it a `str` in {self._contract.name}."
        )

    def _unexpected(self) -> str:
        found = {
            ".".join((*path, key)): count
            for path, level in self._levels.items()
            for key, count in level.keys.items()
            if key not in level.wanted
        }
        if not found:
            return ""
        names = list(found)[:_NAMES_SHOWN]
        shown = ", ".join(f"'{name}' ({found[name]:,})" for name in names)
        more = f" and {len(found) - len(names):,} more" if len(found) > len(names) else ""
        return (
            f"{self._where} has keys that {self._contract.name} does not name, so they are left "
            f"behind: {shown}{more}."
        )

    def _absent(self) -> str:
        """Tell keys inside of nested values that never came: null everywhere may be a new name."""
        names = [
            ".".join((*path, key))
            for path, level in self._levels.items()
            for key in level.wanted
            if path
            and level.objects
            and not level.keys[key]
            and (*path, key) not in self._paths.values()
        ]
        if not names:
            return ""
        return (
            f"{self._where} has no {quoted(names)} in any record. Has the source renamed it? "
            f"Change {self._contract.name} or ask the source."
        )


def _plan(paths: Mapping[str, Path]) -> _Place:
    plan = _Place()
    for name, path in paths.items():
        place = plan
        for key in path:
            place = place.inner.setdefault(key, _Place())
        place.columns.append(name)
    return plan
