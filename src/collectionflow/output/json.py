"""JSON documents: one a line, one array, or one file each."""

from collections.abc import Mapping
from typing import Any, ClassVar

import polars as pl
from pydantic import Field
from upath import UPath

from collectionflow.errors import StopRun
from collectionflow.output._json_file import DocumentFile, count_file, publish_file, rollback_file
from collectionflow.output._json_folder import (
    DocumentFolder,
    count_folder,
    publish_folder,
    rollback_folder,
)
from collectionflow.output._target import Target, Terms
from collectionflow.storage import _files


class _JsonFileTarget(Target):
    """Documents in one file: what all formats of it share."""

    directory: str = Field(description="The folder of the files, or s3://bucket/folder.")
    is_gzip: bool = Field(default=False, description="Whether the file is packed, as `.gz`.")

    suffix: ClassVar[str]

    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        """Write the documents beside the published file, then take its place."""
        return self.publish_on_terms(name, frame, Terms())

    def publish_on_terms(self, name: str, frame: pl.LazyFrame, terms: Terms) -> Mapping[str, Any]:
        """Publish as `publish` does, where the asset's drop guard lets it."""
        return publish_file(self._place(name), frame, terms)

    def count(self, name: str) -> int:
        """Read the published file to its end, compare its checksum, and count its documents."""
        return count_file(self._place(name))

    def rollback(self, name: str, to: str | None = None) -> str:
        """Publish the file before again, and return its name."""
        return rollback_file(self._place(name), to)

    def _place(self, name: str) -> DocumentFile:
        suffix = f"{self.suffix}.gz" if self.is_gzip else self.suffix
        return DocumentFile(base=UPath(self.directory), name=name, suffix=suffix)


class NdjsonTarget(_JsonFileTarget):
    """One JSON document a line in `<directory>/<asset>.ndjson`, replaced whole on every run.

    A reader sees the old file or the new one, never half a file. `<asset>.index.json` says how
    many documents there are, with a checksum.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow.output import NdjsonTarget
        >>> @dg.asset(io_manager_key="json")
        ... def objects_json() -> pl.LazyFrame:
        ...     return pl.LazyFrame({"id": [1], "title": ["Portrait"]})
        >>> target = NdjsonTarget(directory="website/data")
    """

    suffix: ClassVar[str] = ".ndjson"


class JsonArrayTarget(_JsonFileTarget):
    """All documents as one JSON array in `<directory>/<asset>.json`, replaced whole on every run.

    The array has a document a line, so that it can be compared and read line by line too. For
    what a reader may rely on, see `NdjsonTarget`.

    Examples:
        >>> from collectionflow.output import JsonArrayTarget
        >>> target = JsonArrayTarget(directory="website/data", is_gzip=True)
    """

    suffix: ClassVar[str] = ".json"


class JsonFolderTarget(Target):
    """One file a document, `<directory>/<asset>/<id>.json`, published as a whole.

    `<directory>/<asset>` is a link to a folder that is complete before the link leads to it.
    Files of documents that have not changed are untouched. `index.json` in it says how many
    documents there are, `index.ndjson` the file and checksum of each.

    The id comes from the contract's key, or from the column that `document_id` names. Characters
    of it that are not letters or digits of ASCII, `-`, `_` or `.` are escaped: `1985/12 a` is
    `1985~2F12~20a.json`.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow.output import JsonFolderTarget, document_id
        >>> @dg.asset(io_manager_key="json", metadata=document_id("number"))
        ... def objects() -> pl.LazyFrame:
        ...     return pl.LazyFrame({"number": ["1985/12 a"], "title": ["Portrait"]})
        >>> target = JsonFolderTarget(directory="website")
    """

    directory: str = Field(description="The folder of the folders, on a disk.")
    is_gzip: bool = Field(default=False, description="Whether files are packed, as `.json.gz`.")

    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        """Fill a new folder beside the published one, then take its place."""
        return self.publish_on_terms(name, frame, Terms())

    def publish_on_terms(self, name: str, frame: pl.LazyFrame, terms: Terms) -> Mapping[str, Any]:
        """Publish as `publish` does, by the asset's ids, where its drop guard lets it."""
        return publish_folder(self._place(name), frame, terms)

    def count(self, name: str) -> int:
        """Count the published files that are listed, and there."""
        return count_folder(self._place(name))

    def rollback(self, name: str, to: str | None = None) -> str:
        """Publish the folder before again, and return its name."""
        return rollback_folder(self._place(name), to)

    def _place(self, name: str) -> DocumentFolder:
        base = _files.local_path(UPath(self.directory))
        if base is None:
            message = (
                f"'{self.directory}' is no folder on a disk. A bucket has no links, so a folder of "
                "documents cannot be published there as a whole: publish one file instead."
            )
            raise StopRun(message)
        suffix = ".json.gz" if self.is_gzip else ".json"
        return DocumentFolder(base=base, name=name, suffix=suffix)
