import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from servers.web import Request, Response, Site, serve
from upath import UPath

from collectionflow import Frame
from collectionflow.errors import SourceError, SourceUnavailable
from collectionflow.harvest import (
    ApiKey,
    BasicAuth,
    BearerToken,
    ClientCredentials,
    Credentials,
    TableSource,
)
from collectionflow.harvest.json_api import JsonApiSource
from collectionflow.harvest.paging import (
    Cursor,
    LinkHeaders,
    NextUrls,
    Offsets,
    PageNumbers,
    SinglePage,
)
from collectionflow.storage.ledger import read_ledger
from collectionflow.storage.versions import StoredTable

# Dagster's own, of any resource that has another one in it.
pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")


class Objects(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    title: str


Record = dict[str, Any]


def records(count: int, first: int = 0) -> list[Record]:
    return [{"id": first + each, "title": f"Object {first + each}"} for each in range(count)]


def rows(count: int) -> list[tuple[int, str]]:
    return [(each["id"], each["title"]) for each in records(count)]


def reply(content: Any, **options: Any) -> Response:
    return Response(json.dumps(content).encode(), **options)


class Museum:
    """An API with many objects and all styles of paging, which can be told to misbehave."""

    def __init__(self, objects: Sequence[Record], size: int = 10) -> None:
        self.objects, self.size = list(objects), size
        self.answers: list[Callable[[Request], Response | None]] = []

    def __call__(self, request: Request) -> Response:
        for answer in self.answers:
            if (found := answer(request)) is not None:
                return found
        return getattr(self, request.path.removeprefix("/").replace("/", "_"))(request)

    def slice(self, start: int, size: int | None = None) -> dict[str, Any]:
        part = self.objects[start : start + (size or self.size)]
        return {"meta": {"total": len(self.objects)}, "data": part}

    def page(self, request: Request) -> Response:
        return reply(self.slice((int(request.query["page"]) - 1) * self.size))

    def offset(self, request: Request) -> Response:
        size = min(int(request.query["limit"]), self.size)
        return reply(self.slice(int(request.query["offset"]), size))

    def cursor(self, request: Request) -> Response:
        start = int(request.query.get("cursor", 0))
        after = start + self.size
        more = {"next": str(after) if after < len(self.objects) else None}
        return reply(self.slice(start) | more)

    def url(self, request: Request) -> Response:
        start = int(request.query.get("start", 0))
        after = start + self.size
        more = {"next": f"?start={after}" if after < len(self.objects) else None}
        return reply(self.slice(start) | {"links": more})

    def link(self, request: Request) -> Response:
        start = int(request.query.get("start", 0))
        after = start + self.size
        headers = {"X-Total": str(len(self.objects))}
        if after < len(self.objects):
            headers["Link"] = f'</link?start={after}>; rel="next"'
        return reply(self.objects[start:after], headers=headers)

    def single(self, _request: Request) -> Response:
        return reply(self.objects, headers={"X-Total": str(len(self.objects))})


STYLES: dict[str, dict[str, Any]] = {
    "page": {"paging": PageNumbers(), "records": "data", "total": "meta.total"},
    "offset": {"paging": Offsets(), "records": "data", "total": "meta.total"},
    "cursor": {"paging": Cursor(path="next"), "records": "data", "total": "meta.total"},
    "url": {"paging": NextUrls(path="links.next"), "records": "data", "total": "meta.total"},
    "link": {"paging": LinkHeaders(), "total": "X-Total"},
    "single": {"paging": SinglePage(), "total": "X-Total"},
}
NUMBERED, LINKED = ["page", "offset"], ["cursor", "url", "link"]


def source(site: Site, style: str, **options: Any) -> JsonApiSource:
    settings = STYLES[style] | options
    return JsonApiSource(base_url=site.url, paths={"objects": style}, **settings)


def harvest(source: JsonApiSource, schema: Any = Objects) -> pl.DataFrame:
    return source.harvest("objects", schema).collect()


def found(museum: Museum, style: str, **options: Any) -> list[tuple[Any, ...]]:
    with serve(museum) as site:
        return harvest(source(site, style, **options)).rows()


@pytest.mark.parametrize("count", [1, 9, 10, 11, 95])
@pytest.mark.parametrize("style", STYLES)
def test_all_records_come_in_their_order(style: str, count: int) -> None:
    assert found(Museum(records(count)), style) == rows(count)


@pytest.mark.parametrize("size", [999, 1000, 1001])
def test_large_pages_lose_nothing(size: int) -> None:
    assert found(Museum(records(3000), size), "page") == rows(3000)


@pytest.mark.parametrize("style", STYLES)
def test_without_a_count_all_records_come(style: str) -> None:
    assert found(Museum(records(95)), style, total=None) == rows(95)


@pytest.mark.parametrize("style", STYLES)
def test_no_records_are_an_empty_frame(style: str) -> None:
    with serve(Museum([])) as site:
        frame = harvest(source(site, style))
    assert frame.schema == {"id": pl.Int64, "title": pl.String}
    assert frame.height == 0


def test_a_page_is_asked_for_once_and_none_beyond_a_known_end() -> None:
    with serve(Museum(records(95))) as site:
        harvest(source(site, "page"))
    assert Counter(request.query["page"] for request in site.requests) == Counter(
        map(str, range(1, 11))
    )


def test_several_numbered_pages_are_asked_for_at_once() -> None:
    together = threading.Barrier(4, timeout=10)
    museum = Museum(records(90))

    def wait(request: Request) -> None:
        if request.query["page"] != "1":
            together.wait()

    museum.answers.append(wait)
    assert found(museum, "page", in_flight=4) == rows(90)


def test_never_more_pages_are_asked_for_at_once_than_may_be() -> None:
    busy, busiest = threading.Semaphore(3), []
    museum = Museum(records(300))

    def wait(_request: Request) -> None:
        busiest.append(busy.acquire(blocking=False))
        time.sleep(0.01)
        busy.release()

    museum.answers.append(wait)
    assert found(museum, "page", in_flight=3) == rows(300)
    assert len(busiest) == 30
    assert all(busiest)


def test_a_server_that_sends_fewer_than_asked_for_loses_nothing() -> None:
    assert found(Museum(records(95)), "offset", paging=Offsets(limit=1000), total=None) == rows(95)


def test_the_paths_name_and_parameters_make_the_request() -> None:
    with serve(lambda _: reply(records(1))) as site:
        api = JsonApiSource(
            base_url=f"{site.url}/v1/", paging=SinglePage(), parameters={"sort": "id"}
        )
        harvest(api)
        harvest(
            JsonApiSource(base_url=f"{site.url}/v1", paging=SinglePage(), paths={"objects": ""})
        )
    first, second = site.requests
    assert (first.path, first.query) == ("/v1/objects", {"sort": "id"})
    assert second.path == "/v1"
    assert first.headers["accept"].startswith("application/json")


def test_a_base_url_with_a_query_is_refused_without_telling_it() -> None:
    api = JsonApiSource(base_url="https://x.org/?key=s3cret", paging=SinglePage())
    with pytest.raises(SourceError, match="base_url has a query") as raised:
        harvest(api)
    assert "s3cret" not in str(raised.value)


def test_columns_come_from_inside_of_records() -> None:
    body = {"data": [{"id": "7", "attributes": {"title": "T"}}]}
    with serve(lambda _: reply(body)) as site:
        api = JsonApiSource(
            base_url=site.url,
            paging=SinglePage(),
            records="data",
            fields={"title": "attributes.title"},
        )

        class Coerced(Objects):
            class Config:
                coerce = True

        assert harvest(api, Coerced).rows() == [("7", "T")]


# What the count is for.


class Counting(Museum):
    """A museum that believes to have another number of objects."""

    def __init__(self, objects: Sequence[Record], count: int) -> None:
        super().__init__(objects)
        self.count = count

    def slice(self, start: int, size: int | None = None) -> dict[str, Any]:
        return super().slice(start, size) | {"meta": {"total": self.count}}

    def single(self, _request: Request) -> Response:
        return reply(self.objects, headers={"X-Total": str(self.count)})


@pytest.mark.parametrize("style", ["page", "cursor", "single"])
def test_fewer_records_than_the_source_counts_are_unavailable(style: str) -> None:
    museum = Counting(records(30), 31)
    with pytest.raises(SourceUnavailable, match=r"it has 31 records .* but sent 30"):
        found(museum, style)


@pytest.mark.parametrize("total", ["meta.count", "data", "meta"])
def test_a_count_that_is_none_is_an_error(total: str) -> None:
    with pytest.raises(SourceError, match=f"has no count at '{total}'"):
        found(Museum(records(3)), "page", total=total)


def test_a_count_of_a_list_is_in_a_header() -> None:
    with pytest.raises(SourceError, match="has no count at 'X-Count'"):
        found(Museum(records(3)), "single", total="X-Count")


def test_a_count_may_be_on_the_first_page_only_or_be_text() -> None:
    museum = Museum(records(25))

    def answer(request: Request) -> Response:
        page = museum.slice((int(request.query["page"]) - 1) * 10)
        return reply(page | {"meta": {"total": "25"} if request.query["page"] == "1" else {}})

    museum.answers.append(answer)
    assert found(museum, "page") == rows(25)


def changing(change: Callable[[list[Record]], None], at: str) -> Museum:
    """Return a museum whose objects change when page `at` is asked for."""
    museum = Museum(records(50))

    def answer(request: Request) -> None:
        if request.query.get("page") == at:
            museum.answers.clear()
            change(museum.objects)

    museum.answers.append(answer)
    return museum


def test_a_record_that_comes_into_being_meanwhile_is_noticed() -> None:
    museum = changing(lambda objects: objects.append({"id": 99, "title": "New"}), "4")
    with pytest.raises(SourceUnavailable, match="had 50 records and now says 51"):
        found(museum, "page", in_flight=1)


def test_a_record_that_goes_meanwhile_is_noticed() -> None:
    museum = changing(lambda objects: objects.pop(0), "4")
    with pytest.raises(SourceUnavailable, match="had 50 records and now says 49"):
        found(museum, "page", in_flight=1)


def shift(objects: list[Record]) -> None:
    """Put a record in front and take one from the end: the count stays, the pages move."""
    objects.insert(0, {"id": 99, "title": "New"})
    objects.pop()


def test_records_that_moved_from_page_to_page_are_noticed() -> None:
    with pytest.raises(SourceUnavailable, match=r"the same 'id' on page 3 and on page 4"):
        found(changing(shift, "4"), "page", in_flight=1)


def test_records_that_moved_are_noticed_without_a_count() -> None:
    with pytest.raises(SourceUnavailable, match=r"the same 'id' on page 3 and on page 4"):
        found(changing(shift, "4"), "page", in_flight=1, total=None)


def test_a_list_that_repeats_itself_in_another_form_for_ever_is_found_out() -> None:
    def answer(request: Request) -> Response:
        number = int(request.query["page"])
        return reply([{**each, "seen": number} for each in records(1000)])

    with (
        serve(answer) as site,
        pytest.raises(SourceUnavailable, match="the same 'id' on page 1 and on page 2"),
    ):
        harvest(JsonApiSource(base_url=site.url, paging=PageNumbers()))
    assert len(site.requests) < 60


# No endless loops.


def test_a_server_that_ignores_the_page_is_found_out() -> None:
    museum = Museum(records(50))
    museum.answers.append(lambda _: reply(museum.slice(0)))
    for total in ("meta.total", None):
        with pytest.raises(SourceError, match="same records as page 1 and as page 2"):
            found(museum, "page", total=total)


def test_a_server_that_sends_its_last_page_for_ever_is_found_out() -> None:
    museum = Museum(records(50))
    museum.answers.append(
        lambda request: reply(museum.slice(min(int(request.query["page"]) - 1, 4) * 10))
    )
    assert found(museum, "page") == rows(50)
    with pytest.raises(SourceError, match="as page 5 and as page 6"):
        found(museum, "page", total=None)


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_cursor_that_leads_in_a_circle_is_found_out(is_empty: bool) -> None:
    museum = Museum([] if is_empty else records(50))

    def answer(request: Request) -> Response:
        start = int(request.query.get("cursor", 0))
        return reply(museum.slice(start) | {"next": str((start + 10) % 40)})

    museum.answers.append(answer)
    with pytest.raises(SourceError, match=r"there would be no end|same records as page"):
        found(museum, "cursor")


def test_pages_without_records_in_the_midst_are_no_end() -> None:
    museum = Museum(records(30))

    def answer(request: Request) -> Response | None:
        if request.query.get("cursor") == "10":
            return reply({"meta": {"total": 30}, "data": [], "next": "x"})
        if request.query.get("cursor") == "x":
            return reply(museum.slice(10) | {"next": "20"})
        return None

    museum.answers.append(answer)
    assert found(museum, "cursor") == rows(30)


def test_a_single_page_that_names_another_one_is_refused() -> None:
    with pytest.raises(SourceError, match="Link header names a next one"):
        found(Museum(records(30)), "link", paging=SinglePage())


# Faults.


def faulty(style: str, answer: Callable[[Request], Response], often: int = 2) -> Museum:
    """Return a museum that answers each request wrongly at first."""
    museum = Museum(records(35))
    asked: Counter[str] = Counter()

    def fail(request: Request) -> Response | None:
        asked[str(request.query)] += 1
        return answer(request) if asked[str(request.query)] <= often else None

    museum.answers.append(fail)
    return museum


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "response",
    [
        Response(b"later", status=500),
        Response(b"later", status=503),
        Response(b"slowly", status=429, headers={"Retry-After": "1"}),
        Response(b'{"data": [{"id": 1,', cut_after=8),
        Response(b'{"meta": {"total": 35}, "data": [{"id": 0, "title": "Ob'),
        Response(b""),
        Response(b'[{"id": 1}, {"id"'),
    ],
)
def test_what_waiting_cures_is_asked_again(style: str, response: Response) -> None:
    assert found(faulty(style, lambda _: response), style) == rows(35)


