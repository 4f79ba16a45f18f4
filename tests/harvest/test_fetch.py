"""Files on a web server: fetched whole, taken up where a transfer died, and never half."""

import gzip
import io
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from servers.web import Request, Response, serve

from collectionflow import Frame, SourceError, SourceUnavailable
from collectionflow.harvest import BearerToken, FolderSource, TableSource
from collectionflow.harvest._fetch import Downloads, Partial, Version
from collectionflow.harvest._retry import TransientError
from collectionflow.harvest._web_folder import WebFolder
from collectionflow.notes import Notes


class Objects(pa.DataFrameModel):
    id: str
    title: str


CSV = b"id,title\n" + b"".join(b"%d,Title %d\n" % (n, n) for n in range(20_000))
SECRET = "hidden/from+everyone"  # noqa: S105 (a test's own)


@dataclass
class Files:
    """Answers as a web server with these files does, Range and conditions included."""

    content: bytes = CSV
    etag: str | None = '"one"'
    modified: str | None = None
    has_ranges: bool = True
    cuts: list[int] = field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        headers = {"ETag": self.etag, "Last-Modified": self.modified}
        headers = {name: value for name, value in headers.items() if value}
        tags = (self.etag, self.modified)
        asked = request.headers.get("if-none-match") or request.headers.get("if-modified-since")
        if asked and asked in tags:
            return Response(status=304, headers=headers)
        response = Response(body=self.content, headers=headers)
        found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if self.has_ranges and found and request.headers.get("if-range") in tags:
            start = int(found[1])
            size = len(self.content)
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
            response = Response(body=self.content[start:], status=206, headers=headers)
        return replace(response, cut_after=self.cuts.pop(0)) if self.cuts else response


def source(url: str, name: str = "objects.csv", **options: object) -> FolderSource:
    return FolderSource(directory=f"{url}/exports/", files={"objects": name}, **options)


def rows(url: str, name: str = "objects.csv", **options: object) -> int:
    frame = source(url, name, **options).harvest("objects", Objects)
    return frame.collect().height


def ranges(requests: list[Request]) -> list[str | None]:
    return [request.headers.get("range") for request in requests]


def test_a_file_is_fetched_by_its_name() -> None:
    with serve(Files()) as site:
        assert rows(site.url) == 20_000
        assert [request.path for request in site.requests] == ["/exports/objects.csv"]


def test_a_name_is_written_as_a_url_needs_it() -> None:
    with serve(Files()) as site:
        rows(site.url, "TMS objects? [2024].csv")
        assert site.requests[0].path == "/exports/TMS%20objects%3F%20%5B2024%5D.csv"


def test_a_frame_may_run_more_than_once() -> None:
    with serve(Files()) as site:
        frame = source(site.url).harvest("objects", Objects)
        assert frame.collect().height == frame.collect().height == 20_000
        assert frame.head(3).collect().height == 3


def test_a_transfer_that_dies_goes_on_where_it_stopped() -> None:
    with serve(Files(cuts=[100_000, 50_000])) as site:
        assert rows(site.url) == 20_000
        assert ranges(site.requests) == [None, "bytes=100000-", "bytes=150000-"]
        assert {each.headers.get("if-range") for each in site.requests[1:]} == {'"one"'}


