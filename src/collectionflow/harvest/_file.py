"""One file of a harvest, and what its format makes of it: what all formats share."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import polars as pl

from collectionflow.contract import Contract
from collectionflow.harvest import _archive
from collectionflow.harvest._archive import Packing
from collectionflow.notes import Notes

_UNIT: Final = 1000


@dataclass(frozen=True, kw_only=True)
class File:
    """A file by name; `locate` returns where it lies on this machine, still packed if it is.

    A file from elsewhere is fetched for that, if it is not there any more.
    """

    name: str
    suffix: str
    locate: Callable[[], Path]
    packing: Packing = None
    member: str = ""
    modified: datetime | None = None

    @property
    def where(self) -> str:
        """The file as errors name it."""
        return f"'{self.name}'"

    def chunks(self, chunk_bytes: int | None = None) -> Iterator[bytes]:
        """Yield the file's bytes, unpacked, in pieces of this size, or of some MB.

        Raises:
            SourceError: where an archive is damaged, or unpacks to more than it should.
        """
        return _archive.chunks(self.locate(), self.packing, self.member, self.where, chunk_bytes)

    @contextmanager
    def on_disk(self) -> Generator[Path]:
        """Yield the unpacked file's path; a copy lives as long as the block."""
        if self.packing is None:
            yield self.locate()
            return
        with _archive.unpacked(self.chunks(), self.suffix) as path:
            yield path

    def described(self, form: str) -> str:
        """Return name, format, size and time of the file for the ledger and the asset's page."""
        found = self.locate().stat()
        when = self.modified or datetime.fromtimestamp(found.st_mtime, UTC)
        return f"{self.name} ({form}; {_size(found.st_size)}, {when:%Y-%m-%d %H:%M} UTC)"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a file, and how it is to be read where it does not say so itself."""

    table: str
    contract: Contract
    notes: Notes
    encoding: str = "utf-8"
    must_end_line: bool = True
    sheet: str | None = None
    records: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A file that is understood: its format, its columns, and how its rows are read.

    `batches(wanted)` reads from the start, as often as it is called.
    """

    file: File
    form: str
    schema: Mapping[str, pl.DataType]
    batches: Callable[[list[str]], Iterator[pl.DataFrame]]


def described(files: Sequence[File], form: str) -> str:
    """Return what is read, for the ledger and the asset's page."""
    first = files[0].described(form)
    if len(files) == 1:
        return first
    return f"{len(files):,} files, {files[0].name} to {files[-1].name} (the first: {first})"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < _UNIT:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= _UNIT
    return f"{count:,.1f} GB"
