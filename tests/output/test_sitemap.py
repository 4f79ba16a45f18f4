"""Sitemaps, read back by another parser than wrote them, and held against the protocol's schema."""

import gzip
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dagster as dg
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree  # ty: ignore[missing-module-member]
from upath import UPath

from collectionflow.errors import Refused, StopRun
from collectionflow.output import SitemapTarget, _sitemap_files
from collectionflow.output._sitemap_files import Sitemap, index_files, urlsets
from collectionflow.output._target import Terms
from collectionflow.output._web_address import as_url, origin_of

SPACES = {
    "s": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "image": "http://www.google.com/schemas/sitemap-image/1.1",
}
# What https://www.sitemaps.org/protocol.html asks of both kinds of files, in our own words;
# test_sitemap_schemas.py has the official ones.
SCHEMA = etree.XMLSchema(
    etree.fromstring("""
<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified"
    targetNamespace="http://www.sitemaps.org/schemas/sitemap/0.9"
    xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
  <xsd:simpleType name="address"><xsd:restriction base="xsd:anyURI">
    <xsd:minLength value="12"/><xsd:maxLength value="2047"/>
    <xsd:pattern value="[A-Za-z]+://[!-~]+"/>
  </xsd:restriction></xsd:simpleType>
  <xsd:simpleType name="moment"><xsd:union memberTypes="xsd:date xsd:dateTime"/></xsd:simpleType>
  <xsd:element name="urlset"><xsd:complexType><xsd:sequence>
    <xsd:element name="url" minOccurs="0" maxOccurs="50000"><xsd:complexType><xsd:sequence>
      <xsd:element name="loc" type="address"/>
      <xsd:element name="lastmod" type="moment" minOccurs="0"/>
      <xsd:any namespace="##other" minOccurs="0" maxOccurs="1000" processContents="skip"/>
    </xsd:sequence></xsd:complexType></xsd:element>
  </xsd:sequence></xsd:complexType></xsd:element>
  <xsd:element name="sitemapindex"><xsd:complexType><xsd:sequence>
    <xsd:element name="sitemap" maxOccurs="50000"><xsd:complexType><xsd:sequence>
      <xsd:element name="loc" type="address"/>
      <xsd:element name="lastmod" type="moment" minOccurs="0"/>
    </xsd:sequence></xsd:complexType></xsd:element>
  </xsd:sequence></xsd:complexType></xsd:element>
</xsd:schema>""")
)
SITE = "https://example.org"


def publish(folder: Path, frame: pl.LazyFrame, terms: Terms | None = None, **options: Any) -> Any:
    options = {"base_url": f"{SITE}/"} | options
    target = SitemapTarget(directory=str(folder), **options)
    return target.publish_on_terms("objects", frame, terms or Terms())


def pages(*locations: str | None) -> pl.LazyFrame:
    return pl.LazyFrame({"loc": locations}, schema={"loc": pl.String})


def parsed(path: Path) -> Any:
    """Return a file's root; it must be valid."""
    content = path.read_bytes()
    root = etree.fromstring(gzip.decompress(content) if path.suffix == ".gz" else content)
    SCHEMA.assertValid(root)
    return root


def texts(path: Path, element: str) -> list[str]:
    return [found.text for found in parsed(path).iterfind(f".//{element}", SPACES)]


def files(folder: Path, name: str = "objects") -> list[Path]:
    """Return the files that an index names, in its order."""
    return [
        folder / address.removeprefix(f"{SITE}/")
        for address in texts(folder / f"{name}.xml", "s:loc")
    ]