def test_each_step_forward_is_worth_another_attempt() -> None:
    cuts = [len(CSV) // 25] * 24
    with serve(Files(cuts=cuts)) as site:
        assert rows(site.url) == 20_000
        assert len(site.requests) == 25


def test_without_ranges_a_transfer_starts_anew() -> None:
    with serve(Files(has_ranges=False, cuts=[100_000])) as site:
        assert rows(site.url) == 20_000
        assert ranges(site.requests) == [None, "bytes=100000-"]


def test_without_a_tag_a_transfer_starts_anew() -> None:
    with serve(Files(etag=None, cuts=[100_000])) as site:
        assert rows(site.url) == 20_000
        assert ranges(site.requests) == [None, None]


def test_a_weak_tag_is_no_reason_to_go_on_but_a_time_is() -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    with serve(Files(etag='W/"one"', modified=date, cuts=[100_000])) as site:
        assert rows(site.url) == 20_000
        assert site.requests[1].headers["if-range"] == date


def test_a_transfer_that_never_gets_further_ends() -> None:
    files = Files(has_ranges=False, cuts=[100_000] * 100)
    with serve(files) as site:
        with pytest.raises(
            SourceUnavailable, match=r"/exports/objects.csv' does not answer in full"
        ):
            source(site.url).harvest("objects", Objects)
        assert len(site.requests) == 9  # Once further, then eight times not.


def test_a_file_that_changes_on_the_way_is_fetched_anew() -> None:
    files = Files(cuts=[100_000])
    changed = CSV.replace(b"Title", b"Titel")

    def answer(request: Request) -> Response:
        response = files(request)
        files.content, files.etag = changed, '"two"'
        return response

    with serve(answer) as site:
        frame = source(site.url).harvest("objects", Objects).collect()
    assert frame["title"].to_list() == [f"Titel {n}" for n in range(20_000)]


@pytest.mark.parametrize("wrong", ["bytes 7-9/10", "bytes 100000-1/7", "", None])
def test_another_part_than_was_asked_for_is_not_taken(wrong: str | None) -> None:
    files = Files(cuts=[100_000])

    def answer(request: Request) -> Response:
        response = files(request)
        if response.status != 206:
            return response
        headers = {name: value for name, value in response.headers.items() if name == "ETag"}
        return replace(
            response, headers=headers | ({"Content-Range": wrong} if wrong is not None else {})
        )

    with serve(answer) as site:
        assert rows(site.url) == 20_000
        assert ranges(site.requests) == [None, "bytes=100000-", None]


def test_a_body_that_is_shorter_than_its_length_is_not_taken() -> None:
    with (
        serve(Files(cuts=[len(CSV) - 1] * 20, has_ranges=False)) as site,
        pytest.raises(SourceUnavailable, match=r"does not answer in full"),
    ):
        source(site.url).harvest("objects", Objects)


@pytest.mark.parametrize("name", ["objects.csv", "objects.csv.gz"])
def test_a_body_that_is_packed_for_the_way_is_unpacked_once(name: str) -> None:
    def answer(_request: Request) -> Response:
        headers = {"Content-Encoding": "gzip", "ETag": '"one"'}
        return Response(body=gzip.compress(CSV), headers=headers)

    with serve(answer) as site:
        assert rows(site.url, name) == 20_000


def test_workbooks_and_archives_are_fetched_as_well() -> None:
    content = io.BytesIO()
    pl.DataFrame({"id": ["1"], "title": ["a"]}).write_parquet(content)
    with serve(Files(content=content.getvalue())) as site:
        assert rows(site.url, "objects.parquet") == 1


def test_a_missing_file_stops() -> None:
    with (
        serve(lambda _: Response(status=404, body=b"not here")) as site,
        pytest.raises(SourceError, match=r"/exports/objects.csv' answered 404"),
    ):
        source(site.url).harvest("objects", Objects)


def test_a_web_server_has_no_listing() -> None:
    with serve(Files()) as site:
        with pytest.raises(
            SourceError, match=r"'objects' in '.*' is of a kind that is not read here"
        ):
            source(site.url, "objects").harvest("objects", Objects)
        with pytest.raises(SourceError, match=r"is not the name of a file"):
            source(site.url, "../objects.csv").harvest("objects", Objects)
        assert site.requests == []


def test_a_directory_with_a_query_is_refused_without_showing_it() -> None:
    folder = FolderSource(directory=f"https://example.org/exports?token={SECRET}")
    with pytest.raises(SourceError, match=r"has a query") as error:
        folder.harvest("objects", Objects)
    assert SECRET not in str(error.value)


Runner = Callable[..., "object"]


def asset_of() -> dg.AssetsDefinition:
    @dg.asset
    def objects(tms: TableSource) -> Frame[Objects]:
        return tms.harvest("objects", Objects)

    return objects


def test_a_run_leaves_nothing_behind_and_shows_no_secret(run: Callable[..., object]) -> None:
    with serve(Files()) as site:
        url = site.url.replace("http://", f"http://user:{SECRET.replace('/', '')}@")
        tms = source(url, credentials=BearerToken(token=SECRET))
        result = run(asset_of(), resources={"tms": tms})
        assert site.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert result.is_success
    assert len(result.stored("objects")) == 20_000
    assert list((result.folder / ".collectionflow" / "harvest").rglob("*.part*")) == []
    told = str(result.metadata("objects"))
    assert (
        f"objects.csv (CSV, utf-8, ',' between cells, LF line ends; {len(CSV) / 1000:.1f} kB"
        in told
    )
    assert SECRET not in told
    assert SECRET.replace("/", "") not in told


def test_a_file_that_cannot_be_used_is_not_kept(run: Callable[..., object]) -> None:
    with serve(Files(content=b"id,title\n1\n")) as site:
        result = run(asset_of(), resources={"tms": source(site.url)})
        assert "rows that do not fit" in result.reason()
        assert list((result.folder / ".collectionflow" / "harvest").rglob("*.part*")) == []
        result = run(asset_of(), resources={"tms": source(site.url)})
        assert ranges(site.requests) == [None, None]


PROGRAM = """
    import sys
    import dagster as dg
    import pandera.polars as pa
    from collectionflow import Frame, ParquetIOManager
    from collectionflow.harvest import FolderSource, TableSource

    class Objects(pa.DataFrameModel):
        id: str
        title: str

    @dg.asset
    def objects(tms: TableSource) -> Frame[Objects]:
        return tms.harvest("objects", Objects)

    source = FolderSource(directory=sys.argv[1], files={"objects": "objects.csv"})
    dg.materialize([objects], resources={"tms": source, "io_manager": ParquetIOManager(base_dir=sys.argv[2])})
"""


def test_a_killed_run_is_taken_up_by_the_next(run: Callable[..., object], tmp_path: Path) -> None:
    files = Files()
    halfway = 150_000

    def answer(request: Request) -> Response:
        response = files(request)
        if "range" in request.headers:
            return response
        # The rest does not come while the first run lives.
        headers = {**response.headers, "Content-Length": str(len(CSV))}
        return replace(response, body=CSV[:halfway], headers=headers)

    with serve(answer) as site:
        program = textwrap.dedent(PROGRAM)
        command = [sys.executable, "-c", program, f"{site.url}/exports/", str(tmp_path / "tables")]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        spool = tmp_path / "tables" / ".collectionflow" / "harvest"
        deadline = time.monotonic() + 60
        try:
            while (
                time.monotonic() < deadline
                and sum(path.stat().st_size for path in spool.rglob("*.part")) < halfway
            ):
                assert process.poll() is None
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        result = run(asset_of(), resources={"tms": source(site.url)})
        assert result.is_success
        assert result.stored("objects")["title"].to_list() == [f"Title {n}" for n in range(20_000)]
        assert ranges(site.requests) == [None, f"bytes={halfway}-"]


@pytest.mark.parametrize(
    ("etag", "condition"), [('"one"', "if-none-match"), (None, "if-modified-since")]
)
def test_what_an_earlier_run_fetched_is_asked_for_only_if_it_changed(
    tmp_path: Path, etag: str | None, condition: str
) -> None:
    def downloads(url: str) -> Downloads:
        notes = Notes()
        harvest = notes.begin("objects", url)
        remote = WebFolder(url=url, credentials=None, harvest=harvest, notes=notes)
        return Downloads(remote, tmp_path / "spool", {"file": "objects.csv"}, harvest, notes)

    with serve(Files(etag=etag, modified="Wed, 21 Oct 2015 07:28:00 GMT")) as site:
        first = downloads(site.url)
        first.locate("objects.csv")
        first.fail(SourceUnavailable("The process died."))
        second = downloads(site.url)
        path = second.locate("objects.csv")
        assert path.read_bytes() == CSV
        assert path.stat().st_mtime == 1445412480
        assert len(site.requests) == 2
        assert condition in site.requests[1].headers
        second.close()
        assert not path.exists()


def test_a_date_that_cannot_be_read_is_no_matter() -> None:
    with serve(Files(modified="soon")) as site:
        assert rows(site.url) == 20_000


def test_too_few_bytes_are_not_taken(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "x.part")
    version = Version(tag="a", size=4)
    partial.begin(version)
    partial.extend([b"abc"])
    with pytest.raises(TransientError, match=r"'x' has 4 bytes, but 3 came"):
        partial.finish(version, "'x'")
    assert (partial.size, partial.version) == (3, version)


def test_too_many_bytes_are_not_taken(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "x.part")
    version = Version(tag="a", size=2)
    partial.begin(version)
    partial.extend([b"abc"])
    with pytest.raises(TransientError, match=r"'x' has 2 bytes, but 3 came"):
        partial.finish(version, "'x'")
    assert (partial.size, partial.version) == (0, None)
