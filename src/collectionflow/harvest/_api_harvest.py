"""One harvest of one table of a JSON API: its pages as frames, watched until they are complete."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._api_page import Fetched, Resource
from collectionflow.harvest._http import Http
from collectionflow.harvest._json_frames import JsonFrames
from collectionflow.harvest._key_watch import KeyWatch
from collectionflow.harvest._pages import ACCEPT, Changed, Pages
from collectionflow.harvest._spool import spooled
from collectionflow.harvest.paging import SinglePage
from collectionflow.ledger import Harvest
from collectionflow.markdown import quoted
from collectionflow.notes import Notes
from collectionflow.storage.current import current_table
from collectionflow.storage.merge import Merge

if TYPE_CHECKING:
    from collectionflow.harvest.json_api import JsonApiSource

# Fewer records at a time cost up to 2.5 times the CPU, more only memory.
_BATCH_RECORDS: Final = 1_000
_CONDITIONS: Final = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}


@dataclass(frozen=True, kw_only=True)
class ApiHarvest:
    """What one harvest asks of which source, and where it tells what it finds."""

    source: "JsonApiSource"
    resource: Resource
    table: str
    contract: Contract
    notes: Notes
    count: Harvest
    folder: Path | None

    def batches(self, wanted: list[str]) -> Iterator[pl.DataFrame]:
        """Yield the records as frames.

        What was spooled stays only where the source did not answer or the process died: data that
        cannot be used is asked for anew, since the source may have mended it.
        """
        with spooled(self.folder, self.request()) as spool, self._http() as http:
            pages = Pages(
                resource=self.resource,
                http=http,
                spool=spool,
                harvest=self.count,
                in_flight=self.source.in_flight,
            )
            try:
                with closing(pages.read(self.source.paging)) as read:
                    yield from self._frames(read, wanted)
            except (SourceError, Changed, ValueError):
                spool.clear()
                raise

    def unchanged(self) -> pl.LazyFrame | None:
        """Return an empty set of changes where the source says that nothing changed, else None."""
        stored = current_table() if self._may_be_kept() else None
        if stored is None or not stored.path.exists():
            return None
        state = stored.harvest_state()
        if state.get("request") != self._mark() or not state.keys() & _CONDITIONS.keys():
            return None
        asked = {_CONDITIONS[name]: state[name] for name in _CONDITIONS if name in state}
        with self._http() as http:
            # A page that did change is asked for again when the frame is written.
            is_changed = http.get(
                self.resource.url,
                lambda _body, _headers: True,
                parameters=self.resource.parameters,
                headers=ACCEPT | asked,
            )
        if is_changed:
            return None
        self.notes.state.update(state)
        self.notes.merge = Merge(key=self.contract.key)
        self.notes.metadata["harvest"] = "Nothing has changed since the published version (304)."
        return pl.LazyFrame(schema=self.contract.dtypes)

    def request(self) -> dict[str, Any]:
        """Return all that decides what the source sends, without secrets."""
        source = self.source
        return {
            "url": self.resource.name,
            "parameters": dict(self.resource.parameters),
            "records": self.resource.records,
            "total": self.resource.total,
            "paging": _settings(source.paging),
            "credentials": type(source.credentials).__name__,
        }

    def _frames(self, pages: Iterable[Fetched], wanted: list[str]) -> Iterator[pl.DataFrame]:
        frames = JsonFrames(self.table, self.contract, self.resource.where, self.source.fields)
        watch = KeyWatch(self.contract.key)
        for batch in _batched(pages):
            frame = frames.frame([page.records for page in batch])
            numbers = chain.from_iterable(repeat(page.number, page.size) for page in batch)
            watch.add(frame, list(numbers))
            if watch.is_due():
                self._check_keys(watch)
            yield frame.select(wanted)
            self._remember(batch[0])
        self._check_keys(watch)
        frames.finish(self.notes)

    def _check_keys(self, watch: KeyWatch) -> None:
        if (found := watch.on_two_pages()) is None:
            return
        one, other = found
        message = (
            f"{self.resource.where} sent a record with the same {quoted(self.contract.key)} on "
            f"page {one + 1:,} and on page {other + 1:,}: it changed while it was read, or has no "
            "fixed order, so that records may be missing as well. Run again; if it stays, ask for "
            "a parameter that sorts."
        )
        raise Changed(message)

    def _remember(self, page: Fetched) -> None:
        if self._may_be_kept():
            self.notes.state.update({"request": self._mark(), **page.validators})

    def _may_be_kept(self) -> bool:
        paging = self.source.paging
        # Without a key there is nothing to merge by.
        return isinstance(paging, SinglePage) and paging.keep_unchanged and bool(self.contract.key)

    def _mark(self) -> str:
        """Return what the published table was made of: the request, the columns, their places."""
        dtypes = {name: str(dtype) for name, dtype in self.contract.dtypes.items()}
        made_of = [self.request(), dtypes, dict(self.source.fields)]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    def _http(self) -> Http:
        return Http(
            self.resource.base_url,
            self.count,
            self.notes,
            credentials=self.source.credentials,
            requests_per_second=self.source.requests_per_second,
            connections=self.source.in_flight,
        )


def _batched(pages: Iterable[Fetched]) -> Iterator[list[Fetched]]:
    """Yield pages together that have enough records to be worth a frame."""
    batch: list[Fetched] = []
    size = 0
    for page in pages:
        batch.append(page)
        size += page.size
        if size >= _BATCH_RECORDS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _settings(paging: Any) -> dict[str, Any]:
    names = sorted(type(paging).model_fields)
    return {"style": type(paging).__name__} | {name: getattr(paging, name) for name in names}