def locations(folder: Path) -> list[str]:
    return [text for file in files(folder) for text in texts(file, "s:loc")]


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_addresses_dates_and_images_are_read_back(tmp_path: Path) -> None:
    frame = pl.LazyFrame(
        {
            "loc": [f"{SITE}/a?b=1&c='<>\"", f"{SITE}/é ü/%C3%A9/100%"],
            "lastmod": [date(2026, 11, 24), None],
            "images": [[f"{SITE}/a&b.jpg", "https://cdn.example/ö.jpg"], None],
        }
    )
    metadata = publish(tmp_path, frame)
    (file,) = files(tmp_path)
    assert texts(file, "s:loc") == [
        f"{SITE}/a?b=1&c='%3C%3E%22",
        f"{SITE}/%C3%A9%20%C3%BC/%C3%A9/100%25",
    ]
    assert texts(file, "s:lastmod") == ["2026-11-24"]
    assert texts(file, "image:image/image:loc") == [
        f"{SITE}/a&b.jpg",
        "https://cdn.example/%C3%B6.jpg",
    ]
    assert b"b=1&amp;c=&apos;" in file.read_bytes()
    assert metadata["files"] == 1
    assert metadata["sitemap"].value == f"{SITE}/objects.xml"
    assert metadata["path"].value == str(tmp_path / "objects.xml")
    assert SitemapTarget(directory=str(tmp_path), base_url=SITE).count("objects") == 2


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([date(2024, 5, 17)], pl.Date, "2024-05-17"),
        ([datetime(2024, 5, 17, 9, 30, 1, 5)], pl.Datetime, "2024-05-17"),
        ([datetime(2024, 5, 17, 9, 30, tzinfo=UTC)], pl.Datetime("us", "UTC"), "2024-05-17T09:30:00+00:00"),
        ([datetime(2024, 5, 17, 9, 30, tzinfo=UTC)], pl.Datetime("ms", "Europe/Paris"), "2024-05-17T11:30:00+02:00"),
        (["2024-05-17"], pl.String, "2024-05-17"),
        (["2024-05-17T09:30:00Z"], pl.String, "2024-05-17T09:30:00Z"),
        (["2024-05-17T09:30:00.5-05:00"], pl.String, "2024-05-17T09:30:00.5-05:00"),
    ],
)  # fmt: skip
def test_a_moment_is_as_w3c_has_it(
    tmp_path: Path, values: list[Any], dtype: Any, expected: str
) -> None:
    publish(tmp_path, pl.LazyFrame({"loc": [SITE], "lastmod": pl.Series(values, dtype=dtype)}))
    assert texts(files(tmp_path)[0], "s:lastmod") == [expected]


@pytest.mark.parametrize(
    "text", ["", "May 2024", "2024", "2024-02-30", "2024-05-17T25:00:00Z", "2024-05-17 09:30"]
)
def test_what_is_no_date_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused, match="a lastmod that is no date"):
        publish(tmp_path, pl.LazyFrame({"loc": [SITE], "lastmod": [text]}))
    year_12000 = pl.Series([10_030 * 365]).cast(pl.Date)
    with pytest.raises(Refused, match="a lastmod that is no date"):
        publish(tmp_path, pl.LazyFrame({"loc": [SITE], "lastmod": year_12000}))


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        (None, "no absolute address"),
        ("", "no absolute address"),
        ("/objects/1", "no absolute address"),
        ("ftp://example.org/1", "no absolute address"),
        ("https:///1", "no absolute address"),
        (f"{SITE}/a\nb", "no absolute address"),
        (f"{SITE}/a\x01b", "no absolute address"),
        (f"{SITE}/" + "x" * 2_028, "no absolute address"),
        ("https://who:secret@example.org/1", "no absolute address"),
        ("https://müseum.example/1", "no absolute address"),
        ("https://example.com/1", "an address of another host"),
        ("https://example.org.evil.example/1", "an address of another host"),
        ("http://example.org/1", "an address of another host"),
        ("https://example.org:8443/1", "an address of another host"),
    ],
)
def test_an_address_that_has_no_place_stops_the_sitemap(
    tmp_path: Path, location: str | None, problem: str
) -> None:
    publish(tmp_path, pages(f"{SITE}/1"))
    before = listing(tmp_path)
    with pytest.raises(Refused) as refused:
        publish(tmp_path, pages(f"{SITE}/2", location))
    message = str(refused.value.description)
    assert message.startswith("1 of 2 pages of 'objects' have no place in a sitemap.")
    assert f"| {problem} " in message
    assert listing(tmp_path) == before
    assert list((tmp_path / ".collectionflow" / "partial").iterdir()) == []


