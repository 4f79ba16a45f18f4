"""Publishes documents as one file: a file named by its content, then the index that names it."""

import re
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl
from upath import UPath

from collectionflow.errors import ProjectError, StopRun
from collectionflow.output._json_index import Listed, index_of, listed_in, read_index
from collectionflow.output._json_losses import Losses
from collectionflow.output._json_values import json_values
from collectionflow.output._json_writer import write
from collectionflow.output._target import Terms, check_drop
from collectionflow.storage import _files


@dataclass(frozen=True, kw_only=True)
class DocumentFile:
    """Where one asset's documents are published as a file, and how.

    `path` is what most read. `index` names a file of the same content whose name is never used
    for other content, so who follows it reads what the index speaks of.
    """

    base: UPath
    name: str
    suffix: str

    @property
    def path(self) -> UPath:
        """The file by its plain name."""
        return self.base / f"{self.name}{self.suffix}"

    @property
    def index(self) -> UPath:
        """The index."""
        return self.base / f"{self.name}.index.json"

    @property
    def is_array(self) -> bool:
        """Whether the documents are one JSON array."""
        return not self.suffix.startswith(".ndjson")

    @property
    def is_gzip(self) -> bool:
        """Whether the file is packed."""
        return self.suffix.endswith(".gz")

    def kept(self) -> list[UPath]:
        """Return the files that are named by their content: the published and the one before."""
        ours = re.compile(rf"{re.escape(self.name)}-[0-9a-f]{{8}}\.(nd)?json(\.gz)?")
        return sorted(each for each in self.base.iterdir() if ours.fullmatch(each.name))


def publish_file(place: DocumentFile, frame: pl.LazyFrame, terms: Terms) -> dict[str, Any]:
    """Publish documents whole or not at all, and return metadata about them.

    Raises:
        Refused: where the drop guard says no.
    """
    schema = frame.collect_schema()
    losses = Losses(schema)
    with _files.staged(place.base, place.suffix) as partial:
        documents = losses.watched(frame).select(json_values(schema))
        written = write(documents, partial, is_array=place.is_array, is_gzip=place.is_gzip)
        losses.tell(place.name, terms.warn)
        size = partial.stat().st_size
        now = Listed(
            file=f"{place.name}-{written.crc32}{place.suffix}",
            documents=losses.rows,
            bytes=written.bytes,
            crc32=written.crc32,
        )
        with _files.publishing(place.base):
            before = published(place.name, place.index, terms)
            check_drop(place.name, before.documents if before else None, now.documents, terms)
            _files.move(partial, place.base / now.file)
            _commit(place, now)
            _remove_old(place, before, now)
    return {
        "path": dg.MetadataValue.path(_files.location(place.path)),
        "index": dg.MetadataValue.path(_files.location(place.index)),
        "dagster/size_bytes": size,
        "crc32": now.crc32,
    }


def published(name: str, index: UPath, terms: Terms) -> Listed | None:
    """Return what an index says is published. One that cannot be read is told and passed over."""
    try:
        return read_index(index)
    except StopRun as error:
        terms.warn(f"'{name}' is compared with nothing, and written anew: {error.description}")
        return None


def _commit(place: DocumentFile, listed: Listed) -> None:
    # The index is what counts. Whoever reads the plain name reads whole documents meanwhile.
    _files.write(place.index, index_of(listed))
    _files.copy(place.base / listed.file, place.path)


def _remove_old(place: DocumentFile, before: Listed | None, now: Listed) -> None:
    if before is None or before.file == now.file:
        return
    for path in place.kept():
        if path.name not in {before.file, now.file}:
            path.unlink(missing_ok=True)
    # Where the asset was published in another format, nobody would notice that this file is old.
    plain = place.base / re.sub("-[0-9a-f]{8}", "", before.file)
    if plain.name != place.path.name:
        plain.unlink(missing_ok=True)


def count_file(place: DocumentFile) -> int:
    """Read a published file to its end and return how many documents it has.

    Raises:
        StopRun: where it is not what was published.
    """
    listed = read_index(place.index)
    if listed is None:
        message = f"'{place.name}' has not been published: there is no '{_shown(place.index)}'."
        raise StopRun(message)
    try:
        found = listed_in(place.path, is_array=place.is_array)
    except (OSError, EOFError, zlib.error) as error:
        message = f"'{_shown(place.path)}' cannot be read ({error}). Publish it again."
        raise StopRun(message) from error
    if found.crc32 != listed.crc32:
        message = (
            f"'{_shown(place.path)}' is not what '{_shown(place.index)}' says was published. "
            "Someone has changed it, or a run was killed just then. Publish it again."
        )
        raise StopRun(message)
    return found.documents


def rollback_file(place: DocumentFile, to: str | None) -> str:
    """Publish an earlier file again, and return its name.

    Raises:
        ProjectError: where there is no such file.
    """
    if not place.index.exists():
        one_of(place.name, [], to)  # Which there is none of, and so this raises.
    with _files.publishing(place.base):
        live = read_index(place.index)
        # One that was published in another format cannot take this one's place.
        kept = [each.name for each in place.kept() if each.name.endswith(place.suffix)]
        earlier = [each for each in kept if live is None or each != live.file]
        chosen = one_of(place.name, earlier, to)
        _commit(place, listed_in(place.base / chosen, is_array=place.is_array))
    return chosen


def one_of(name: str, earlier: Collection[str], to: str | None) -> str:
    """Return the earlier publication that is wanted: the only one that begins with `to`.

    Raises:
        ProjectError: where there is none, or more than one.
    """
    found = [each for each in earlier if each.startswith(to or "")]
    if len(found) != 1:
        there = ", ".join(f"'{each}'" for each in earlier) or "none"
        wanted = f" that begins with '{to}'" if to else ""
        message = f"'{name}' has no single earlier publication{wanted}. There are: {there}."
        raise ProjectError(message)
    return found[0]


def _shown(path: UPath) -> str:
    return _files.location(path)
