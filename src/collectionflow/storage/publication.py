"""One publication: write a frame beside its table, judge it, and only then put it in place."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from collectionflow.progress import counted
from collectionflow.storage import _files
from collectionflow.storage.diff import row_changes
from collectionflow.storage.drop_guard import ALLOW_TAG, DropGuard, drops
from collectionflow.storage.gate import FAILS, Breach, Measurement, breaches, measure
from collectionflow.storage.merge import Merge, merged
from collectionflow.storage.versions import (
    STATE_KEY,
    VERSION_KEY,
    StoredTable,
    new_version,
    publish,
)

# Below 123k rows a group the footers grow, above it readers lose parallelism. Beyond level 3 zstd
# doubles its CPU time for 4 to 9 % of size.
ROW_GROUP_ROWS = 122_880
# A nested record holds what many flat ones do, and a reader holds several groups at once: the
# example's whole job on a million objects peaked at 1,570 MiB with groups of 123k, 1,400 so.
NESTED_ROW_GROUP_ROWS = 15_360
ZSTD_LEVEL = 2


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On which terms a table may be published."""

    contract: Contract | None = None
    guard: DropGuard = field(default_factory=DropGuard)
    is_drop_allowed: bool = False
    versions_kept: int = 3
    warn: Callable[[str], None] = print
    log: Callable[[str], None] = print
    explain: Callable[[], Exception | None] = lambda: None
    merge: Merge | None = None
    state: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What was published, how it differs from the version before, and what it took."""

    table: StoredTable
    version: str
    measurement: Measurement
    before: Measurement | None
    rows_added: int | None
    rows_removed: int | None
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


def publish_frame(frame: pl.LazyFrame, table: StoredTable, terms: Terms) -> Publication:
    """Write `frame`, check it against the terms and publish it as `table`.

    Raises:
        Refused: when the contract or the drop guard says no. The published version stays, and the
            refused one is kept at `table.refused`.
    """
    started = time.monotonic()
    frame = _conforming(frame, table, terms)
    with _files.staged(table.base) as partial:
        version = _write_whole(frame, partial, table, terms)
        written = _files.scan(UPath(partial))
        measurement = _pass_gate(written, partial, table, terms)
        before, added, removed = _pass_guard(written, measurement, partial, table, terms)
        size = partial.stat().st_size
        publish(partial, table, keep=terms.versions_kept)
    return Publication(
        table=table,
        version=version,
        measurement=measurement,
        before=before,
        rows_added=added,
        rows_removed=removed,
        bytes=size,
        seconds=time.monotonic() - started,
    )


def _conforming(frame: pl.LazyFrame, table: StoredTable, terms: Terms) -> pl.LazyFrame:
    """Refuse missing columns, and tell or drop unexpected ones, before anything is computed."""
    contract = terms.contract
    if contract is None:
        return frame
    present = frame.collect_schema()
    if missing := contract.missing(present):
        _refuse_unwritten(table, contract, [missing_sentence(missing, present)])
    if unexpected := contract.unexpected(present):
        sentence = f"Columns that {contract.name} does not name: {_quoted(unexpected)}."
        if contract.extras == "stop":
            _refuse_unwritten(table, contract, [sentence])
        if contract.extras == "drop":
            return contract.select(frame)
        terms.warn(f"'{table.name}': {sentence}")
    return frame


class _UncastableError(Exception):
    """Ends a sink at the first value that a cast cannot hold; the gate then explains it."""


def _write_whole(frame: pl.LazyFrame, partial: Path, table: StoredTable, terms: Terms) -> str:
    """Write the whole table, and return the version it became."""
    if terms.merge is None:
        return _sink(frame, partial, table, terms)
    with _files.staged(table.base) as changes:
        version = _sink(frame, changes, table, terms)
        terms.log(f"'{table.name}': putting the changes into the published table.")
        whole = merged(_files.scan(table.path), _files.scan(UPath(changes)), _cast_kept(terms))
        _write(whole, partial, version, terms.state)
    return version


def _cast_kept(terms: Terms) -> Merge:
    """Return the merge with its keys in the types that the table stores."""
    merge = cast("Merge", terms.merge)
    if terms.contract is None or merge.kept is None:
        return merge
    expressions = casts(terms.contract, merge.kept.collect_schema())
    return replace(merge, kept=merge.kept.with_columns(**expressions))


def _sink(frame: pl.LazyFrame, partial: Path, table: StoredTable, terms: Terms) -> str:
    """Write the frame with the contract's strict casts, and return the version it became."""
    version = new_version()
    rows = counted(_cast(frame, table, terms), table.name, terms.log)
    try:
        _write(rows, partial, version, terms.state)
    except _UncastableError:
        _refuse_casts(frame, partial, table, terms)
    except pl.exceptions.PolarsError as error:
        if better := terms.explain():
            raise better from error
        raise
    return version


