"""Refusing a table: the last good one stays, the refused one is kept, and the reasons are told."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

import dagster as dg

from collectionflow.contract import Contract
from collectionflow.errors import Refused
from collectionflow.markdown import bullet_list, markdown_table, quoted
from collectionflow.storage import _files
from collectionflow.storage.gate import Breach
from collectionflow.storage.versions import StoredTable


def refuse_unwritten(table: StoredTable, contract: Contract, reasons: Sequence[str]) -> NoReturn:
    """Refuse a table that can never keep its contract, before anything of it is computed."""
    message = _message(table, f"breaks its contract {contract.name}", reasons)
    raise Refused(message)


def refuse(
    path: Path,
    table: StoredTable,
    what: str,
    found: Sequence[Breach],
    reasons: Sequence[str] = (),
) -> NoReturn:
    """Refuse a written table: `what` says of it what is wrong, and `found` where."""
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
    return f"Columns missing: {quoted(missing)}. There are: {quoted(present)}."
