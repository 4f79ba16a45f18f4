"""Publishes one file a document: fills a new folder, then one link leads to it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl
from upath import UPath

from collectionflow.errors import StopRun
from collectionflow.output._document_id import id_column
from collectionflow.output._json_documents import LIST, NewFolder, as_files, list_of
from collectionflow.output._json_file import one_of, published
from collectionflow.output._json_index import Listed, index_of, listed_in, read_index
from collectionflow.output._json_losses import Losses
from collectionflow.output._target import Terms, check_drop
from collectionflow.storage import _files
from collectionflow.storage.versions import new_version

INDEX: Final = "index.json"


@dataclass(frozen=True, kw_only=True)
class DocumentFolder:
    """Where one asset's documents are published as files: `path` is a link to a folder."""

    base: Path
    name: str
    suffix: str

    @property
    def path(self) -> Path:
        """What readers open."""
        return self.base / self.name

    @property
    def folders(self) -> Path:
        """Where the folders lie: the published one, and the one before."""
        return self.base / ".collectionflow" / "documents" / self.name

    def published(self) -> Path | None:
        """Return the folder that the link leads to, None where there is none."""
        return self.path.resolve() if self.path.is_dir() else None


def publish_folder(place: DocumentFolder, frame: pl.LazyFrame, terms: Terms) -> dict[str, Any]:
    """Publish documents whole or not at all, and return metadata about them.

    Raises:
        Refused: where an id can name no file, or the drop guard says no.
    """
    _refuse_strange(place)
    losses = Losses(frame.collect_schema())
    column = id_column(place.name, frame, terms)
    documents = as_files(losses.watched(frame), column, place.suffix)
    with _files.publishing(UPath(place.folders)), _files.staged(UPath(place.base)) as partial:
        live = place.published()
        before = published(place.name, UPath(live / INDEX), terms) if live else None
        folder = NewFolder(place.name, _files.parts_folder(partial), live if before else None)
        folder.path.mkdir()
        now = folder.fill(documents)
        losses.tell(place.name, terms.warn)
        check_drop(place.name, before.documents if before else None, now.documents, terms)
        if folder.written or before != now:
            _commit(place, folder, now)
            _remove_old(place, live)
    return {
        "path": dg.MetadataValue.path(place.path),
        "index": dg.MetadataValue.path(place.path / INDEX),
        "dagster/size_bytes": _size(place.path),
        "files written": folder.written,
    }


def _refuse_strange(place: DocumentFolder) -> None:
    if place.path.exists() and not place.path.is_symlink():
        message = (
            f"'{place.path}' is there, but is no link that this target has made. Move it away, "
            "and publish again."
        )
        raise StopRun(message)


def _commit(place: DocumentFolder, folder: NewFolder, now: Listed) -> None:
    folder.link_unchanged()
    (folder.path / INDEX).write_bytes(index_of(now))
    # One call for all: a file each would take minutes where there are many.
    os.sync()
    new = place.folders / new_version()
    _files.move(folder.path, UPath(new))
    _files.link(new, place.path)


def _remove_old(place: DocumentFolder, before: Path | None) -> None:
    # Who resolved the link before it changed still reads whole documents from the folder before.
    for folder in _kept(place):
        if folder not in {before, place.published()}:
            _files.remove(folder)


def _kept(place: DocumentFolder) -> list[Path]:
    folders = place.folders.resolve()
    return sorted(each for each in folders.glob("[0-9]*") if each.is_dir())


def _size(path: Path) -> int:
    return list_of(path).select(pl.col("bytes").cast(pl.Int64).sum()).collect().item()


def count_folder(place: DocumentFolder) -> int:
    """Return how many documents of the published list have their file.

    Raises:
        StopRun: where the list is not what was published, or files are missing.
    """
    folder = place.published()
    listed = read_index(UPath(folder / INDEX)) if folder else None
    if folder is None or listed is None:
        message = f"'{place.name}' has not been published: there is no '{place.path / INDEX}'."
        raise StopRun(message)
    is_whole = listed_in(UPath(folder / LIST), is_array=False) == listed
    with os.scandir(folder) as entries:
        there = pl.LazyFrame({"file": [each.name for each in entries]})
    files = list_of(folder).select("file")
    missing = files.join(there, on="file", how="anti").select(pl.len()).collect().item()
    if missing or not is_whole:
        message = (
            f"'{place.path}' is not what was published: {missing:,} files are missing, and "
            f"its list is {'whole' if is_whole else 'changed'}. Delete that link, and publish "
            "again: all files are then written anew."
        )
        raise StopRun(message)
    return files.select(pl.len()).collect().item()


def rollback_folder(place: DocumentFolder, to: str | None) -> str:
    """Let the link lead to an earlier folder again, and return that folder's name.

    Raises:
        ProjectError: where there is no such folder.
    """
    if place.published() is None:
        one_of(place.name, [], to)  # Which there is none of, and so this raises.
    with _files.publishing(UPath(place.folders)):
        live = place.published()
        earlier = [each.name for each in _kept(place) if each != live]
        chosen = one_of(place.name, earlier, to)
        _files.link(place.folders / chosen, place.path)
    return chosen
