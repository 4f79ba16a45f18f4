"""Targets: where documents go. One kind of target a module."""

from collectionflow.output._count_check import published_count_check
from collectionflow.output._document_id import document_id
from collectionflow.output.json import JsonArrayTarget, JsonFolderTarget, NdjsonTarget
from collectionflow.output.search_index import SearchIndexTarget
from collectionflow.output.sitemap import SitemapTarget

__all__ = [
    "JsonArrayTarget",
    "JsonFolderTarget",
    "NdjsonTarget",
    "SearchIndexTarget",
    "SitemapTarget",
    "document_id",
    "published_count_check",
]
