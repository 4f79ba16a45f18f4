"""Bulk requests, several at once, and what became of each document."""

import io
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Final

import msgspec
import polars as pl

from collectionflow._patience import TransientError
from collectionflow.errors import StopRun
from collectionflow.output._search_http import SearchServer
from collectionflow.output._search_lines import ID, LINES

# Beyond level 1, compressing costs more time than a network saves.
_GZIP_LEVEL: Final = 1
_HEADERS: Final = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
_PARAMETERS: Final = {
    # An index that was deleted meanwhile is not made anew by what is sent to it.
    "require_alias": "true",
    "filter_path": "errors,items.*.status,items.*.error.type,items.*.error.reason",
}
# One document was not taken, but will be: too much at once, a full disk, a shard that moves.
_RESENT: Final = {429, 503}
_EXAMPLES: Final = 3


@dataclass
class _Reason:
    text: str
    count: int = 0
    ids: list[str] = field(default_factory=list)


class Tally:
    """What became of the documents so far. Threads share it."""

    def __init__(self, max_rejected: int) -> None:
        self.taken = 0
        self.rejected = 0
        self.bytes = 0
        self._max_rejected = max_rejected
        self._reasons: dict[str, _Reason] = {}
        self._lock = threading.Lock()

    def add(self, taken: int, rejected: Iterable[tuple[str, str]], size: int) -> None:
        """Count one request: how many were taken, and the ids and reasons of those that were not.

        Raises:
            Refused: where more were rejected than may be.
        """
        with self._lock:
            self.taken += taken
            self.bytes += size
            for identity, text in rejected:
                self.rejected += 1
                reason = self._reasons.setdefault(_kind(text), _Reason(text))
                reason.count += 1
                reason.ids += [identity] if len(reason.ids) < _EXAMPLES else []
            too_many = self.rejected > self._max_rejected
        if too_many:
            raise TooManyRejectedError

    def reasons(self) -> pl.DataFrame:
        """Return why documents were rejected: the count, the first ids and the first reason."""
        found = sorted(self._reasons.values(), key=lambda reason: -reason.count)
        return pl.DataFrame(
            {
                "documents": [reason.count for reason in found],
                "for example": [", ".join(reason.ids) for reason in found],
                "the server says": [reason.text for reason in found],
            },
            schema={"documents": pl.Int64, "for example": pl.String, "the server says": pl.String},
        )


class TooManyRejectedError(Exception):
    """Ends the loading; the tally knows why."""


def _kind(reason: str) -> str:
    """Return a reason without what is peculiar to one document."""
    return re.sub(r"Preview of .*|(?<!\w)'.*?'(?!\w)|\[\d+:\d+\]|\d+", "…", reason)


def load(
    server: SearchServer,
    alias: str,
    lines: Iterable[pl.DataFrame],
    tally: Tally,
    *,
    in_flight: int,
    meanwhile: Callable[[], None],
) -> None:
    """Send bodies to the index behind `alias`, several at once; call `meanwhile` before each.

    Raises:
        TooManyRejectedError: where the tally says so.
        TargetUnavailable: where the server does not answer for ten minutes.
    """
    stopping = threading.Event()
    with ThreadPoolExecutor(in_flight) as threads:
        pending: set[Future[None]] = set()
        try:
            for body in lines:
                meanwhile()
                pending.add(threads.submit(_send, server, alias, body, tally, stopping))
                if len(pending) > in_flight:
                    pending = _without_done(pending)
            while pending:
                pending = _without_done(pending)
        except BaseException:
            stopping.set()
            raise


def _without_done(pending: set[Future[None]]) -> set[Future[None]]:
    done, running = wait(pending, return_when=FIRST_COMPLETED)
    for each in done:
        each.result()
    return running


class _StoppedError(Exception):
    """Ends the requests that wait to be sent again when another has ended the loading."""


def _send(
    server: SearchServer, alias: str, body: pl.DataFrame, tally: Tally, stopping: threading.Event
) -> None:
    """Send a body until each of its documents was taken or rejected."""
    remaining = body

    def once() -> None:
        nonlocal remaining
        if stopping.is_set():
            raise _StoppedError
        remaining, reason = _post(server, alias, remaining, tally)
        if remaining.height:
            message = f"The server does not yet take {remaining.height:,} documents: '{reason}'."
            raise TransientError(message)

    server.patiently(once)


class _Error(msgspec.Struct):
    type: str = ""
    reason: str = ""


class _Item(msgspec.Struct):
    status: int
    error: _Error | None = None


class _Answer(msgspec.Struct):
    errors: bool
    items: list[dict[str, _Item]]


def _post(
    server: SearchServer, alias: str, body: pl.DataFrame, tally: Tally
) -> tuple[pl.DataFrame, str]:
    """Send a body once, and return the part that is to be sent again, and why."""
    content = _compressed(body)
    answer = server.send("POST", f"/{alias}/_bulk", content, _HEADERS, _PARAMETERS)
    items = _items(answer, body.height)
    again = [number for number, item in enumerate(items) if item.status in _RESENT]
    faults = [
        (number, item.error)
        for number, item in enumerate(items)
        if item.error and item.status not in _RESENT
    ]
    _check_index(alias, [error for _, error in faults])
    ids = body.get_column(ID)
    rejected = [(ids[number], f"{error.type}: {error.reason}") for number, error in faults]
    tally.add(body.height - len(again) - len(rejected), rejected, len(content))
    error = items[again[0]].error if again else None
    return body[again], error.reason if error else ""


def _compressed(body: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    # Lines are no CSV, but nothing writes a column of text faster.
    body.select(LINES).write_csv(
        buffer,
        include_header=False,
        quote_style="never",
        compression="gzip",
        compression_level=_GZIP_LEVEL,
    )
    return buffer.getvalue()


def _items(answer: bytes, count: int) -> list[_Item]:
    """Return each item's fate in the order of the body."""
    try:
        decoded = msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError as error:
        message = "The search server's answer to a bulk request cannot be read."
        raise TransientError(message) from error
    items = [item for each in decoded.items for item in each.values()]
    if len(items) != count:
        message = f"The search server told of {len(items):,} documents of {count:,}."
        raise TransientError(message)
    return items


def _check_index(alias: str, errors: Iterable[_Error]) -> None:
    if any(error.type == "index_not_found_exception" for error in errors):
        message = (
            f"The index behind '{alias}' was deleted while it was being loaded. What was live "
            "stays live. Run again."
        )
        raise StopRun(message)
