"""Writing a table as its contract wants it, whole, whatever the engine and the harvest were."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, cast

import polars as pl
from upath import UPath

from collectionflow.casts import cast_rules, casts
from collectionflow.contract import Contract
from collectionflow.markdown import quoted
from collectionflow.storage import _files
from collectionflow.storage._refusal import missing_sentence, refuse, refuse_unwritten
from collectionflow.storage.engines._engine import UncastableError, Writing
from collectionflow.storage.engines.polars import POLARS, Polars
from collectionflow.storage.gate import Measurement, breaches, measure
from collectionflow.storage.merge import Merge, merged
from collectionflow.storage.quarantine import with_quarantined
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import STATE_KEY, VERSION_KEY, StoredTable, new_version


def conforming(frame: Any, table: StoredTable, terms: Terms) -> Any:
    """Refuse what can never conform, and tell or drop more columns, before anything is computed."""
    contract = terms.contract
    if contract is None:
        return frame
    present = terms.engine.describe(frame)
    if missing := contract.missing(present):
        refuse_unwritten(table, contract, [missing_sentence(missing, present)])
    will_be = dict(present) | {name: contract.dtypes[name] for name in casts(contract, present)}
    if wrong := contract.wrong_types(will_be):
        refuse_unwritten(table, contract, wrong)
    if unexpected := contract.unexpected(present):
        sentence = f"Columns that {contract.name} does not name: {quoted(unexpected)}."
        if contract.extras == "stop":
            refuse_unwritten(table, contract, [sentence])
        if contract.extras == "drop":
            return terms.engine.select(frame, [name for name in contract.dtypes if name in present])
        terms.warn(f"'{table.name}': {sentence}")
    return frame


def write_whole(
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
        return POLARS.sink(whole, partial, writing_of(version, table, terms))


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
    writing = writing_of(version, table, terms)
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


def writing_of(version: str, table: StoredTable, terms: Terms) -> Writing:
    """Return what an engine should know of the table."""

    def metadata() -> dict[str, str]:
        state = {STATE_KEY: json.dumps(terms.state)} if terms.state else {}
        return {VERSION_KEY: version} | state

    return Writing(table=table.name, contract=terms.contract, metadata=metadata, log=terms.log)


def _refuse_casts(frame: Any, partial: Path, table: StoredTable, terms: Terms) -> NoReturn:
    """Say which values a cast refused, from the values as the source sent them."""
    contract = cast("Contract", terms.contract)
    _files.remove(_files.parts_folder(partial))
    terms.engine.sink(frame, partial, writing_of(new_version(), table, terms).as_it_comes())
    path = _files.written(partial)
    uncast = _files.scan(UPath(path))
    measurement = measure(uncast, cast_rules(contract, uncast.collect_schema()))
    stopping, _ = breaches(uncast, measurement, contract)
    refuse(path, table, f"breaks its contract {contract.name}", stopping)
