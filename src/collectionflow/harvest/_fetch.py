"""Files from elsewhere on this machine's disk, from the first look at them until they are read.

What has come of a file stays when the transfer or the process dies, and the rest is fetched by the
next attempt or run, unless the file has changed since.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from collectionflow._patience import TransientError
from collectionflow.errors import SourceError
from collectionflow.harvest._retry import retrying
from collectionflow.harvest._spool import Spool, spooled
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes


@dataclass(frozen=True, kw_only=True)
class Version:
    """What tells one version of a remote file from another; `modified` is in seconds since 1970.

    A file without a `tag` cannot be recognized, so that it is never taken up again.
    """

    tag: str | None
    size: int | None = None
    modified: float | None = None


class Partial:
    """A file as far as it has come, and of which version it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = path.with_name(f"{path.name}.json")

    @property
    def size(self) -> int:
        """How many bytes have come."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def version(self) -> Version | None:
        """The version that has begun to come, where it can be taken up again."""
        if not self._mark.is_file() or not self.path.is_file():
            return None
        return Version(**json.loads(self._mark.read_text()))

    def begin(self, version: Version) -> None:
        """Start anew with this version."""
        self._mark.unlink(missing_ok=True)  # Whenever we are killed: no bytes of another version.
        self.path.write_bytes(b"")
        if version.tag is not None:
            self._mark.write_text(json.dumps(asdict(version)))

    def extend(self, chunks: Iterable[bytes]) -> None:
        """Add bytes as they come."""
        with self.path.open("ab") as file:
            for chunk in chunks:
                file.write(chunk)
                file.flush()

    def finish(self, version: Version, shown: str) -> None:
        """Compare with the source's own size, and take over its time.

        Raises:
            TransientError: where bytes are missing, or there are too many.
        """
        if version.size is not None and self.size != version.size:
            message = f"{shown} has {version.size:,} bytes, but {self.size:,} came."
            if self.size > version.size:
                self.begin(Version(tag=None))
            raise TransientError(message)
        if version.modified is not None:
            os.utime(self.path, (version.modified, version.modified))


class Remote(Protocol):
    """A folder of files elsewhere."""

    @property
    def where(self) -> str:
        """The folder as errors and the ledger show it: without secrets."""
        ...

    def names(self) -> list[str] | None:
        """Return the names of its files, None where it cannot be listed."""
        ...

    def fetch(self, name: str, partial: Partial) -> None:
        """Fetch what is missing of a file.

        Raises:
            TransientError: for what waiting may cure.
            SourceError: where the file is missing, or access is refused.
        """
        ...


@dataclass
class Downloads:
    """The files of one harvest that come from elsewhere.

    They lie in `folder`, the harvest's spool, or in a temporary folder where there is none.
    """

    remote: Remote
    folder: Path | None
    request: Mapping[str, Any]
    harvest: Harvest
    notes: Notes
    _fetched: set[str] = field(default_factory=set)
    _open: ExitStack = field(default_factory=ExitStack)
    _spool: Spool | None = None

    def names(self) -> list[str] | None:
        """Return the names of the files that are there, None where that cannot be told."""
        return retrying(self.remote.names, self.harvest, self.notes)

    def locate(self, name: str) -> Path:
        """Return where a file lies on this machine; it is fetched if it does not yet.

        Raises:
            SourceError: where the file is missing, or access is refused.
            SourceUnavailable: where the source does not answer.
        """
        partial = Partial(self._opened().folder / f"{_hashed(name)}.part")
        if name not in self._fetched:
            attempt = self._attempt(name, partial)
            while not retrying(attempt, self.harvest, self.notes):
                self.notes.log.info("'%s' came in part. Going on.", name)
            self._fetched.add(name)
        return partial.path

    def close(self) -> None:
        """Remove the files: the harvest is complete. Who asks again fetches them again."""
        self._open.close()
        self._spool, self._fetched = None, set()

    def fail(self, error: BaseException) -> None:
        """Leave the files to the next run, unless they cannot be used.

        The source may have better ones then.
        """
        if self._spool is not None and isinstance(error, SourceError):
            self._spool.clear()
        self._open.__exit__(type(error), error, error.__traceback__)
        self._spool, self._fetched = None, set()

    def _attempt(self, name: str, partial: Partial) -> Callable[[], bool]:
        """Return an attempt, which returns whether the file is whole; to get on is no failure."""
        most = partial.size

        def once() -> bool:
            nonlocal most
            try:
                self.remote.fetch(name, partial)
            except TransientError:
                if partial.size <= most:
                    raise
                most = partial.size
                self.harvest.count(retries=1)
                return False
            return True

        return once

    def _opened(self) -> Spool:
        if self._spool is None:
            self._spool = self._open.enter_context(spooled(self.folder, self.request))
        return self._spool


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]