def test_a_page_that_is_always_cut_off_is_unavailable() -> None:
    museum = faulty("page", lambda _: Response(b'{"data": [{"id": 1'), often=100)
    with pytest.raises(SourceUnavailable, match=r"is cut off: EOF .* It was asked 8 times"):
        found(museum, "page")


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (Response(b"<html>Log in</html>"), "is not JSON that can be read"),
        (reply({"error": "no"}), "no list of records at 'data'"),
        (reply({"data": [{"id": "1"}], "meta": {"total": 35}}), "Field 'id' of record"),
        (
            Response(b'{"data": [{"id": 1, "id": 2}], "meta": {"total": 35}}'),
            "cannot be read safely",
        ),
        (Response(b"no", status=404), "answered 404"),
        (Response(b"", status=304), "304"),
    ],
)
@pytest.mark.parametrize("at", ["1", "3"])
def test_what_waiting_does_not_cure_stops_the_harvest(
    response: Response, message: str, at: str
) -> None:
    museum = Museum(records(35))
    museum.answers.append(lambda request: response if request.query["page"] == at else None)
    with pytest.raises(SourceError, match=message):
        found(museum, "page")


# Who asks.


@pytest.mark.parametrize("style", ["url", "link"])
def test_a_next_link_to_another_host_is_refused(style: str) -> None:
    museum = Museum(records(30))
    with serve(Museum(records(30))) as other:
        target = f"{other.url}/{style}?start=10"
        linked = reply(
            museum.slice(0) | {"links": {"next": target}} if style == "url" else records(10),
            headers={"Link": f'<{target}>; rel="next"', "X-Total": "30"},
        )
        museum.answers.append(lambda _: linked)
        with pytest.raises(SourceError, match="A link to another host is not followed"):
            found(museum, style, credentials=BearerToken(token="s3cret"))
    assert other.requests == []


