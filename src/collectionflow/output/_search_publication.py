"""One publication to a search index: load a new index, judge it, and only then let it go live."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import dagster as dg
import polars as pl
from upath import UPath

from collectionflow.errors import ProjectError, Refused, StopRun, TargetUnavailable
from collectionflow.markdown import markdown_table
from collectionflow.output._search_bulk import Tally, TooManyRejectedError, load
from collectionflow.output._search_http import SearchServer, ServerRefusedError
from collectionflow.output._search_indexes import (
    NewIndex,
    Shelf,
    count,
    look,
    new_index,
    prune,
    swap,
)
from collectionflow.output._search_lines import bodies, documents
from collectionflow.output._search_memory import Memory, forget, recall, remember
from collectionflow.output._target import Terms, check_drop

_REFRESH: Final = "index.refresh_interval"
_EXAMPLES: Final = 5
# Room for a server's whole sentence.
_CELL_CHARACTERS: Final = 300


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be published, as what, and on which terms.

    `settings` are flat (`index.number_of_shards`). `memory` is the folder that tells what is live.
    """

    name: str
    alias: str
    frame: pl.LazyFrame
    id_column: str
    settings: Mapping[str, Any]
    mappings: Mapping[str, Any]
    terms: Terms
    max_rejected: int
    earlier_kept: int
    requests_in_flight: int
    memory: UPath | None
    replaces_index: bool

    def digest(self) -> str:
        """Return a hash of all that an index is made with."""
        definition = json.dumps([self.settings, self.mappings], sort_keys=True)
        return hashlib.sha256(definition.encode()).hexdigest()


def publish(server: SearchServer, order: Order) -> dict[str, Any]:
    """Publish whole or not at all, and return metadata about it.

    Raises:
        Refused: where documents are rejected or missing, or the drop guard says no.
    """
    seen = look(server, order.alias)
    _check_name(order, seen)
    before = _recalled(server, order, seen)
    with new_index(server, order.alias) as index:
        is_copy = _begin(index, order, seen, before)
        memory = Memory(before if is_copy else None)
        tally = _load(server, index, order, memory)
        documents_now = _complete(index, order, memory, tally)
        _judge(server, order, seen, documents_now)
        is_changed = not is_copy or tally.taken > 0
        if is_changed:
            index.go_live(seen)
    live = index.name if is_changed else seen.live[0]
    _remember(order, live, memory, tally)
    _prune(server, order)
    return _metadata(server, order, live, documents_now, tally) | (
        {"deleted": memory.deleted, "sent": tally.taken} if is_copy else {}
    )


def _check_name(order: Order, seen: Shelf) -> None:
    if seen.is_index and not order.replaces_index:
        message = (
            f"'{order.alias}' is an index, and an index cannot share its name with an alias. Set "
            "the target's replaces_index for one run, which deletes that index in the step in "
            "which the alias takes its place; or give the target a prefix, for another alias."
        )
        raise Refused(message)


def _recalled(server: SearchServer, order: Order, seen: Shelf) -> pl.DataFrame | None:
    """Return what is live, where it is known and an index made now would be made the same way."""
    if order.memory is None:
        return None
    same = [
        index.name
        for index in seen.finished
        if seen.live == (index.name,) and index.says.get("definition") == order.digest()
    ]
    before = recall(order.memory, same[0]) if same else None
    if before is None or before.height != count(server, same[0]):
        order.terms.log(f"'{order.name}' is published whole: what is live is not known.")
        return None
    return before


def _begin(index: NewIndex, order: Order, seen: Shelf, before: pl.DataFrame | None) -> bool:
    """Make the new index, and return whether it is a copy of the live one."""
    if before is not None:
        try:
            index.clone(seen.live[0])
        except ServerRefusedError as error:
            order.terms.log(f"'{order.name}' is published whole: {error}")
        else:
            return True
    index.create(order.settings, order.mappings)
    return False