def _cast(frame: pl.LazyFrame, table: StoredTable, terms: Terms) -> pl.LazyFrame:
    contract = terms.contract
    if contract is None:
        return frame
    present = frame.collect_schema()
    if rules := cast_rules(contract, present):
        # In one step with the casts, so that Polars computes each of them once.
        frame = (
            frame.with_columns(
                pl.any_horizontal(rule.fails for rule in rules).alias(FAILS),
                **casts(contract, present),
            )
            .map_batches(_stop_at_uncastable, streamable=True)
            .drop(FAILS)
        )
    if wrong := contract.wrong_types(frame.collect_schema()):
        _refuse_unwritten(table, contract, wrong)
    return frame


def _stop_at_uncastable(batch: pl.DataFrame) -> pl.DataFrame:
    if batch.get_column(FAILS).any():
        raise _UncastableError
    return batch


def _write(
    frame: pl.LazyFrame, path: Path, version: str, state: Mapping[str, str] | None = None
) -> None:
    def metadata(_context: Any) -> dict[str, str]:
        # Polars asks when all rows have come: only then a harvest knows where it ended.
        return {VERSION_KEY: version} | ({STATE_KEY: json.dumps(state)} if state else {})

    frame.sink_parquet(
        path,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        row_group_size=_row_group_rows(frame.collect_schema()),
        statistics=True,
        sync_on_close="all",
        metadata=metadata,
    )


def _row_group_rows(schema: pl.Schema) -> int:
    is_nested = any(dtype.is_nested() for dtype in schema.dtypes())
    return NESTED_ROW_GROUP_ROWS if is_nested else ROW_GROUP_ROWS


def _pass_gate(
    written: pl.LazyFrame, partial: Path, table: StoredTable, terms: Terms
) -> Measurement:
    contract = terms.contract
    if contract is None:
        return measure(written)
    measurement = measure(written, contract.rules)
    stopping, warning = breaches(written, measurement, contract)
    for breach in warning:
        terms.warn(f"'{table.name}': {breach}")
    if stopping:
        _refuse(partial, table, f"breaks its contract {contract.name}", stopping)
    if not measurement.rows and not terms.guard.allow_empty and not terms.is_drop_allowed:
        message = (
            "It has no rows. Is the source empty, or only its header there? An asset that may be "
            "empty says so with metadata=drop_guard(allow_empty=True)."
        )
        _refuse(partial, table, "is empty", [], [message])
    for name in measurement.filled:
        if measurement.rows and not measurement.filled[name]:
            terms.warn(f"'{table.name}': column '{name}' has no value in any row.")
    return measurement


def _pass_guard(
    written: pl.LazyFrame,
    measurement: Measurement,
    partial: Path,
    table: StoredTable,
    terms: Terms,
) -> tuple[Measurement | None, int | None, int | None]:
    """Compare with the published version; return its measurement and the rows added and removed."""
    if not table.path.exists():
        return None, None, None
    published = _files.scan(table.path)
    try:
        before = measure(published)
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
        _refuse(partial, table, "lost too much since the published version", [], [*stops, advice])
    for drop in lost:
        if drop.share >= terms.guard.warn:
            terms.warn(f"'{table.name}': {drop.text}")
    key = terms.contract.key if terms.contract else ()
    added, removed = row_changes(published, written, key)
    return before, added, removed


def _refuse_casts(frame: pl.LazyFrame, partial: Path, table: StoredTable, terms: Terms) -> NoReturn:
    """Say which values a cast refused, from the values as the source sent them."""
    contract = cast("Contract", terms.contract)
    _write(frame, partial, new_version())
    uncast = _files.scan(UPath(partial))
    measurement = measure(uncast, cast_rules(contract, uncast.collect_schema()))
    stopping, _ = breaches(uncast, measurement, contract)
    _refuse(partial, table, f"breaks its contract {contract.name}", stopping)


def _refuse_unwritten(table: StoredTable, contract: Contract, reasons: Sequence[str]) -> NoReturn:
    message = _message(table, f"breaks its contract {contract.name}", reasons)
    raise Refused(message)


def _refuse(
    partial: Path,
    table: StoredTable,
    what: str,
    found: Sequence[Breach],
    reasons: Sequence[str] = (),
) -> NoReturn:
    _files.move(partial, table.refused)
    path = _files.location(table.refused)
    kept = f"The refused table is kept at '{path}'."
    message = _message(table, what, [*map(_with_examples, found), *reasons, kept])
    examples = {each.rule: dg.MetadataValue.md(markdown_table(each.examples)) for each in found}
    raise Refused(message, metadata=examples | {"refused table": dg.MetadataValue.path(path)})


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