@pytest.mark.parametrize(
    "credentials",
    [
        BearerToken(token="s3cret"),
        ApiKey(key="s3cret"),
        ApiKey(key="s3cret", parameter="apikey"),
        BasicAuth(username="u", password="s3cret"),
    ],
)
@pytest.mark.parametrize("style", ["page", "url"])
def test_each_kind_of_credentials_goes_to_the_own_host_only(
    style: str, credentials: Credentials
) -> None:
    with serve(Museum(records(25))) as other:
        museum = Museum(records(25))

        def move(request: Request) -> Response | None:
            is_second = "2" in request.query.get("page", "") or request.query.get("start") == "10"
            key, value = ("page", "2") if style == "page" else ("start", "10")
            target = f"{other.url}/{style}?{key}={value}"
            return Response(status=302, headers={"Location": target}) if is_second else None

        museum.answers.append(move)
        with serve(museum) as site:
            api = source(site, style, credentials=credentials, parameters={"lang": "nl"})
            assert harvest(api).rows() == rows(25)
    assert len(other.requests) == 1
    assert "s3cret" not in str(other.requests)
    assert not {"authorization", "x-api-key", "cookie"} & set(other.requests[0].headers)
    name = "x-api-key" if "ApiKey" in type(credentials).__name__ else "authorization"
    for request in site.requests:
        assert name in request.headers or request.query["apikey"] == "s3cret"


