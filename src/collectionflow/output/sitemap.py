"""Sitemaps by the sitemaps.org protocol."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import polars as pl
from pydantic import Field
from upath import UPath

from collectionflow.errors import StopRun
from collectionflow.output._sitemap_entries import COLUMNS
from collectionflow.output._sitemap_files import Sitemap
from collectionflow.output._sitemap_publication import Pages, count_sitemap, publish_sitemap
from collectionflow.output._target import Target, Terms
from collectionflow.output._web_address import origin_of


class SitemapTarget(Target):
    """A sitemap of the pages in a frame: an index `<asset>.xml` and files of 50,000 URLs.

    The frame has the column `loc`, each page's absolute address. Where it has them, `lastmod` (a
    date, a time or text) says when the page changed, and `images` (a list of addresses, or of
    structs with an address `loc`) what it shows. Characters that a URL cannot have are encoded.

    The index takes its place last, so a crawler follows either the old sitemap or the new one.
    Files of the one before stay until the next publication, for crawlers that are at it. The same
    pages give the same files.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow.output import SitemapTarget
        >>> @dg.asset(io_manager_key="sitemap")
        ... def objects_sitemap() -> pl.LazyFrame:
        ...     return pl.LazyFrame({"loc": ["https://example.org/objects/1"]})
        >>> target = SitemapTarget(directory="website", base_url="https://example.org/")
    """

    directory: str = Field(description="The folder of the files, or s3://bucket/folder.")
    base_url: str = Field(description="Where that folder is on the web.")
    is_gzip: bool = Field(default=False, description="Whether files are packed, as `.xml.gz`.")
    allows_other_hosts: bool = Field(
        default=False,
        description="Whether pages may be of other hosts, whose robots.txt must then name this.",
    )

    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        """Write the files, then the index that names them, then remove those nobody follows.

        Raises:
            Refused: where a page has no absolute address, one of another host, or a `lastmod`
                that is no date, or where the drop guard says no.
        """
        return self.publish_on_terms(name, frame, Terms())

    def publish_on_terms(self, name: str, frame: pl.LazyFrame, terms: Terms) -> Mapping[str, Any]:
        """Publish as `publish` does, where the asset's drop guard lets it."""
        sitemap = self._sitemap(name)
        present = frame.collect_schema()
        if unused := [f"'{column}'" for column in present if column not in COLUMNS]:
            terms.warn(f"'{name}': a sitemap has no place for {', '.join(unused)}.")
        pages = Pages(name, frame, self.base_url, allows_other_hosts=self.allows_other_hosts)
        has_images = "images" in present
        return publish_sitemap(sitemap, pages, terms, has_images=has_images, is_gzip=self.is_gzip)

    def count(self, name: str) -> int:
        """Follow the published index, read all files and count their URLs."""
        return count_sitemap(self._sitemap(name))

    def _sitemap(self, name: str) -> Sitemap:
        try:
            origin = origin_of(self.base_url)
        except ValueError as error:
            message = f"The base_url of the sitemap '{name}' is of no use. {error}"
            raise StopRun(message) from error
        path = self.base_url.rstrip("/").partition("://")[2].partition("/")[2]
        url = quote(f"{origin}/{path}", safe=":/%").rstrip("/")
        return Sitemap(base=UPath(self.directory), name=name, url=url)
