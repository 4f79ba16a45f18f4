"""One publication: write a frame beside its table, judge it, and only then put it in place."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import polars as pl
from upath import UPath

from collectionflow.contract import Contract
from collectionflow.errors import StopRun
from collectionflow.storage import _files
from collectionflow.storage._refusal import refuse
from collectionflow.storage._writing import conforming, write_whole, writing_of
from collectionflow.storage.diff import row_changes
from collectionflow.storage.drop_guard import ALLOW_TAG, drops
from collectionflow.storage.gate import Breach, Measurement, breaches, measure
from collectionflow.storage.measured import keep_measured, measured
from collectionflow.storage.quarantine import split
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import StoredTable, new_version, publish


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What was published, how it differs from the version before, and what it took."""

    table: StoredTable
    version: str
    measurement: Measurement
    before: Measurement | None
    rows_added: int | None
    rows_removed: int | None
    rows_quarantined: int
    bytes: int
    seconds: float

    @property
    def columns_added(self) -> list[str]:
        """The columns that the version before did not have."""
        return [] if self.before is None else _only_in(self.measurement, self.before)

    @property
    def columns_removed(self) -> list[str]:
        """The columns that only the version before had."""
        return [] if self.before is None else _only_in(self.before, self.measurement)


def publish_frame(frame: Any, table: StoredTable, terms: Terms) -> Publication:
    """Write a lazy table of the terms' engine, check it against the terms and publish it.

    Raises:
        Refused: when the contract or the drop guard says no. The published version stays, and the
            refused one is kept at `table.refused`.
    """
    started = time.monotonic()
    version = new_version()
    frame = conforming(frame, table, terms)
    with _files.staged(table.base) as partial:
        measurement = write_whole(frame, partial, version, table, terms)
        judged = _pass_gate(_files.written(partial), measurement, table, terms)
        with _without_quarantined(judged, version, table, terms) as rest:
            _refuse_empty(rest, table, terms)
            publication = _publish(rest, version, table, terms)
    return replace(publication, seconds=time.monotonic() - started)


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A written table that keeps its contract, and the rows that were taken out of it."""

    path: Path
    measurement: Measurement
    warning: Sequence[Breach] = ()
    quarantined: Path | None = None
    rows_quarantined: int = 0


def _publish(judged: _Judged, version: str, table: StoredTable, terms: Terms) -> Publication:
    """Compare with the published version and take its place, with all that is kept beside it."""
    measurement = judged.measurement
    before, added, removed = _pass_guard(measurement, judged.path, table, terms)
    size = _files.size(judged.path)
    _files.sync(judged.path)
    if judged.quarantined is not None:
        _files.sync(judged.quarantined)
        _files.move(judged.quarantined, table.quarantined(version))
    keep_measured(table, version, measurement, judged.warning, terms.source_columns)
    publish(judged.path, table, version, keep=terms.versions_kept)
    return Publication(
        table=table,
        version=version,
        measurement=measurement,
        before=before,
        rows_added=added,
        rows_removed=removed,
        rows_quarantined=judged.rows_quarantined,
        bytes=size,
        seconds=0.0,
    )


def _pass_gate(
    path: Path, measurement: Measurement | None, table: StoredTable, terms: Terms
) -> _Judged:
    written = _files.scan(UPath(path))
    contract = terms.contract
    if contract is None:
        return _Judged(path=path, measurement=measurement or measure(written))
    if wrong := contract.wrong_types(written.collect_schema()):
        # An engine stores some types as others, such as an interval as a number.
        refuse(path, table, f"breaks its contract {contract.name}", [], wrong)
    measurement = measurement or measure(written, contract.rules)
    stopping, warning = breaches(written, measurement, contract)
    for breach in warning:
        terms.warn(f"'{table.name}': {breach}")
    if stopping:
        refuse(path, table, f"breaks its contract {contract.name}", stopping)
    return _Judged(path=path, measurement=measurement, warning=warning)


@contextmanager
def _without_quarantined(
    judged: _Judged, version: str, table: StoredTable, terms: Terms
) -> Generator[_Judged]:
    """Yield the table without the rows that are quarantined, where the asset wants it so."""
    broken = [each.rule for each in judged.measurement.broken]
    if terms.quarantine is None or not broken:
        yield judged
        return
    contract = cast("Contract", terms.contract)
    written = _files.scan(UPath(judged.path))
    with split(written, broken, table.base, writing_of(version, table, terms)) as (kept, apart):
        rest = _files.scan(UPath(kept))
        measurement = measure(rest, contract.rules)
        rows = judged.measurement.rows - measurement.rows
        found = f"{rows:,} of {judged.measurement.rows:,} rows"
        if rows > terms.quarantine.max_share * judged.measurement.rows:
            most = f"{found} would be quarantined, more than {terms.quarantine.max_share:.1%}."
            refuse(judged.path, table, "has too many bad rows", judged.warning, [most])
        where = _files.location(table.quarantine)
        terms.warn(f"'{table.name}': {found} are not in it, but quarantined in '{where}'.")
        yield _Judged(
            path=kept,
            measurement=measurement,
            warning=breaches(rest, measurement, contract)[1],
            quarantined=apart,
            rows_quarantined=rows,
        )


def _refuse_empty(judged: _Judged, table: StoredTable, terms: Terms) -> None:
    """Refuse a table without a row, and tell of columns without a value."""
    measurement = judged.measurement
    if terms.contract is None:
        return
    if not measurement.rows and not terms.guard.allow_empty and not terms.is_drop_allowed:
        message = (
            "It has no rows. Is the source empty, or only its header there? An asset that may be "
            "empty says so with metadata=drop_guard(allow_empty=True)."
        )
        refuse(judged.path, table, "is empty", [], [message])
    for name in measurement.filled:
        if measurement.rows and not measurement.filled[name]:
            terms.warn(f"'{table.name}': column '{name}' has no value in any row.")


def _pass_guard(
    measurement: Measurement, path: Path, table: StoredTable, terms: Terms
) -> tuple[Measurement | None, int | None, int | None]:
    """Compare with the published version; return its measurement and the rows added and removed."""
    if not table.path.exists():
        return None, None, None
    published = _files.scan(table.path)
    try:
        before = _measurement_of(published, table)
    except pl.exceptions.PolarsError as error:
        message = (
            f"The published file '{_files.location(table.path)}' cannot be read, so nothing can be "
            "compared with it. Roll back to an earlier version, or delete it, and run again."
        )
        raise StopRun(message) from error
    lost = drops(before, measurement)
    stops = [drop.text for drop in lost if drop.share >= terms.guard.stop]
    if stops and not terms.is_drop_allowed:
        advice = (
            f"If this is meant, let one run pass: run tag '{ALLOW_TAG}' with the asset's name, or "
            "`collectionflow run JOB --allow-drop ASSET`."
        )
        refuse(path, table, "lost too much since the published version", [], [*stops, advice])
    for drop in lost:
        if drop.share >= terms.guard.warn:
            terms.warn(f"'{table.name}': {drop.text}")
    key = terms.contract.key if terms.contract else ()
    added, removed = row_changes(published, _files.scan(UPath(path)), key)
    return before, added, removed


def _measurement_of(published: pl.LazyFrame, table: StoredTable) -> Measurement:
    """Return what was counted when the table was published, or count it now."""
    kept = measured(table)
    return Measurement(rows=kept.rows, filled=kept.filled) if kept else measure(published)


def _only_in(one: Measurement, other: Measurement) -> list[str]:
    return [name for name in one.filled if name not in other.filled]