def test_what_may_be_secret_in_an_address_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        publish(tmp_path, pages("https://who:hidden@example.org/1?token=hidden"))
    assert "hidden" not in str(refused.value.description)
    assert "https://…@example.org/1?…" in str(refused.value.description)


def test_the_longest_address_that_is_allowed(tmp_path: Path) -> None:
    longest = f"{SITE}/" + "x" * (2_047 - len(f"{SITE}/"))
    publish(tmp_path, pages(longest, "HTTPS://Example.ORG/1", f"{SITE}?q", SITE))
    assert locations(tmp_path)[0] == longest


def test_other_hosts_where_that_is_said(tmp_path: Path) -> None:
    publish(tmp_path, pages(f"{SITE}/1", "https://example.com/1"), allows_other_hosts=True)
    assert locations(tmp_path) == [f"{SITE}/1", "https://example.com/1"]


def test_an_international_host_is_written_in_punycode(tmp_path: Path) -> None:
    both = pages(
        "https://müseum.example/1", "https://xn--mseum-kva.example/2", "https://MÜSEUM.example/ü"
    )
    metadata = publish(tmp_path, both, base_url="https://müseum.example/karte ä/")
    host = "https://xn--mseum-kva.example"
    (address,) = texts(tmp_path / "objects.xml", "s:loc")
    assert address.startswith(f"{host}/karte%20%C3%A4/objects-1-")
    file = tmp_path / address.rpartition("/")[2]
    assert texts(file, "s:loc") == [f"{host}/1", f"{host}/2", f"{host}/%C3%BC"]
    assert metadata["sitemap"].value == f"{host}/karte%20%C3%A4/objects.xml"
    with pytest.raises(Refused, match="an address of another host"):
        publish(tmp_path, pages("https://müseum.example.evil/"), base_url="https://müseum.example")


@pytest.mark.parametrize(
    "base_url", ["example.org", "ftp://example.org", "https://", "https://a:hidden@example.org"]
)
def test_a_base_url_of_no_use_is_told(tmp_path: Path, base_url: str) -> None:
    with pytest.raises(StopRun, match="The base_url of the sitemap 'objects' is of no use") as stop:
        publish(tmp_path, pages(SITE), base_url=base_url)
    assert "hidden" not in str(stop.value.description)
    assert origin_of("http://Example.org:8080/x") == "http://example.org:8080"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_path_becomes_a_url_that_means_the_same(path: str) -> None:
    (url,) = pl.DataFrame({"loc": [f"{SITE}/{path}"]}).select(as_url(pl.col("loc"))).to_series()
    if re.search(r"[\x00-\x1f\x7f]", path):
        assert url is None
        return
    assert re.fullmatch("[!-~]+", url)
    assert unquote(url) == unquote(f"{SITE}/{path}")
    assert urlsplit(url).netloc == "example.org"
    (again,) = pl.DataFrame({"loc": [url]}).select(as_url(pl.col("loc"))).to_series()
    assert again == url, "What is encoded is not encoded again."


