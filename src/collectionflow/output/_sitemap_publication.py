"""One publication of a sitemap: write its files beside, judge them, and then let the index lead."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from collectionflow.errors import Refused, StopRun
from collectionflow.markdown import markdown_table
from collectionflow.output._sitemap_entries import entries
from collectionflow.output._sitemap_files import (
    URLS_A_FILE,
    Sitemap,
    file_name,
    index_files,
    packed,
    urls_in,
    urlsets,
)
from collectionflow.output._target import Terms, check_drop
from collectionflow.storage import _files

_EXAMPLES: Final = 5


class Pages:
    """The `url` elements of pages as they stream by, counted, and those that are none."""

    def __init__(
        self, name: str, frame: pl.LazyFrame, site: str, *, allows_other_hosts: bool = False
    ) -> None:
        self.count = 0
        self._name = name
        self._frame = frame
        self._site = site
        self._allows_other_hosts = allows_other_hosts
        self._problems = 0
        self._examples: list[pl.DataFrame] = []

    def elements(self) -> Iterator[pl.Series]:
        """Yield the elements, a batch at a time."""
        found = entries(self._frame, self._site, allows_other_hosts=self._allows_other_hosts)
        for batch in found.collect_batches(chunk_size=URLS_A_FILE):
            self.count += batch.height
            bad = batch.filter(pl.col("problem").is_not_null())
            self._problems += bad.height
            self._examples.append(bad.head(_EXAMPLES).select("problem", "loc"))
            yield batch.get_column("url").drop_nulls()

    def refuse_problems(self) -> None:
        """Refuse all pages where some have no place in a sitemap.

        Raises:
            Refused: with the first of them, without what an address may have that is secret.
        """
        if not self._problems:
            return
        shown = pl.col("loc").str.replace("//[^/@]*@", "//…@").str.replace(r"\?.*", "?…")
        examples = pl.concat(self._examples).head(_EXAMPLES).with_columns(loc=shown)
        message = (
            f"{self._problems:,} of {self.count:,} pages of '{self._name}' have no place in a "
            f"sitemap. What was published stays. The first:\n\n{markdown_table(examples)}\n"
        )
        raise Refused(message)


def publish_sitemap(
    sitemap: Sitemap, pages: Pages, terms: Terms, *, has_images: bool, is_gzip: bool
) -> dict[str, Any]:
    """Publish pages whole or not at all, and return metadata about them.

    Raises:
        Refused: where a page has no place in a sitemap, or the drop guard says no.
    """
    with _files.staged(sitemap.base, ".xml") as partial:
        folder = _files.parts_folder(partial)
        folder.mkdir()
        names = []
        for content in urlsets(pages.elements(), has_images=has_images):
            name = file_name(sitemap.name, len(names) + 1, content, is_gzip=is_gzip)
            (folder / name).write_bytes(packed(content, is_gzip=is_gzip))
            names.append(name)
        pages.refuse_problems()
        _files.sync(folder)
        with _files.publishing(sitemap.base):
            check_drop(sitemap.name, _published(sitemap, terms), pages.count, terms)
            _commit(sitemap, folder, names)
    return {
        "path": dg.MetadataValue.path(_files.location(sitemap.index)),
        "sitemap": dg.MetadataValue.url(f"{sitemap.url}/{sitemap.index.name}"),
        "files": len(names),
    }


def _published(sitemap: Sitemap, terms: Terms) -> int | None:
    """Return how many pages are published. What cannot be read is told and passed over."""
    try:
        return count_sitemap(sitemap) if sitemap.index.exists() else None
    except StopRun as error:
        terms.warn(f"'{sitemap.name}' is compared with nothing: {error.description}")
        return None


def _commit(sitemap: Sitemap, folder: Path, names: Collection[str]) -> None:
    """Move new files into place, then the index, and then remove what neither index names."""
    before = sitemap.named() if sitemap.index.exists() else []
    for name in names:
        # The name says what it holds, so a crawler need not see it change.
        if not (sitemap.base / name).exists():
            _files.move(folder / name, sitemap.base / name)
    indexes = dict(index_files(sitemap, list(names)))
    # Where there are many, the first comes last: it is the one that crawlers know.
    for name in reversed(indexes):
        _files.write(sitemap.base / name, indexes[name])
    for path in [*sitemap.files(), *sitemap.indexes()]:
        if path.name not in {*before, *names, *indexes}:
            path.unlink(missing_ok=True)


def count_sitemap(sitemap: Sitemap) -> int:
    """Follow the published index, read all files and return how many URLs they have.

    Raises:
        StopRun: where there is none, or a file is not what was published.
    """
    if not sitemap.index.exists():
        where = _files.location(sitemap.index)
        message = f"'{sitemap.name}' has not been published: there is no '{where}'."
        raise StopRun(message)
    return sum(urls_in(sitemap, file) for file in sitemap.named())
