"""Writes one file a document into a new folder, and links those that another folder has already."""

import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, cast

import polars as pl

from collectionflow.errors import Refused, StopRun
from collectionflow.markdown import markdown_table
from collectionflow.output._file_names import MOST_CHARACTERS, file_name
from collectionflow.output._json_index import Listed
from collectionflow.output._json_values import json_values
from collectionflow.output._json_writer import writing

LIST: Final = "index.ndjson"
LIST_SCHEMA: Final = {"id": pl.String, "file": pl.String, "bytes": pl.UInt32, "sha256": pl.String}
_BATCH: Final = 10_000
_TASK: Final = 500
_THREADS: Final = 8
_GZIP: Final = 31
_EXAMPLES: Final = 5


def as_files(frame: pl.LazyFrame, column: str, suffix: str) -> pl.LazyFrame:
    """Return the id, file name and JSON of each document.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._json_documents import as_files
        >>> frame = pl.LazyFrame({"number": ["1985/12 a"]})
        >>> as_files(frame, "number", ".json").collect().row(0)
        ('1985/12 a', '1985~2F12~20a.json', '{"number":"1985/12 a"}')
    """
    identifier = pl.col(column).cast(pl.String)
    return frame.select(
        id=identifier,
        file=file_name(identifier) + suffix,
        json=pl.struct(json_values(frame.collect_schema())).struct.json_encode(),
    )


def list_of(folder: Path) -> pl.LazyFrame:
    """Return what the list in a folder says: id, file, size and checksum of each document."""
    return pl.scan_ndjson(folder / LIST, schema=LIST_SCHEMA)


class NewFolder:
    """A folder that is being filled with documents; `before` is the one that is published."""

    def __init__(self, name: str, path: Path, before: Path | None) -> None:
        self.name = name
        self.path = path
        self.written = 0
        self._before = before
        self._unchanged: list[pl.Series] = []

    def fill(self, documents: pl.LazyFrame) -> Listed:
        """Write the documents that are new or changed and the list of all, in bounded memory.

        Raises:
            Refused: where ids are missing, too long, or share a file name.
        """
        known = self._known()
        with (
            ThreadPoolExecutor(_THREADS) as pool,
            writing(self.path / LIST, is_array=False, is_gzip=False) as listing,
        ):
            for batch in documents.collect_batches(chunk_size=_BATCH):
                _refuse_unnamed(self.name, batch)
                hashed = _hashed(batch)
                hashed.select(*LIST_SCHEMA).write_ndjson(cast("IO[bytes]", listing))
                is_known = hashed.join(known, on=["file", "sha256"], how="semi")
                self._unchanged.append(is_known.get_column("file"))
                self._write(hashed.join(known, on=["file", "sha256"], how="anti"), pool)
        self._refuse_twins()
        documents_listed = sum(each.len() for each in self._unchanged) + self.written
        return Listed(
            file=LIST,
            documents=documents_listed,
            bytes=listing.written.bytes,
            crc32=listing.written.crc32,
        )

    def link_unchanged(self) -> None:
        """Add the files that are in the folder before, as links, so that they stay untouched."""
        if self._before is None:
            return
        link = partial(_link, self._before, self.path)
        with ThreadPoolExecutor(_THREADS) as pool:
            for files in self._unchanged:
                _together(pool, link, files.to_frame())

    def _known(self) -> pl.DataFrame:
        if self._before is None:
            return pl.DataFrame(schema=LIST_SCHEMA)
        return list_of(self._before).select("file", "sha256").collect()

    def _write(self, changed: pl.DataFrame, pool: Executor) -> None:
        self.written += changed.height
        _together(pool, partial(_write_files, self.path), changed)

    def _refuse_twins(self) -> None:
        """Refuse file names that are one to a system that does not tell a from A."""
        name = pl.col("file").str.to_lowercase()
        twins = list_of(self.path).filter(name.is_duplicated()).sort(name, "id").collect()
        if not twins.is_empty():
            examples = markdown_table(twins.select("id", "file").head(_EXAMPLES))
            message = (
                f"{twins.height:,} documents of '{self.name}' share the name of their file with "
                "another, on systems where 'a' and 'A' are one. What was published stays. Give "
                f"them other ids. The first:\n\n{examples}\n"
            )
            raise Refused(message)


def _refuse_unnamed(name: str, batch: pl.DataFrame) -> None:
    characters = pl.col("file").str.len_bytes()
    unnamed = batch.filter(pl.col("id").is_null() | (pl.col("id") == ""))
    if unnamed.height:
        message = f"A document of '{name}' has no id, so its file has no name."
        raise Refused(message)
    too_long = batch.filter(characters > MOST_CHARACTERS)
    if too_long.height:
        start = too_long.get_column("id").item(0)[:60]
        message = (
            f"The file of the document '{start}…' of '{name}' would have a name of more than "
            f"{MOST_CHARACTERS} characters. Give it a shorter id."
        )
        raise Refused(message)


def _hashed(batch: pl.DataFrame) -> pl.DataFrame:
    """Return the documents as bytes, with their sizes and checksums."""
    contents = batch.get_column("json").cast(pl.Binary)
    checksums = [sha256(content).hexdigest() for content in contents]
    return batch.with_columns(
        json=contents,
        bytes=pl.col("json").str.len_bytes(),
        sha256=pl.Series(checksums, dtype=pl.String),
    )


def _together(pool: Executor, work: Callable[[pl.DataFrame], None], rows: pl.DataFrame) -> None:
    """Work on slices of the rows in all threads, and wait until all are done."""
    for _ in pool.map(work, _slices(rows)):
        pass


def _slices(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    return (rows.slice(start, _TASK) for start in range(0, rows.height, _TASK))


def _write_files(folder: Path, documents: pl.DataFrame) -> None:
    for file, content in documents.select("file", "json").iter_rows():
        is_gzip = file.endswith(".gz")
        with open(f"{folder}/{file}", "wb") as opened:  # noqa: PTH123 (a path object a file costs more than the file)
            opened.write(zlib.compress(content, wbits=_GZIP) if is_gzip else content)


def _link(before: Path, folder: Path, files: pl.DataFrame) -> None:
    for file in files.get_column("file"):
        source, target = f"{before}/{file}", f"{folder}/{file}"
        try:
            os.link(source, target)
        except FileNotFoundError as error:
            message = (
                f"'{source}' is gone, though it was published. Delete '{before}', and publish "
                "again: all files are then written anew."
            )
            raise StopRun(message) from error
        except OSError:  # This file system has no hard links, or not for another user's files.
            shutil.copy2(source, target)
