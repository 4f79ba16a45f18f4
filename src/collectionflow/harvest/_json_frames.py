"""JSON records as frames of a contract's columns, and what the contract does not name told."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import polars as pl

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._json import Record, RecordList
from collectionflow.harvest._json_faults import excerpt
from collectionflow.harvest._json_places import Places
from collectionflow.harvest._json_shape import Shape, UnlikeError
from collectionflow.harvest._json_values import Misfit, Path
from collectionflow.harvest._source import choose_columns
from collectionflow.markdown import quoted
from collectionflow.notes import Notes

# Where keys are data, such as identifiers, there is no end to them.
_NAMES_KEPT: Final = 1_000
_NAMES_SHOWN: Final = 20
# How often a shape is learned: the last one stays, for those records that are alike.
_LESSONS: Final = 5


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
        >>> from collectionflow.harvest._json import record_list
        >>> from collectionflow.harvest._json_frames import JsonFrames
        >>> class Objects(pa.DataFrameModel):
        ...     id: int
        ...     maker: str
        >>> fields = {"maker": "maker.name"}
        >>> frames = JsonFrames("objects", contract_of(Objects), "the page", fields)
        >>> body = b'[{"id": 1, "maker": {"name": "Rembrandt"}}]'
        >>> frames.frame([record_list(body, None, "the page")]).rows()
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
        self._places = Places(contract, fields or {})
        self._levels: dict[Path, _Level] = {}
        self._records = 0
        self._shape: Shape | None = None
        self._lessons: list[Record] = []
        self._lessons_left = _LESSONS

    def frame(
        self, lists: Iterable[RecordList], wanted: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return records as a frame of the wanted columns, in the types of `json_schema`.

        Thousands of records at a time are faster than hundreds.

        Raises:
            SourceError: for a value that is not what its column holds, with record and field.
        """
        columns = self._columns(list(lists))
        names = self._places.schema if wanted is None else wanted
        frame = pl.DataFrame([columns[name].alias(name) for name in names])
        self._records += frame.height
        return frame

    def _columns(self, lists: Sequence[RecordList]) -> dict[str, pl.Series]:
        if self._shape is not None:
            with suppress(UnlikeError):
                return self._shape.columns([each.text for each in lists], self._tell)
        records = list(chain.from_iterable(each.decode() for each in lists))
        try:
            columns = self._places.columns(records, self._tell)
        except Misfit as misfit:
            raise self._refusal(misfit) from misfit
        self._learn(records)
        return columns

    def _learn(self, records: Sequence[Record]) -> None:
        """Learn the shape of records, with that of those before: some keys come late."""
        if self._lessons_left and records:
            self._lessons_left -= 1
            self._lessons.extend(records)
            self._shape = Shape(self._lessons, self._places)
        else:
            self._lessons.clear()

    def finish(self, notes: Notes) -> None:
        """Say at the end of a harvest which keys were left behind, and which never came.

        Raises:
            SourceError: where a required column was in none of the records.
        """
        if not self._records:
            return
        present = [name for name, path in self._places.paths.items() if self._has(path)]
        if self._contract.missing(dict.fromkeys(present)):
            others = [key for key in self._levels[()].keys if key not in self._places.record.inner]
            choose_columns(self._table, self._contract, [*present, *others], self._where, notes)
        for message in (self._unexpected(), self._absent()):
            if message:
                notes.warn(message)

    def _tell(
        self, path: Path, wanted: Collection[str], objects: int, keys: Mapping[str, int]
    ) -> None:
        """Count the keys of the objects at one path."""
        level = self._levels.setdefault(path, _Level(wanted=wanted))
        level.objects += objects
        for key, count in keys.items():
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
            and (*path, key) not in self._places.paths.values()
        ]
        if not names:
            return ""
        return (
            f"{self._where} has no {quoted(names)} in any record. Has the source renamed it? "
            f"Change {self._contract.name} or ask the source."
        )
