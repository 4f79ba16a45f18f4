"""One harvest of one table of an OAI-PMH repository: all of it, or what changed."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._http import Http
from collectionflow.harvest._oai_frames import IDENTIFIER, Columns, OaiFrames
from collectionflow.harvest._oai_lists import RecordList, Unsteady
from collectionflow.harvest._oai_pmh import (
    Identity,
    ListPage,
    Refusal,
    Window,
    answer_of,
    identity_of,
    windows_of,
)
from collectionflow.harvest._oai_repository import Repository
from collectionflow.harvest._spool import Page, Spool, spooled
from collectionflow.harvest._stream import stream
from collectionflow.harvest._url import shown
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes
from collectionflow.storage.current import current_table
from collectionflow.storage.merge import Merge

if TYPE_CHECKING:
    from collectionflow.harvest.oai_pmh import OaiPmhSource

_STATE: Final = "oai_pmh"
_UNTIL: Final = "until"


@dataclass(kw_only=True)
class OaiHarvest:
    """What one harvest asks of which repository, and where it tells what it finds."""

    source: "OaiPmhSource"
    table: str
    contract: Contract
    columns: Columns
    notes: Notes
    count: Harvest
    folder: Path | None
    _identify: bytes = field(default=b"", init=False)

    def begin(self) -> None:
        """Ask who the repository is, and decide from when on to harvest."""
        with self._http(self.count) as http:
            self._identify, root = self._asked(Repository(base_url=self.source.base_url, http=http))
        identity = identity_of(root)
        self.count.since = self._since(identity)
        if self.count.since is not None:
            kept = None if identity.keeps_deletions else self._all_identifiers()
            self.notes.merge = Merge(key=(IDENTIFIER,), kept=kept)

    def batches(self, wanted: list[str]) -> Iterator[pl.DataFrame]:
        """Yield the records as frames.

        What was spooled stays only where the repository did not answer or the process died.
        """
        with spooled(self.folder, self._request()) as spool, self._http(self.count) as http:
            try:
                yield from self._frames(spool, http, wanted)
            except (SourceError, Unsteady):
                spool.clear()
                raise

    def _frames(self, spool: Spool, http: Http, wanted: list[str]) -> Iterator[pl.DataFrame]:
        identity = self._spooled_identity(spool)
        since = self.count.since
        windows = [Window(since=since)] if since else windows_of(identity, self.source.window_days)
        frames = OaiFrames(
            table=self.table,
            contract=self.contract,
            columns=self.columns,
            where=f"'{shown(self.source.base_url)}'",
            harvest=self.count,
        )
        pages = self._list("ListRecords", spool, http, windows, self.count).pages()
        for frame in frames.frames(self._never_empty(pages), self.notes):
            yield frame.select(wanted)
        if identity.now is not None:
            self.notes.state.update({_STATE: self._mark(), _UNTIL: str(self.count.until)})

    def _spooled_identity(self, spool: Spool) -> Identity:
        """Return who the repository was when the harvest began, maybe in a run that died."""
        if 0 not in spool:
            spool.save(0, Page(header={}, body=self._identify))
        where = f"'{shown(self.source.base_url)}'"
        identity = identity_of(answer_of(spool.load(0).body, where))
        self.count.until = None if identity.now is None else identity.written(identity.now)
        return identity

    def _never_empty(self, pages: Iterator[ListPage]) -> Iterator[ListPage]:
        """Yield pages that have records; a whole repository without any is a mistake."""
        is_empty = self.count.since is None
        for page in pages:
            if page.records:
                is_empty = False
                yield page
        if is_empty:
            chosen = self.source.sets.get(self.table)
            place = f" in its set '{chosen}'" if chosen else ""
            message = (
                f"'{shown(self.source.base_url)}' has no records{place} with the prefix "
                f"'{self.source.metadata_prefix}'. Check the source's `sets` and metadata_prefix."
            )
            raise SourceError(message)

    def _since(self, identity: Identity) -> str | None:
        """Return where the published version's harvest ended, None where all must be harvested."""
        stored = current_table()
        if stored is None or IDENTIFIER not in self.contract.dtypes or not stored.path.exists():
            return None
        state = stored.harvest_state()
        if state.get(_STATE) != self._mark():
            return None
        return identity.before(state.get(_UNTIL, ""))

    def _all_identifiers(self) -> pl.LazyFrame:
        """Return the identifiers of all records that the repository has now."""
        looked_at = Harvest(table=self.table, source=self.count.source)

        def batches(_wanted: list[str]) -> Iterator[pl.DataFrame]:
            with spooled(None, {}) as spool, self._http(looked_at) as http:
                found = self._list("ListIdentifiers", spool, http, [Window()], looked_at)
                for page in found.pages():
                    yield pl.DataFrame({IDENTIFIER: pl.Series(page.identifiers(), dtype=pl.String)})

        return stream({IDENTIFIER: pl.String()}, batches, looked_at)

    def _list(
        self, verb: str, spool: Spool, http: Http, windows: list[Window], harvest: Harvest
    ) -> RecordList:
        return RecordList(
            repository=Repository(base_url=self.source.base_url, http=http),
            spool=spool,
            verb=verb,
            arguments=self._arguments(),
            windows=windows,
            is_size_exact=self.source.is_size_exact,
            harvest=harvest,
            notes=self.notes,
        )

    def _arguments(self) -> dict[str, str]:
        chosen = self.source.sets.get(self.table)
        return {"metadataPrefix": self.source.metadata_prefix} | ({"set": chosen} if chosen else {})

    def _request(self) -> dict[str, Any]:
        """Return all that decides what the repository sends, without secrets."""
        return {
            "url": self.source.base_url,
            "arguments": self._arguments(),
            "since": self.count.since,
            "window_days": self.source.window_days,
            "credentials": type(self.source.credentials).__name__,
        }

    def _mark(self) -> str:
        """Return what the published table was made of: the list, the columns, their places."""
        dtypes = {name: str(dtype) for name, dtype in self.contract.dtypes.items()}
        records = self.source.records
        mapping = (
            None
            if records is None
            else [records.path, dict(records.fields), dict(records.namespaces)]
        )
        made_of = [self.source.base_url, self._arguments(), dtypes, mapping]
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    def _asked(self, repository: Repository) -> Any:
        try:
            return repository.ask(verb="Identify")
        except Refusal as refusal:
            raise repository.explained(refusal) from None  # It may hold a secret.

    def _http(self, count: Harvest) -> Http:
        return Http(
            self.source.base_url,
            count,
            self.notes,
            credentials=self.source.credentials,
            headers={"Accept": "text/xml, application/xml"},
            requests_per_second=self.source.requests_per_second,
            connections=1,
        )