def test_images_may_be_structs(tmp_path: Path) -> None:
    images = [[{"loc": f"{SITE}/1.jpg", "rights": "CC0"}, None], []]
    publish(tmp_path, pl.LazyFrame({"loc": [f"{SITE}/1", f"{SITE}/2"], "images": images}))
    assert texts(files(tmp_path)[0], "image:image/image:loc") == [f"{SITE}/1.jpg"]


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ([[f"{SITE}/1.jpg", "2.jpg"]], "an image without absolute address"),
        ([[f"{SITE}/1.jpg"] * 1_001], "more than 1,000 images"),
    ],
)
def test_bad_images_are_refused(tmp_path: Path, images: Any, problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        publish(tmp_path, pl.LazyFrame({"loc": [SITE], "images": images}))


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"url": [SITE]}, r"a column 'loc' of text\. There are: 'url' \(String\)"),
        ({"loc": [1]}, r"There are: 'loc' \(Int64\)"),
        ({"loc": [SITE], "lastmod": [1]}, "Column 'lastmod' is Int64"),
        ({"loc": [SITE], "images": [SITE]}, "Column 'images' is String"),
        ({"loc": [SITE], "images": [[1]]}, r"Column 'images' is List\(Int64\)"),
        ({"loc": [SITE], "images": [[{"url": SITE}]]}, "structs with an address 'loc'"),
    ],
)
def test_columns_of_no_use_stop_the_sitemap(tmp_path: Path, frame: Any, said: str) -> None:
    with pytest.raises(StopRun, match=said):
        publish(tmp_path, pl.LazyFrame(frame))


def test_a_column_that_a_sitemap_has_no_place_for_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    frame = pl.LazyFrame({"loc": [SITE], "last_mod": ["2024-05-17"]})
    publish(tmp_path, frame, Terms(warn=told.append))
    assert told == ["'objects': a sitemap has no place for 'last_mod'."]


def test_a_file_holds_50_000_urls(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"n": range(100_001)})
    publish(tmp_path, frame.select(loc=pl.format(f"{SITE}/{{}}", "n")))
    assert [len(texts(file, "s:loc")) for file in files(tmp_path)] == [50_000, 50_000, 1]
    assert locations(tmp_path) == [f"{SITE}/{number}" for number in range(100_001)]


def test_a_file_holds_50_mebibytes() -> None:
    element = f"<url><loc>{SITE}/{'x' * 2_000}</loc></url>\n"
    batches = [pl.Series([element] * 30_000), pl.Series([element] * 10)]
    found = list(urlsets(batches, has_images=False))
    assert [50 * 2**20 - len(element) < len(each) <= 50 * 2**20 for each in found] == [True, False]
    assert sum(each.count(b"<url>") for each in found) == 30_010


@settings(deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(0, 30), max_size=12), max_size=6),
    most=st.integers(1, 5),
    room=st.integers(60, 200),
)
def test_entries_fill_files_in_order_however_they_arrive(
    batches: list[list[int]], most: int, room: int
) -> None:
    elements = [[f"<{'x' * length}>\n" for length in batch] for batch in batches]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sitemap_files, "URLS_A_FILE", most)
        series = [pl.Series(batch, dtype=pl.String) for batch in elements]
        parts = [b"".join(each) for each in _sitemap_files._parts(series, room)]
    flat = [element for batch in elements for element in batch]
    assert b"".join(parts).decode() == "".join(flat)
    assert all(len(part) <= room and part.count(b"\n") <= most for part in parts)
    assert len(parts) >= 1
    assert all(parts[:-1])


def test_an_index_goes_on_where_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sitemap_files, "FILES_AN_INDEX", 2)
    monkeypatch.setattr(_sitemap_files, "URLS_A_FILE", 1)
    target = SitemapTarget(directory=str(tmp_path), base_url=SITE)
    publish(tmp_path, pages(*(f"{SITE}/{number}" for number in range(5))))
    assert [
        len(texts(tmp_path / f"objects{each}.xml", "s:loc"))
        for each in ("", "-index-2", "-index-3")
    ] == [2, 2, 1]
    assert target.count("objects") == 5
    publish(tmp_path, pages(*(f"{SITE}/{number}" for number in range(4))), Terms(warn=print))
    assert not (tmp_path / "objects-index-3.xml").exists()
    assert target.count("objects") == 4
    sitemap = Sitemap(base=UPath(tmp_path), name="objects", url=SITE)
    assert [name for name, _ in index_files(sitemap, ["1", "2", "3"])] == [
        "objects.xml",
        "objects-index-2.xml",
    ]