def test_a_token_that_ends_in_the_midst_is_fetched_anew() -> None:
    museum = Museum(records(100))
    tokens: list[str] = []
    asked: Counter[str] = Counter()
    lock = threading.Lock()

    def answer(request: Request) -> Response | None:
        with lock:
            if request.method == "POST":
                tokens.append(f"token-{len(tokens)}")
                return reply({"access_token": tokens[-1], "expires_in": 3600})
            token = request.headers["authorization"].removeprefix("Bearer ")
            asked[token] += 1
            is_taken = token == tokens[-1] and (asked[token] <= 5 or len(tokens) > 1)
            return None if is_taken else Response(b"expired", status=401, delay_seconds=1.1)

    museum.answers.append(answer)
    with serve(museum) as site:
        credentials = ClientCredentials(
            token_url=f"{site.url}/token", client_id="id", client_secret="s3cret"
        )
        assert harvest(source(site, "page", credentials=credentials)).rows() == rows(100)
    assert tokens == ["token-0", "token-1"]


# In a run.


@dg.asset
def objects(api: TableSource) -> Frame[Objects]:
    return api.harvest("objects", Objects)


def ledger(folder: Path) -> dict[str, Any]:
    """Return the last line of the table's ledger."""
    return read_ledger(StoredTable(base=UPath(folder), name="objects")).row(-1, named=True)


