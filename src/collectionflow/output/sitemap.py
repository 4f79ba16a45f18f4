"""Sitemaps by the sitemaps.org protocol."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import dagster as dg
import polars as pl
from pydantic import Field

from collectionflow.errors import Refused
from collectionflow.output._target import Target
from collectionflow.storage import _files

# https://www.sitemaps.org/protocol.html: the limits of one file, and of a URL.
URLS_A_FILE = 50_000
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_URL_CHARACTERS = 2_048


class SitemapTarget(Target):
    """A sitemap of the URLs in a frame: an index `<asset>.xml` and files of 50,000 URLs.

    The frame has the columns `loc`, an absolute URL, and where it is known `lastmod`, a date or
    text. The index takes its place last, so a crawler follows either the old sitemap or the new
    one; files of the old one are removed after that. The same URLs give the same files.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow.output import SitemapTarget
        >>> @dg.asset(io_manager_key="sitemap")
        ... def objects_sitemap() -> pl.LazyFrame:
        ...     return pl.LazyFrame({"loc": ["https://example.org/objects/1"]})
        >>> target = SitemapTarget(directory="website", base_url="https://example.org/")
    """

    directory: str = Field(description="The folder of the files.")
    base_url: str = Field(description="Where that folder is on the web.")

    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        """Write the files, then the index that names them, then remove those of the old index.

        Raises:
            Refused: where a URL is not absolute, is longer than 2,048 characters or is missing.
        """
        folder = Path(self.directory)
        entries = frame.select(url=_entry(frame.collect_schema())).collect().get_column("url")
        if entries.null_count():
            message = (
                f"'{name}' has {entries.null_count():,} URLs that a sitemap cannot hold. Expected "
                f"'http://' or 'https://' and at most {_URL_CHARACTERS:,} characters."
            )
            raise Refused(message)
        names = [
            _write(folder, f"{name}-{number}", _document("urlset", slice_))
            for number, slice_ in enumerate(_slices(entries), start=1)
        ]
        base = self.base_url.rstrip("/")
        index = (f"<sitemap><loc>{escape(f'{base}/{each}')}</loc></sitemap>\n" for each in names)
        _files.write(folder / f"{name}.xml", _document("sitemapindex", index))
        _remove_old(folder, name, names)
        return {
            "path": dg.MetadataValue.path(folder / f"{name}.xml"),
            "sitemap": dg.MetadataValue.url(f"{base}/{name}.xml"),
            "files": len(names),
        }


def _remove_old(folder: Path, name: str, current: Sequence[str]) -> None:
    # The whole pattern, so that the files of a sitemap 'objects-rare' are not those of 'objects'.
    ours = re.compile(rf"{re.escape(name)}-\d+-[0-9a-f]{{12}}\.xml")
    for path in folder.iterdir():
        if ours.fullmatch(path.name) and path.name not in current:
            path.unlink(missing_ok=True)


def _entry(schema: pl.Schema) -> pl.Expr:
    """Return each row as a `url` element, null where its address is none."""
    loc = pl.col("loc")
    is_good = loc.str.contains(r"^https?://[^\s/]") & (loc.str.len_chars() <= _URL_CHARACTERS)
    lastmod = (
        pl.format("<lastmod>{}</lastmod>", _escaped(pl.col("lastmod").cast(pl.String)))
        if "lastmod" in schema
        else pl.lit("")
    )
    element = pl.concat_str(
        pl.lit("<url><loc>"),
        _escaped(loc),
        pl.lit("</loc>"),
        lastmod.fill_null(""),
        pl.lit("</url>\n"),
    )
    return pl.when(is_good).then(element)


def _escaped(text: pl.Expr) -> pl.Expr:
    return text.str.replace_many(
        ["&", "<", ">", '"', "'"], ["&amp;", "&lt;", "&gt;", "&quot;", "&apos;"]
    )


def _slices(entries: pl.Series) -> Iterator[pl.Series]:
    for start in range(0, max(len(entries), 1), URLS_A_FILE):
        yield entries.slice(start, URLS_A_FILE)


def _document(root: str, elements: Iterable[str]) -> bytes:
    header = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">\n'
    return f"{header}{''.join(elements)}</{root}>\n".encode()


def _write(folder: Path, name: str, content: bytes) -> str:
    """Write a file that bears its content's hash, so that no crawler sees it change."""
    full = f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.xml"
    _files.write(folder / full, content)
    return full
