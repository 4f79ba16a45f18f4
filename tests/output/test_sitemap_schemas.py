"""Sitemaps, held against the schemas of sitemaps.org themselves.

They are fetched with a Java library that brings them, since their licence is not known. They want
a schema of whatever is no part of the protocol, so that of images is here, in our own words.
"""

import gzip
import os
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from lxml import etree  # ty: ignore[missing-module-member]
from servers._maven import Artifact
from servers._process import MissingServerError

from collectionflow.output import SitemapTarget
from collectionflow.output._target import Terms

_LIBRARY = Artifact(
    path="com/github/dfabulich/sitemapgen4j/1.1.2/sitemapgen4j-1.1.2.jar",
    sha256="e927447c8520ee131bba774d72165c26929b60f2cb86647ec48a297018be9fe6",
)
_FOLDER = "com/redfin/sitemapgenerator"
_PAGES_WITH_IMAGES = """
<schema xmlns="http://www.w3.org/2001/XMLSchema">
  <import namespace="http://www.sitemaps.org/schemas/sitemap/0.9" schemaLocation="sitemap.xsd"/>
  <import namespace="http://www.google.com/schemas/sitemap-image/1.1" schemaLocation="image.xsd"/>
</schema>"""
_IMAGE = """
<schema xmlns="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified"
    targetNamespace="http://www.google.com/schemas/sitemap-image/1.1">
  <element name="image"><complexType><sequence>
    <element name="loc" type="anyURI"/>
  </sequence></complexType></element>
</schema>"""


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, etree.XMLSchema]:
    """The schemas, by the name of the root element that they are for."""
    folder = tmp_path_factory.mktemp("schemas")
    try:
        library = _LIBRARY.fetched()
    except MissingServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    with zipfile.ZipFile(library) as packed:
        for name in ("sitemap.xsd", "siteindex.xsd"):
            (folder / name).write_bytes(packed.read(f"{_FOLDER}/{name}"))
    (folder / "image.xsd").write_text(_IMAGE, encoding="utf-8")
    (folder / "pages.xsd").write_text(_PAGES_WITH_IMAGES, encoding="utf-8")
    found = {"urlset": "pages.xsd", "sitemapindex": "siteindex.xsd"}
    return {name: etree.XMLSchema(file=str(folder / file)) for name, file in found.items()}


def roots(folder: Path) -> list[etree._Element]:
    """Return what all files of a publication hold."""
    packed = [gzip.decompress(path.read_bytes()) for path in folder.glob("*.gz")]
    plain = [path.read_bytes() for path in folder.glob("*.xml")]
    return [etree.fromstring(each) for each in packed + plain]


@pytest.mark.parametrize("is_packed", [True, False])
def test_all_files_are_valid(
    schemas: dict[str, etree.XMLSchema], tmp_path: Path, *, is_packed: bool
) -> None:
    numbers = range(60_001)
    frame = pl.LazyFrame(
        {
            "loc": [f"https://example.org/objects/{each}/ü & <é>?a=1&b='x'" for each in numbers],
            "lastmod": [datetime(2026, 1, 1 + each % 28, 12, 30, tzinfo=UTC) for each in numbers],
            "images": [[f"https://example.org/{each}&.jpg"] * (each % 3) for each in numbers],
        }
    )
    target = SitemapTarget(
        directory=str(tmp_path), base_url="https://example.org/", is_gzip=is_packed
    )
    target.publish_on_terms("objects", frame, Terms())
    days = frame.with_columns(pl.lit(date(2026, 1, 1)).alias("lastmod")).head(3)
    target.publish_on_terms("days", days, Terms())
    found = roots(tmp_path)
    for root in found:
        schemas[etree.QName(root).localname].assertValid(root)
    assert sum(len(root) for root in found if etree.QName(root).localname == "urlset") == 60_004


def test_the_schemas_find_what_is_wrong(schemas: dict[str, etree.XMLSchema]) -> None:
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    root = etree.fromstring(f'<urlset xmlns="{space}"><url><lastmod>soon</lastmod></url></urlset>')
    assert not schemas["urlset"].validate(root)