def leftovers(folder: Path) -> list[str]:
    """Return the spooled pages that are there."""
    return sorted(path.name for path in folder.rglob("*.page"))


def test_a_run_counts_and_tells(run: Callable[..., Any]) -> None:
    with serve(faulty("page", lambda _: Response(status=500), often=1)) as site:
        done = run(objects, resources={"api": source(site, "page")})
    line = ledger(done.folder)
    assert (line["received"], line["expected"], line["retries"]) == (35, 35, 4)
    assert line["source"] == f"{site.url}/page"
    assert line["outcome"] == "published"
    assert leftovers(done.folder) == []


def test_a_secret_is_nowhere_to_be_seen(
    run: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    museum = Museum(records(35))
    museum.answers.append(
        lambda request: (
            Response(str(request).encode(), status=403) if request.query["page"] == "4" else None
        )
    )
    with serve(museum) as site:
        api = source(site, "page", credentials=ApiKey(key="s3cret", parameter="apikey"))
        failed = run(objects, resources={"api": api})
    assert not failed.is_success
    assert "***" in failed.reason()
    output = capfd.readouterr()
    assert "s3cret" not in output.out + output.err
    for path in failed.folder.rglob("*"):
        assert "s3cret" not in path.name
        assert path.is_dir() or b"s3cret" not in path.read_bytes()


def test_pages_stay_where_the_source_does_not_answer(run: Callable[..., Any]) -> None:
    museum = Museum(records(95))
    museum.answers.append(
        lambda request: Response(status=503) if int(request.query["page"]) > 6 else None
    )
    with serve(museum) as site:
        api = source(site, "page")
        failed = run(objects, resources={"api": api})
        assert not failed.is_success
        assert len(leftovers(failed.folder)) == 6
        museum.answers.clear()
        site.requests.clear()
        done = run(objects, resources={"api": api})
    assert done.stored("objects").rows() == rows(95)
    # The first page is asked for again, to see whether the source is what it was.
    assert sorted(int(request.query["page"]) for request in site.requests) == [1, 7, 8, 9, 10]
    assert (ledger(done.folder)["resumed"], ledger(done.folder)["received"]) == (50, 95)


def test_pages_go_where_the_source_has_changed_since(run: Callable[..., Any]) -> None:
    museum = Museum(records(95))
    museum.answers.append(
        lambda request: Response(status=503) if int(request.query["page"]) > 6 else None
    )
    with serve(museum) as site:
        api = source(site, "page")
        assert not run(objects, resources={"api": api}).is_success
        museum.answers.clear()
        museum.objects.pop(50)
        done = run(objects, resources={"api": api})
    expected = [row for row in rows(95) if row[0] != 50]
    assert done.stored("objects").rows() == expected
    assert ledger(done.folder)["resumed"] == 0


def test_pages_go_where_they_cannot_be_used(run: Callable[..., Any]) -> None:
    museum = Museum([*records(15), {"id": "x", "title": "Odd"}])
    with serve(museum) as site:
        api = source(site, "page")
        failed = run(objects, resources={"api": api})
        assert "Field 'id' of record 16 of 'objects' is '\"x\"'" in failed.reason()
        assert leftovers(failed.folder) == []
        museum.objects[15] = {"id": 15, "title": "Object 15"}
        assert run(objects, resources={"api": api}).stored("objects").rows() == rows(16)


def test_pages_go_where_the_source_changed_meanwhile(run: Callable[..., Any]) -> None:
    with serve(changing(shift, "4")) as site:
        api = source(site, "page", in_flight=1)
        failed = run(objects, resources={"api": api})
        assert not failed.is_success
        assert leftovers(failed.folder) == []
        assert run(objects, resources={"api": api}).stored("objects").height == 50


def test_a_page_that_the_disk_has_lost_is_asked_for_anew_by_the_next_run(
    run: Callable[..., Any],
) -> None:
    museum = Museum(records(95))
    museum.answers.append(
        lambda request: Response(status=503) if int(request.query["page"]) > 6 else None
    )
    with serve(museum) as site:
        api = source(site, "page")
        failed = run(objects, resources={"api": api})
        next(failed.folder.rglob("000000003.page")).write_bytes(b"")
        museum.answers.clear()
        assert not run(objects, resources={"api": api}).is_success
        done = run(objects, resources={"api": api})
    assert done.stored("objects").rows() == rows(95)


CHILD = """
import sys
import dagster as dg
import pandera.polars as pa
from collectionflow import Frame, ParquetIOManager
from collectionflow.harvest import TableSource
from collectionflow.harvest.json_api import JsonApiSource
from collectionflow.harvest.paging import Cursor, PageNumbers


class Objects(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    title: str


@dg.asset
def objects(api: TableSource) -> Frame[Objects]:
    return api.harvest("objects", Objects)


url, style, folder = sys.argv[1:]
api = JsonApiSource(
    base_url=url,
    paths={"objects": style},
    records="data",
    total="meta.total",
    paging=PageNumbers() if style == "page" else Cursor(path="next"),
)
dg.materialize([objects], resources={"api": api, "io_manager": ParquetIOManager(base_dir=folder)})
"""


@pytest.mark.parametrize("style", ["page", "cursor"])
def test_a_harvest_that_was_killed_goes_on_where_it_stopped(style: str, tmp_path: Path) -> None:
    museum = Museum(records(400))
    is_half, is_dead = threading.Event(), threading.Event()

    def hang(request: Request) -> None:
        number = int(request.query.get("page", 1)) * 10 or int(request.query.get("cursor", 0))
        if max(number, int(request.query.get("cursor", 0))) >= 200 and not is_dead.is_set():
            is_half.set()
            is_dead.wait(30)

    museum.answers.append(hang)
    with serve(museum) as site:
        command = [sys.executable, "-c", CHILD, site.url, style, str(tmp_path)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
            assert is_half.wait(60)
            spooled = wait_for(lambda: len(leftovers(tmp_path)), at_least=19)
            child.send_signal(signal.SIGKILL)
        is_dead.set()
        assert not (tmp_path / "objects.parquet").exists()
        site.requests.clear()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert pl.read_parquet(tmp_path / "objects.parquet").rows() == rows(400)
    assert len(site.requests) == 40 - spooled + 1
    assert ledger(tmp_path)["resumed"] == 10 * (spooled - 1)
    assert leftovers(tmp_path) == []


def wait_for(count: Callable[[], int], at_least: int) -> int:
    """Return a count once it is high enough and has stopped to grow."""
    before = -1
    for _ in range(100):
        now = count()
        if now >= at_least and now == before:
            return now
        before = now
        threading.Event().wait(0.1)
    raise AssertionError(before)


# What has not changed.


def single(museum: Museum, validators: Mapping[str, str]) -> Callable[[Request], Response]:
    """Return a server of one page that knows whether it has changed."""

    def answer(request: Request) -> Response:
        conditions = {"ETag": "if-none-match", "Last-Modified": "if-modified-since"}
        asked = [request.headers.get(conditions[name]) for name in validators]
        if any(asked) and asked == list(validators.values()):
            return Response(status=304)
        return reply(museum.objects, headers=validators)

    return answer


def keeping(site: Site, **options: Any) -> JsonApiSource:
    return JsonApiSource(base_url=site.url, paging=SinglePage(keep_unchanged=True), **options)


@pytest.mark.parametrize(
    "validators",
    [
        {"ETag": '"v1"'},
        {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"},
        {"ETag": 'W/"v1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"},
    ],
)
def test_a_page_that_has_not_changed_leaves_the_table_as_it_is(
    run: Callable[..., Any], validators: dict[str, str]
) -> None:
    museum = Museum(records(20))
    validators = dict(validators)
    with serve(single(museum, validators)) as site:
        run(objects, resources={"api": keeping(site)})
        for _ in range(2):
            again = run(objects, resources={"api": keeping(site)})
            assert again.stored("objects").rows() == rows(20)
            assert "304" in again.metadata("objects")["harvest"]
            assert ledger(again.folder)["received"] == 0
        assert len(site.requests) == 3
        museum.objects = records(21)
        validators |= dict.fromkeys(validators, "another")
        changed = run(objects, resources={"api": keeping(site)})
    assert changed.stored("objects").rows() == rows(21)
    assert "harvest" not in changed.metadata("objects")


def test_a_table_of_other_columns_or_another_request_is_harvested_whole(
    run: Callable[..., Any],
) -> None:
    class More(Objects):
        height: float = pa.Field(nullable=True)

    @dg.asset(name="objects")
    def more(api: TableSource) -> Frame[More]:
        return api.harvest("objects", More)

    museum = Museum([{**each, "height": 1.5} for each in records(20)])
    with serve(single(museum, {"ETag": '"v1"'})) as site:
        run(objects, resources={"api": keeping(site)})
        wider = run(more, resources={"api": keeping(site)})
        assert wider.stored("objects").width == 3
        run(more, resources={"api": keeping(site, parameters={"lang": "nl"})})
        run(more, resources={"api": keeping(site, fields={"height": "size.height"})})
    assert not any("if-none-match" in request.headers for request in site.requests)


def test_a_page_without_an_etag_is_harvested_whole(run: Callable[..., Any]) -> None:
    with serve(single(Museum(records(20)), {})) as site:
        for _ in range(2):
            done = run(objects, resources={"api": keeping(site)})
    assert "harvest" not in done.metadata("objects")
    assert len(site.requests) == 2


def test_nothing_is_kept_where_nobody_asked_for_it(run: Callable[..., Any]) -> None:
    with serve(single(Museum(records(20)), {"ETag": '"v1"'})) as site:
        api = JsonApiSource(base_url=site.url, paging=SinglePage())
        for _ in range(2):
            run(objects, resources={"api": api})
    assert not any("if-none-match" in request.headers for request in site.requests)


def test_a_table_without_a_key_is_harvested_whole(run: Callable[..., Any]) -> None:
    class Keyless(pa.DataFrameModel):
        id: int
        title: str

    @dg.asset
    def keyless(api: TableSource) -> Frame[Keyless]:
        return api.harvest("objects", Keyless)

    with serve(single(Museum(records(20)), {"ETag": '"v1"'})) as site:
        for _ in range(2):
            assert run(keyless, resources={"api": keeping(site)}).is_success
    assert not any("if-none-match" in request.headers for request in site.requests)
