"""Where the files of a folder are: on this machine, or elsewhere and fetched from there."""

from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from collectionflow.errors import SourceError
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

if TYPE_CHECKING:
    from collectionflow.harvest._fetch import Downloads, Remote
    from collectionflow.harvest.folder import FolderSource


@dataclass
class Place(ABC):
    """A folder in use by one harvest. `where` shows it without secrets."""

    where: str
    harvest: Harvest

    @abstractmethod
    def names(self) -> list[str] | None:
        """Return the names of the files, None where they cannot be told."""

    @abstractmethod
    def locate(self, name: str) -> Path:
        """Return where a file lies on this machine."""

    @contextmanager
    def kept(self) -> Generator[None]:
        """Keep what was fetched while the block runs and after it, unless it fails."""
        yield

    def close(self) -> None:
        """Say that the files have been read."""
        return


@dataclass
class LocalFolder(Place):
    """A folder of this machine."""

    folder: Path

    def names(self) -> list[str]:
        """Return the names of the files that are there."""
        if not self.folder.is_dir():
            message = f"There is no folder '{self.folder}'. Set the source's directory."
            raise SourceError(message)
        return [path.name for path in self.folder.iterdir() if path.is_file()]

    def locate(self, name: str) -> Path:
        """Return the path of a file."""
        return self.folder / name


@dataclass
class RemoteFolder(Place):
    """A folder elsewhere, whose files are fetched."""

    downloads: "Downloads"

    def names(self) -> list[str] | None:
        """Return the names of the files, None for a web server."""
        return self.downloads.names()

    def locate(self, name: str) -> Path:
        """Return where a file lies now that it is fetched."""
        return self.downloads.locate(name)

    @contextmanager
    def kept(self) -> Generator[None]:
        """Keep what was fetched, also for the next run where the block fails."""
        try:
            yield
        except BaseException as error:
            self.downloads.fail(error)
            raise

    def close(self) -> None:
        """Remove what was fetched."""
        self.downloads.close()


def place_of(source: "FolderSource", table: str, notes: Notes) -> Place:
    """Return where the files of a source are.

    Raises:
        SourceError: where the URL cannot be.
        CollectionflowError: where an environment variable with a secret is not set.
    """
    scheme = urlsplit(source.directory).scheme if "://" in source.directory else ""
    if not scheme:
        harvest = notes.begin(table, source.directory)
        return LocalFolder(source.directory, harvest, Path(source.directory))
    return _remote(source, scheme, table, notes)


def _remote(source: "FolderSource", scheme: str, table: str, notes: Notes) -> RemoteFolder:
    from collectionflow.harvest._fetch import Downloads
    from collectionflow.harvest._spool import spool_folder
    from collectionflow.storage.parquet import _resolved

    remote: Remote
    harvest = notes.begin(table, type(source).__name__)
    if scheme in {"http", "https"}:
        from collectionflow.harvest._web_folder import WebFolder

        remote = WebFolder(
            url=source.directory, credentials=source.credentials, harvest=harvest, notes=notes
        )
    else:
        from collectionflow.harvest._store_folder import StoreFolder

        remote = StoreFolder(source.directory, _resolved(source.storage_options))
    harvest.source = remote.where
    request = {"directory": remote.where, "file": source.files.get(table, table)}
    downloads = Downloads(remote, spool_folder(table), request, harvest, notes)
    return RemoteFolder(remote.where, harvest, downloads)
