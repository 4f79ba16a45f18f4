"""Reads only what changed since the version that is published, and the keys of all rows."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Final

import polars as pl

from collectionflow.casts import casts
from collectionflow.contract import Contract
from collectionflow.harvest._stream import stream
from collectionflow.harvest.databases._dialect import Column
from collectionflow.harvest.databases._reading import Reading, batches
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes
from collectionflow.storage import _files
from collectionflow.storage.current import current_table
from collectionflow.storage.merge import Merge

_STATE: Final = "database"
_KEYS_AT_ONCE: Final = 500


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The column that says when a row changed, and how far before the last change to begin."""

    column: str
    overlap: int


def changed_rows(
    reading: Reading, changes: Changes, contract: Contract, harvest: Harvest, notes: Notes
) -> pl.LazyFrame | None:
    """Return the rows that changed since the published version, None where all must be read.

    Only a version that was harvested from the same place, and has the columns and types that the
    contract has now, can take changes in. `notes.merge` then says so.
    """
    if reason := _never(reading, changes.column, contract):
        notes.warn(f"'{harvest.table}' is harvested in full: {reason}.")
        return None
    origin = _origin(reading, changes.column)
    published = _published(reading, origin)
    notes.state[_STATE] = origin
    since = None if published is None else _since(published, changes, harvest, notes)
    if published is None or since is None:
        return None
    harvest.since = str(since)
    column = _column(reading, changes.column)
    is_later = f"{reading.dialect.since(column, since)}"
    is_unknown = f"{reading.dialect.column(column)} IS NULL"
    update = _Update(
        later=replace(reading, condition=f"({is_later} OR {is_unknown})"),
        kept=_all_keys(reading, contract, harvest, notes),
        known=published.select(contract.key),
        contract=contract,
        harvest=harvest,
        notes=notes,
    )
    notes.merge = Merge(key=contract.key, kept=update.kept)
    return stream(reading.schema, update.batches, harvest)


@dataclass(frozen=True, kw_only=True)
class _Update:
    """The rows that changed, the keys of all rows, and the keys that are published."""

    later: Reading
    kept: pl.LazyFrame
    known: pl.LazyFrame
    contract: Contract
    harvest: Harvest
    notes: Notes

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the rows that changed; then those that are new, whatever they say of their change.

        Rows that were restored or imported with an old time would otherwise never be harvested.
        """
        key = list(self.contract.key)
        asked = list(dict.fromkeys([*names, *key]))
        seen = [pl.DataFrame(schema={name: self.later.schema[name] for name in key})]
        for batch in batches(self.later, self.harvest, self.notes, asked):
            seen.append(batch.select(key))
            yield batch.select(names)
        for part in self._new(pl.concat(seen)).iter_slices(_KEYS_AT_ONCE):
            condition = _one_of([_column(self.later, name) for name in key], part, self.later)
            some = replace(self.later, condition=condition)
            yield from batches(some, self.harvest, self.notes, names)

    def _new(self, seen: pl.DataFrame) -> pl.DataFrame:
        known = pl.concat([self.known, self._cast(seen.lazy())])
        keys = self._cast(self.kept)
        return keys.join(known, on=self.contract.key, how="anti", nulls_equal=True).collect()

    def _cast(self, keys: pl.LazyFrame) -> pl.LazyFrame:
        """Return keys in the types that the published table has."""
        return keys.with_columns(**casts(self.contract, keys.collect_schema()))


def _never(reading: Reading, name: str, contract: Contract) -> str | None:
    """Return why changes can never be told by this column, None where they can."""
    if name not in reading.wanted:
        return f"{contract.name} has no column '{name}', by which changes would be told"
    if not contract.key or not set(contract.key) <= set(reading.wanted):
        return f"{contract.name} has no key, by which changed rows would be found"
    examples = {pl.Date: date(2000, 1, 1), pl.Datetime: datetime(2000, 1, 1, tzinfo=UTC)}
    dtype = contract.dtypes[name]
    example = 0 if dtype.is_integer() else examples.get(type(dtype))
    if example is None:
        return f"column '{name}' is {dtype} in {contract.name}, neither a time nor a whole number"
    column = _column(reading, name)
    if reading.dialect.since(column, example) is None:
        return f"column '{name}' is '{column.type}' in the database, which cannot be compared"
    return None


def _origin(reading: Reading, name: str) -> str:
    """Return what tells this place, and this way to tell changes, from any other."""
    url = reading.dialect.url
    place = f"{url.get_backend_name()} {url.host} {url.port} {url.database}"
    told = f"{place}\n{reading.relation.sql}\n{name}"
    return hashlib.sha256(told.encode()).hexdigest()


def _published(reading: Reading, origin: str) -> pl.LazyFrame | None:
    stored = current_table()
    if stored is None or not stored.path.exists():
        return None
    if stored.harvest_state().get(_STATE) != origin:
        return None
    published = _files.scan(stored.path)
    return published if dict(published.collect_schema()) == dict(reading.wanted) else None


def _since(
    published: pl.LazyFrame, changes: Changes, harvest: Harvest, notes: Notes
) -> date | int | None:
    """Return from when on changes are asked for, None where the published version cannot say."""
    last = published.select(pl.col(changes.column).max()).collect().item()
    if last is None:
        return None
    if _is_to_come(last):
        notes.warn(
            f"'{harvest.table}' is harvested in full: '{changes.column}' has a time that is still "
            f"to come, {last}."
        )
        return None
    return _before(last, changes.overlap)


def _is_to_come(moment: date | int) -> bool:
    """Whether a time is later than now, wherever its clock stood."""
    if isinstance(moment, int):
        return False
    day = moment.date() if isinstance(moment, datetime) else moment
    return day > datetime.now(UTC).date() + timedelta(days=1)


def _before(moment: date | int, overlap: int) -> date | int:
    if isinstance(moment, int):
        return moment - overlap
    if isinstance(moment, datetime):
        utc = moment if moment.tzinfo is None else moment.astimezone(UTC)
        return utc - timedelta(seconds=overlap)
    return (datetime.combine(moment, time.min) - timedelta(seconds=overlap)).date()


def _all_keys(reading: Reading, contract: Contract, harvest: Harvest, notes: Notes) -> pl.LazyFrame:
    wanted = {name: contract.dtypes[name] for name in contract.key}
    keys = replace(reading, wanted=wanted)
    # A count of its own: these rows are looked at, not received.
    looked_at = Harvest(table=harvest.table, source=harvest.source)
    return stream(keys.schema, partial(batches, keys, looked_at, notes), looked_at)


def _one_of(columns: Sequence[Column], keys: pl.DataFrame, reading: Reading) -> str:
    """Return SQL for rows that have one of these keys."""

    def is_value(column: Column, value: object) -> str:
        if value is None:
            return f"{reading.dialect.column(column)} IS NULL"
        return reading.dialect.equals(column, str(value))

    rows = (" AND ".join(map(is_value, columns, key)) for key in keys.iter_rows())
    return "(" + " OR ".join(f"({row})" for row in rows) + ")"


def _column(reading: Reading, name: str) -> Column:
    return next(column for column in reading.relation.columns if column.name == name)