@pytest.mark.parametrize("is_gzip", [False, True])
def test_the_same_pages_give_the_same_files_untouched(tmp_path: Path, is_gzip: bool) -> None:
    def identities() -> dict[str, tuple[int, bytes]]:
        return {path.name: (path.stat().st_ino, path.read_bytes()) for path in files(tmp_path)}

    publish(tmp_path, pages(f"{SITE}/1"), is_gzip=is_gzip)
    before = identities()
    publish(tmp_path, pages(f"{SITE}/1"), is_gzip=is_gzip)
    assert identities() == before
    assert locations(tmp_path) == [f"{SITE}/1"]


def test_files_of_the_sitemap_before_stay_once_and_others_always(tmp_path: Path) -> None:
    SitemapTarget(directory=str(tmp_path), base_url=SITE).publish("objects_1", pages(f"{SITE}/2"))
    (tmp_path / "objects-1-mine.xml").write_text("mine")
    publish(tmp_path, pages(f"{SITE}/1"))
    first = files(tmp_path)[0]
    publish(tmp_path, pages(f"{SITE}/2"))
    assert first.exists(), "A crawler may still be at it."
    publish(tmp_path, pages(f"{SITE}/3"))
    assert not first.exists()
    assert files(tmp_path, "objects_1")[0].exists()
    assert (tmp_path / "objects-1-mine.xml").exists()


def test_no_pages_are_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="'objects' has no documents"):
        publish(tmp_path, pages())
    publish(tmp_path, pages(), Terms(is_drop_allowed=True))
    assert locations(tmp_path) == []


def test_the_drop_guard_counts_what_is_published(tmp_path: Path) -> None:
    publish(tmp_path, pages(*(f"{SITE}/{number}" for number in range(10))))
    with pytest.raises(Refused, match="Rows fell from 10 to 6"):
        publish(tmp_path, pages(*(f"{SITE}/{number}" for number in range(6))))
    assert len(locations(tmp_path)) == 10


@pytest.mark.parametrize("is_gzip", [False, True])
def test_what_someone_has_changed_is_told_and_then_mended(tmp_path: Path, is_gzip: bool) -> None:
    target = SitemapTarget(directory=str(tmp_path), base_url=SITE, is_gzip=is_gzip)
    with pytest.raises(StopRun, match="'objects' has not been published"):
        target.count("objects")
    publish(tmp_path, pages(f"{SITE}/1"), is_gzip=is_gzip)
    (file,) = files(tmp_path)
    file.write_bytes(gzip.compress(b"<urlset/>") if is_gzip else b"<urlset/>")
    with pytest.raises(StopRun, match="is not what was published"):
        target.count("objects")
    told: list[str] = []
    publish(tmp_path, pages(f"{SITE}/2"), Terms(warn=told.append), is_gzip=is_gzip)
    assert "compared with nothing" in told[0]
    files(tmp_path)[0].unlink()
    with pytest.raises(StopRun, match="cannot be read"):
        target.count("objects")
    (tmp_path / "objects.xml").write_text("<")
    with pytest.raises(StopRun, match="is no XML"):
        target.count("objects")


def test_a_frame_that_fails_leaves_what_was_published(tmp_path: Path) -> None:
    def explode(_batch: pl.DataFrame) -> pl.DataFrame:
        message = "no"
        raise ValueError(message)

    publish(tmp_path, pages(f"{SITE}/1"))
    before = listing(tmp_path)
    with pytest.raises(ValueError, match="no"):
        publish(tmp_path, pages(f"{SITE}/2").map_batches(explode, streamable=True))
    assert listing(tmp_path) == before


def test_an_asset_is_a_sitemap(tmp_path: Path) -> None:
    @dg.asset(io_manager_key="sitemap")
    def objects() -> pl.LazyFrame:
        return pages(f"{SITE}/1")

    target = SitemapTarget(directory=str(tmp_path), base_url=SITE)
    result = dg.materialize([objects], resources={"sitemap": target})
    (event,) = result.asset_materializations_for_node("objects")
    assert event.metadata["sitemap"].value == f"{SITE}/objects.xml"
    target.publish("plain", pages(f"{SITE}/1"))
    assert target.count("plain") == 1
