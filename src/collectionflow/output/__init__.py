"""Targets: where documents go. One kind of target a module."""

from collectionflow.output.json import NdjsonTarget
from collectionflow.output.sitemap import SitemapTarget

__all__ = ["NdjsonTarget", "SitemapTarget"]
