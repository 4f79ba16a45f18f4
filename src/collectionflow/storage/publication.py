"""One publication: write a frame beside its table, judge it, and only then put it in place."""

import json
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, cast

import dagster as dg
import polars as pl
from upath import UPath

from collectionflow.casts import cast_rules, casts
from collectionflow.contract import Contract
from collectionflow.errors import Refused, StopRun
from collectionflow.markdown import bullet_list, markdown_table
from collectionflow.storage import _files
from collectionflow.storage.diff import row_changes
from collectionflow.storage.drop_guard import ALLOW_TAG, DropGuard, drops
from collectionflow.storage.engines._engine import Engine, UncastableError, Writing
from collectionflow.storage.engines.polars import POLARS, Polars
from collectionflow.storage.gate import Breach, Measurement, breaches, measure
from collectionflow.storage.measured import keep_measured, measured
from collectionflow.storage.merge import Merge, merged
from collectionflow.storage.quarantine import Quarantine, split, with_quarantined
from collectionflow.storage.versions import (
    STATE_KEY,
    VERSION_KEY,
    StoredTable,
    new_version,
    publish,
)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On which terms a table may be published."""

    contract: Contract | None = None
    engine: Engine = POLARS
    guard: DropGuard = field(default_factory=DropGuard)
    is_drop_allowed: bool = False
    versions_kept: int = 3
    warn: Callable[[str], None] = print
    log: Callable[[str], None] = print
    explain: Callable[[], Exception | None] = lambda: None
    merge: Merge | None = None
    state: Mapping[str, str] = field(default_factory=dict)
    quarantine: Quarantine | None = None
    source_columns: Sequence[str] = ()


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
    frame = _conforming(frame, table, terms)
    with _files.staged(table.base) as partial:
        measurement = _write_whole(frame, partial, version, table, terms)
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


def _conforming(frame: Any, table: StoredTable, terms: Terms) -> Any:
    """Refuse what can never conform, and tell or drop more columns, before anything is computed."""
    contract = terms.contract
    if contract is None:
        return frame
    present = terms.engine.describe(frame)
    if missing := contract.missing(present):
        _refuse_unwritten(table, contract, [missing_sentence(missing, present)])
    will_be = dict(present) | {name: contract.dtypes[name] for name in casts(contract, present)}
    if wrong := contract.wrong_types(will_be):
        _refuse_unwritten(table, contract, wrong)
    if unexpected := contract.unexpected(present):
        sentence = f"Columns that {contract.name} does not name: {_quoted(unexpected)}."
        if contract.extras == "stop":
            _refuse_unwritten(table, contract, [sentence])
        if contract.extras == "drop":
            return terms.engine.select(frame, [name for name in contract.dtypes if name in present])
        terms.warn(f"'{table.name}': {sentence}")
    return frame


def _write_whole(
    frame: Any, partial: Path, version: str, table: StoredTable, terms: Terms
) -> Measurement | None:
    """Write the whole table, where the frame holds only changes together with what is published."""
    if terms.merge is None:
        return _write(frame, partial, version, table, terms)
    with _files.staged(table.base) as changes:
        _write(frame, changes, version, table, terms)
        terms.log(f"'{table.name}': putting the changes into the published table.")
        changed = _files.scan(UPath(_files.written(changes)))
        whole = merged(with_quarantined(table), changed, _cast_kept(terms))
        return POLARS.sink(whole, partial, _writing(version, table, terms))


def _cast_kept(terms: Terms) -> Merge:
    """Return the merge with its keys in the types that the table stores."""
    merge = cast("Merge", terms.merge)
    if terms.contract is None or merge.kept is None:
        return merge
    expressions = casts(terms.contract, merge.kept.collect_schema())
    return replace(merge, kept=merge.kept.with_columns(**expressions))


def _write(
    frame: Any, partial: Path, version: str, table: StoredTable, terms: Terms
) -> Measurement | None:
    """Have the engine write the frame, in the contract's types, and in one file for a bucket.

    Return what was counted on the way, None where that is still to be done.
    """
    writing = _writing(version, table, terms)
    try:
        if _casts_itself(frame, terms):
            measurement = terms.engine.sink(frame, partial, writing)
        else:
            with _files.staged(table.base) as uncast:
                terms.engine.sink(frame, uncast, writing.as_it_comes())
                uncast_frame = _files.scan(UPath(_files.written(uncast)))
                measurement = POLARS.sink(uncast_frame, partial, writing)
    except UncastableError:
        _refuse_casts(frame, partial, table, terms)
    except pl.exceptions.PolarsError as error:
        if better := terms.explain():
            raise better from error
        raise
    if _files.written(partial) != partial and _files.local_path(table.base) is None:
        # An object appears as a whole; a folder of objects would not.
        POLARS.sink(_files.scan(UPath(_files.written(partial))), partial, writing.as_it_comes())
        _files.remove(_files.parts_folder(partial))
    return measurement


def _casts_itself(frame: Any, terms: Terms) -> bool:
    if terms.contract is None or isinstance(terms.engine, Polars):
        return True
    return not casts(terms.contract, terms.engine.describe(frame))


def _writing(version: str, table: StoredTable, terms: Terms) -> Writing:
    def metadata() -> dict[str, str]:
        state = {STATE_KEY: json.dumps(terms.state)} if terms.state else {}
        return {VERSION_KEY: version} | state

    return Writing(table=table.name, contract=terms.contract, metadata=metadata, log=terms.log)


def _pass_gate(
    path: Path, measurement: Measurement | None, table: StoredTable, terms: Terms
) -> _Judged:
    written = _files.scan(UPath(path))
    contract = terms.contract
    if contract is None:
        return _Judged(path=path, measurement=measurement or measure(written))
    if wrong := contract.wrong_types(written.collect_schema()):
        # An engine stores some types as others, such as an interval as a number.
        _refuse(path, table, f"breaks its contract {contract.name}", [], wrong)
    measurement = measurement or measure(written, contract.rules)
    stopping, warning = breaches(written, measurement, contract)
    for breach in warning:
        terms.warn(f"'{table.name}': {breach}")
    if stopping:
        _refuse(path, table, f"breaks its contract {contract.name}", stopping)
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
    with split(written, broken, table.base, _writing(version, table, terms)) as (kept, apart):
        rest = _files.scan(UPath(kept))
        measurement = measure(rest, contract.rules)
        rows = judged.measurement.rows - measurement.rows
        found = f"{rows:,} of {judged.measurement.rows:,} rows"
        if rows > terms.quarantine.max_share * judged.measurement.rows:
            most = f"{found} would be quarantined, more than {terms.quarantine.max_share:.1%}."
            _refuse(judged.path, table, "has too many bad rows", judged.warning, [most])
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
        _refuse(judged.path, table, "is empty", [], [message])
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
        _refuse(path, table, "lost too much since the published version", [], [*stops, advice])
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


def _refuse_casts(frame: Any, partial: Path, table: StoredTable, terms: Terms) -> NoReturn:
    """Say which values a cast refused, from the values as the source sent them."""
    contract = cast("Contract", terms.contract)
    _files.remove(_files.parts_folder(partial))
    terms.engine.sink(frame, partial, _writing(new_version(), table, terms).as_it_comes())
    path = _files.written(partial)
    uncast = _files.scan(UPath(path))
    measurement = measure(uncast, cast_rules(contract, uncast.collect_schema()))
    stopping, _ = breaches(uncast, measurement, contract)
    _refuse(path, table, f"breaks its contract {contract.name}", stopping)


def _refuse_unwritten(table: StoredTable, contract: Contract, reasons: Sequence[str]) -> NoReturn:
    message = _message(table, f"breaks its contract {contract.name}", reasons)
    raise Refused(message)


def _refuse(
    path: Path,
    table: StoredTable,
    what: str,
    found: Sequence[Breach],
    reasons: Sequence[str] = (),
) -> NoReturn:
    _files.move(path, table.refused)
    refused = _files.location(table.refused)
    kept = f"The refused table is kept at '{refused}'."
    message = _message(table, what, [*map(_with_examples, found), *reasons, kept])
    examples = {each.rule: dg.MetadataValue.md(markdown_table(each.examples)) for each in found}
    raise Refused(message, metadata=examples | {"refused table": dg.MetadataValue.path(refused)})


def _message(table: StoredTable, what: str, reasons: Sequence[str]) -> str:
    stays = (
        "The last good version stays published."
        if table.path.exists()
        else "Nothing is published yet."
    )
    return f"'{table.name}' {what}. {stays}\n{bullet_list(reasons)}"


def _with_examples(breach: Breach) -> str:
    return f"{breach} The first:\n\n{markdown_table(breach.examples)}\n"


def missing_sentence(missing: Sequence[str], present: Iterable[str]) -> str:
    """Return which columns are missing, and which there are."""
    return f"Columns missing: {_quoted(missing)}. There are: {_quoted(present)}."


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _only_in(one: Measurement, other: Measurement) -> list[str]:
    return [name for name in one.filled if name not in other.filled]
