"""The files of a sitemap: entries in files of the size that crawlers take, and their index."""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import polars as pl
from upath import UPath

from collectionflow.errors import StopRun
from collectionflow.storage import _files

# https://www.sitemaps.org/protocol.html: the limits of one file, and of an index.
URLS_A_FILE: Final = 50_000
BYTES_A_FILE: Final = 50 * 2**20
FILES_AN_INDEX: Final = 50_000
_NAMESPACE: Final = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_IMAGES: Final = 'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
_GZIP: Final = 31


@dataclass(frozen=True, kw_only=True)
class Sitemap:
    """A sitemap `<name>.xml` below `base`, which is at `url` on the web."""

    base: UPath
    name: str
    url: str

    @property
    def index(self) -> UPath:
        """The index, which names all files."""
        return self.base / f"{self.name}.xml"

    def indexes(self) -> list[UPath]:
        """Return the index and those that go on where it is full."""
        more = re.compile(rf"{re.escape(self.name)}-index-\d+\.xml")
        found = sorted(each for each in self.base.iterdir() if more.fullmatch(each.name))
        return [self.index, *found]

    def files(self) -> list[UPath]:
        """Return the files of this sitemap that there are, of whichever publication."""
        # The whole pattern, so that the files of 'objects-rare' are not those of 'objects'.
        ours = re.compile(rf"{re.escape(self.name)}-\d+-[0-9a-f]{{12}}\.xml(\.gz)?")
        return [each for each in self.base.iterdir() if ours.fullmatch(each.name)]

    def named(self) -> list[str]:
        """Return the files that the published index names, in its order."""
        return [name for index in self.indexes() for name in _names_in(index)]


def urlsets(elements: Iterable[pl.Series], *, has_images: bool) -> Iterator[bytes]:
    """Yield the sitemap's files from its `url` elements: as few as the protocol allows.

    Without an element there is one file all the same.
    """
    head, foot = _root("urlset", f" {_IMAGES}" if has_images else "")
    room = BYTES_A_FILE - len(head) - len(foot)
    for part in _parts(elements, room):
        yield head + b"".join(part) + foot


def _parts(elements: Iterable[pl.Series], room: int) -> Iterator[list[bytes]]:
    held: list[bytes] = []
    urls = size = 0
    for batch in elements:
        rest = batch
        while rest.len():
            fitting = _fitting(rest, URLS_A_FILE - urls, room - size)
            if not fitting:
                yield held
                held, urls, size = [], 0, 0
                continue
            text = rest.head(fitting).str.join("").item().encode()
            held.append(text)
            urls, size = urls + fitting, size + len(text)
            rest = rest.slice(fitting)
    yield held


def _fitting(elements: pl.Series, most: int, room: int) -> int:
    """Return how many of the first elements a file has room for."""
    sizes = elements.head(most).str.len_bytes().cast(pl.Int64).cum_sum()
    return int(sizes.search_sorted(room, side="right"))


def file_name(name: str, number: int, content: bytes, *, is_gzip: bool) -> str:
    """Return a name that no other content has, so that no crawler sees a file change."""
    suffix = ".xml.gz" if is_gzip else ".xml"
    return f"{name}-{number}-{sha256(content).hexdigest()[:12]}{suffix}"


def packed(content: bytes, *, is_gzip: bool) -> bytes:
    """Return a file's content as it is stored; zlib writes no time, so that runs are alike."""
    return zlib.compress(content, wbits=_GZIP) if is_gzip else content


def index_files(sitemap: Sitemap, names: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return the names and contents of the index, and of those that go on where it is full."""
    chunks = [
        names[start : start + FILES_AN_INDEX] for start in range(0, len(names), FILES_AN_INDEX)
    ]
    more = [f"{sitemap.name}-index-{number}.xml" for number in range(2, len(chunks) + 1)]
    head, foot = _root("sitemapindex")
    return [
        (file, head + b"".join(_named(sitemap.url, each) for each in chunk) + foot)
        for file, chunk in zip([sitemap.index.name, *more], chunks, strict=True)
    ]


def _named(url: str, name: str) -> bytes:
    return f"<sitemap><loc>{url}/{name}</loc></sitemap>\n".encode()


def _names_in(index: UPath) -> list[str]:
    from lxml import etree  # ty: ignore[missing-module-member]

    try:
        root = etree.fromstring(index.read_bytes(), etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        message = f"'{_files.location(index)}' is no XML ({error}). Delete it and publish again."
        raise StopRun(message) from error
    return [loc.text.rpartition("/")[2] for loc in root.iterfind(".//{*}loc")]


def _root(element: str, more: str = "") -> tuple[bytes, bytes]:
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{element} {_NAMESPACE}{more}>\n'
    return head.encode(), f"</{element}>\n".encode()


def urls_in(sitemap: Sitemap, name: str) -> int:
    """Read one file back and return how many URLs it has.

    Raises:
        StopRun: where it is not what was published.
    """
    path = sitemap.base / name
    where = _files.location(path)
    try:
        stored = path.read_bytes()
        content = zlib.decompress(stored, wbits=_GZIP) if name.endswith(".gz") else stored
    except (OSError, zlib.error) as error:
        message = f"'{where}' cannot be read. Delete '{sitemap.index.name}', and publish again."
        raise StopRun(message) from error
    if sha256(content).hexdigest()[:12] != name.split(".", maxsplit=1)[0].rpartition("-")[2]:
        message = f"'{where}' is not what was published. Delete it, and publish again."
        raise StopRun(message)
    return content.count(b"<url>")
