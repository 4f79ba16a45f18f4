"""XML files that are packed, several at once, or on a web server."""

import gzip
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import pandera.polars as pa
import pytest
from servers.web import Request, Response, serve

from collectionflow import Frame, SourceError
from collectionflow.harvest import BearerToken, TableSource, _archive
from collectionflow.harvest.xml import XmlRecords, XmlSource

GOOD = b"<r><a>1</a><a>2</a></r>"
LARGE = b"<r>" + b"".join(b"<a>%d</a>" % n for n in range(40_000)) + b"</r>"


class Objects(pa.DataFrameModel):
    value: str


def source(directory: object, name: str | None = None, **options: Any) -> XmlSource:
    return XmlSource(
        directory=str(directory),
        files={"objects": name} if name else {},
        records={"objects": XmlRecords(path="/r/a", fields={"value": "."})},
        **options,
    )


def values(directory: object, name: str | None = None, **options: Any) -> list[str]:
    frame = source(directory, name, **options).harvest("objects", Objects)
    return frame.collect()["value"].to_list()


def zipped(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"export/{name}.xml", content)


def test_a_file_packed_with_gzip_is_read(tmp_path: Path) -> None:
    (tmp_path / "objects.xml.gz").write_bytes(gzip.compress(LARGE))
    assert values(tmp_path) == [str(n) for n in range(40_000)]


def test_a_member_of_an_archive_is_read(tmp_path: Path) -> None:
    zipped(tmp_path / "objects.zip", one=GOOD)
    zipped(tmp_path / "all.zip", one=GOOD, two=b"<r><a>3</a></r>", other=b"<other/>")
    assert values(tmp_path) == ["1", "2"]
    assert values(tmp_path, "all.zip!two.xml") == ["3"]
    assert values(tmp_path, "all.zip!export/*o*.xml") == ["1", "2", "3"]
    with pytest.raises(SourceError, match=r"Say which one in `files`: 'archive.zip!name.xml'"):
        values(tmp_path, "all.zip")


def test_files_may_lie_in_a_folder_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "lido").mkdir()
    (tmp_path / "lido" / "b.xml.gz").write_bytes(gzip.compress(GOOD))
    (tmp_path / "lido" / "a.xml").write_bytes(b"<r><a>0</a></r>")
    assert values(tmp_path, "lido/*") == ["0", "1", "2"]


@pytest.mark.parametrize("name", ["/etc/x.xml", "../x.xml", "a/../../x.xml", "./x.xml"])
def test_a_name_leads_out_of_no_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=f"'{name}' does not lie in the folder of the source"):
        values(tmp_path, name)


def test_a_file_that_is_named_may_end_in_anything(tmp_path: Path) -> None:
    (tmp_path / "terms.rdf").write_bytes(GOOD)
    (tmp_path / "objects.csv").write_bytes(b"value\n1\n")
    assert values(tmp_path, "terms.rdf") == ["1", "2"]
    with pytest.raises(SourceError, match=r"no table 'objects'. There is: nothing"):
        values(tmp_path)


@pytest.mark.parametrize("name", ["objects.xml.gz", "objects.zip"])
def test_what_unpacks_without_end_stops(tmp_path: Path, name: str) -> None:
    bomb = b"<r>" + b"<a>1</a>" * 250_000 + b"</r>"
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(bomb))
    else:
        zipped(tmp_path / name, one=bomb)
    with (
        patch.object(_archive, "MIN_BOMB_BYTES", 1 << 20),
        pytest.raises(SourceError, match=r"unpacks to more than 250 times its"),
    ):
        values(tmp_path)


def test_a_packed_file_that_was_cut_off_stops(tmp_path: Path) -> None:
    (tmp_path / "objects.xml.gz").write_bytes(gzip.compress(LARGE)[:-20])
    with pytest.raises(SourceError, match=r"'objects.xml.gz' is damaged or was cut off"):
        values(tmp_path)


def answer(request: Request) -> Response:
    """Answer as a web server does, which knows of Range."""
    content = {"/x/a.xml": LARGE, "/x/a.xml.gz": gzip.compress(LARGE, mtime=0)}.get(request.path)
    if content is None:
        return Response(status=404)
    headers = {"ETag": '"one"'}
    found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if not found:
        return Response(body=content, headers=headers)
    start, size = int(found[1]), len(content)
    headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    return Response(body=content[start:], status=206, headers=headers)


@pytest.mark.parametrize("name", ["a.xml", "x/a.xml", "a.xml.gz"])
def test_a_file_on_a_web_server_is_fetched_by_its_name(name: str) -> None:
    *folders, _ = name.split("/")
    with serve(answer) as site:
        directory = site.url if folders else f"{site.url}/x/"
        assert len(values(directory, name)) == 40_000
        assert [request.path for request in site.requests] == [f"/x/{name.rpartition('/')[2]}"]


def test_a_transfer_that_dies_goes_on_where_it_stopped() -> None:
    cuts = [100_000, 50_000]

    def dying(request: Request) -> Response:
        response = answer(request)
        return replace(response, cut_after=cuts.pop(0)) if cuts else response

    with serve(dying) as site:
        frame = source(f"{site.url}/x", "a.xml").harvest("objects", Objects)
        assert frame.head(3).collect()["value"].to_list() == ["0", "1", "2"]
        asked = [request.headers.get("range") for request in site.requests]
        assert asked == [None, "bytes=100000-", "bytes=150000-"]
        assert frame.collect().height == frame.collect().height == 40_000


def test_what_a_web_server_does_not_have_is_told() -> None:
    with serve(answer) as site:
        with pytest.raises(SourceError, match=r"/x/b.xml'.*404"):
            values(f"{site.url}/x", "b.xml")
        with pytest.raises(SourceError, match=r"name ends in .xml or .zip; .* packed: .xml.gz"):
            values(f"{site.url}/x")


def test_a_web_server_learns_who_asks() -> None:
    with serve(answer) as site:
        values(f"{site.url}/x", "a.xml", credentials=BearerToken(token="secret"))
        assert site.requests[0].headers["authorization"] == "Bearer secret"


def test_a_damaged_file_from_elsewhere_is_not_kept(run: Any) -> None:
    bodies = [LARGE[:-10], GOOD]

    @dg.asset
    def objects(exports: TableSource) -> Frame[Objects]:
        return exports.harvest("objects", Objects)

    def mended(_request: Request) -> Response:
        return Response(body=bodies.pop(0), headers={"ETag": '"one"'})

    with serve(mended) as site:
        exports = source(f"{site.url}/x", "a.xml")
        first = run(objects, resources={"exports": exports})
        assert "'a.xml' is no well-formed XML at line 1" in first.reason()
        made = run(objects, resources={"exports": exports})
    assert made.stored("objects").rows() == [("1",), ("2",)]
    assert made.metadata("objects")["source"].startswith("a.xml (XML; 23 bytes, ")
