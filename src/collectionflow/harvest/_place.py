"""Where the files of a folder are: on this machine, or elsewhere and fetched from there."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from collectionflow.errors import SourceError
from collectionflow.harvest._archive import members
from collectionflow.harvest._file import File
from collectionflow.harvest._file_names import (
    FORMATS,
    Address,
    check_format,
    check_name,
    find_files,
    find_members,
    is_gzip,
    is_zip,
    suffix_of,
)
from collectionflow.harvest.credentials import Credentials
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

if TYPE_CHECKING:
    from collectionflow.harvest._fetch import Downloads, Remote


class Folder(Protocol):
    """What a source of files says of its folder."""

    @property
    def directory(self) -> str:
        """The path or URL."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """File by table."""
        ...

    @property
    def storage_options(self) -> Mapping[str, Any]:
        """How to reach it, as fsspec takes it."""
        ...

    @property
    def credentials(self) -> Credentials | None:
        """Who asks a web server."""
        ...


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


def place_of(source: Folder, table: str, notes: Notes) -> Place:
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


def files_of(
    place: Place, table: str, address: Address, formats: Collection[str] = FORMATS
) -> Iterator[File]:
    """Yield the files that a table is, members of archives among them.

    Raises:
        SourceError: where there is none, it is not known which, or it is of no such format.
        SourceUnavailable: where what lies elsewhere does not come.
    """
    check_name(address.file, place.where)
    present = place.names()
    if present is None:
        check_format(address.file, place.where, formats)
        names = [address.file]
    else:
        names = find_files(table, address.file, present, place.where, formats)
    for name in names:
        locate = partial(place.locate, name)
        if not is_zip(name):
            packing = "gz" if is_gzip(name) else None
            yield File(name=name, suffix=suffix_of(name), locate=locate, packing=packing)
            continue
        there = members(locate(), f"'{name}'")
        for member in find_members(address.member, there, f"'{name}'", formats):
            yield File(
                name=f"{name}!{member}",
                suffix=suffix_of(member),
                locate=locate,
                packing="zip",
                member=member,
            )


def _remote(source: Folder, scheme: str, table: str, notes: Notes) -> RemoteFolder:
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