def _load(server: SearchServer, index: NewIndex, order: Order, memory: Memory) -> Tally:
    tally = Tally(order.max_rejected)
    lines = documents(order.frame, order.id_column)
    try:
        load(
            server,
            index.loading_alias,
            bodies(lines if order.memory is None else memory.changes(lines)),
            tally,
            in_flight=order.requests_in_flight,
            meanwhile=index.still_alive,
        )
    except TooManyRejectedError:
        table = markdown_table(tally.reasons(), cell_characters=_CELL_CHARACTERS)
        message = (
            f"The search server rejected {tally.rejected:,} documents of '{order.name}', and "
            f"{order.max_rejected:,} may be. What was live stays live.\n\n{table}\n"
        )
        raise Refused(message, metadata={"rejected documents": _shown_reasons(tally)}) from None
    return tally


def _complete(index: NewIndex, order: Order, memory: Memory, tally: Tally) -> int:
    """Make the index visible, and return how many documents it has: as many as it should."""
    sent = tally.taken if order.memory is None else memory.now.height - tally.rejected
    now = index.complete(order.settings.get(_REFRESH), definition=order.digest(), documents=sent)
    if now != sent:
        message = (
            f"'{order.name}' has {sent:,} documents, but the new index has {now:,}. What was live "
            f"stays live.{_repeated(order)}"
        )
        raise Refused(message)
    return now


def _repeated(order: Order) -> str:
    """Return which ids stand for more than one document, where any do."""
    ids = order.frame.group_by(order.id_column).len("documents with it")
    repeated = ids.filter(pl.col("documents with it") > 1).sort(order.id_column).head(_EXAMPLES)
    found = repeated.collect()
    if found.is_empty():
        return " Did someone else write to it?"
    return f" Documents share an id, so one takes another's place:\n\n{markdown_table(found)}\n"


def _judge(server: SearchServer, order: Order, seen: Shelf, now: int) -> None:
    is_first = not seen.live and not seen.is_index
    before = None if is_first else count(server, order.alias)
    check_drop(order.name, before, now, order.terms)


def _remember(order: Order, live: str, memory: Memory, tally: Tally) -> None:
    # Of documents that were rejected the index knows nothing, and a later copy must not either.
    if order.memory is not None and not tally.rejected:
        remember(order.memory, live, memory.now)


def _prune(server: SearchServer, order: Order) -> None:
    try:
        gone = prune(server, order.alias, order.earlier_kept)
    except (StopRun, TargetUnavailable) as error:
        order.terms.warn(f"'{order.name}' is published, but earlier indexes are left: {error}")
        return
    if order.memory is not None:
        forget(order.memory, gone)


def _metadata(
    server: SearchServer, order: Order, live: str, documents_now: int, tally: Tally
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "alias": order.alias,
        "index": live,
        "documents": documents_now,
        "bytes sent": tally.bytes,
        "server": dg.MetadataValue.url(server.shown),
    }
    if tally.rejected:
        order.terms.warn(f"The search server rejected {tally.rejected:,} documents.")
        found |= {"rejected": tally.rejected, "rejected documents": _shown_reasons(tally)}
    return found


def _shown_reasons(tally: Tally) -> dg.MarkdownMetadataValue:
    table = markdown_table(tally.reasons(), is_aligned=False, cell_characters=_CELL_CHARACTERS)
    return dg.MetadataValue.md(table)


def rollback(server: SearchServer, alias: str, to: str | None) -> str:
    """Point an alias back to an earlier index, and return the index's name.

    Raises:
        ProjectError: where there is no such index.
    """
    seen = look(server, alias)
    names = [index.name for index in seen.finished]
    older = [name for name in names if seen.live and name < seen.live[0]]
    found = [name for name in names if name.startswith(to)] if to else older[:1]
    if len(found) != 1:
        there = ", ".join(f"'{name}'" for name in names) or "none"
        wanted = f"that begins with '{to}'" if to else "older than the live one"
        message = f"'{alias}' has no single index {wanted}. There are: {there}."
        raise ProjectError(message)
    swap(server, alias, found[0], seen)
    return found[0]
