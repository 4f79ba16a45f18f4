"""What becomes of a publication when the server, the network or the run itself fails."""

import gzip
import hashlib
import hmac
import json
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import stamina
from servers import opensearch as opensearch_server
from servers import proxy
from servers._process import MissingServerError
from servers.proxy import CUT, Forward
from servers.web import Request, Response

from collectionflow import Refused, StopRun
from collectionflow.errors import TargetUnavailable
from collectionflow.output import SearchIndexTarget, document_id
from collectionflow.output._search_lines import bodies, documents
from collectionflow.output._target import Terms

Fault = Callable[[Request, Forward], Response]
BY_ID = Terms(metadata=document_id("id"))
BUSY = json.dumps({"error": {"type": "busy", "reason": "too much at once"}}).encode()


def numbered(count: int, title: str = "Portrait") -> pl.LazyFrame:
    return pl.LazyFrame({"id": range(count), "title": [title] * count})


# Two requests: more bytes than one takes.
LARGE = pl.LazyFrame({"id": range(120), "title": ["Portrait " * 10_000] * 120})


def first(times: int, spoiled: Fault, path: str) -> Fault:
    """Spoil the first requests of a path."""
    lock = threading.Lock()
    left = times

    def fault(request: Request, forward: Forward) -> Response:
        nonlocal left
        with lock:
            is_spoiled = left > 0 and path in request.path
            left -= is_spoiled
        return spoiled(request, forward) if is_spoiled else forward()

    return fault


def cut_after(_request: Request, forward: Forward) -> Response:
    """Do what was asked, and cut the connection before the answer is there."""
    forward()
    return CUT


@pytest.fixture
def live(search: Any) -> str:
    """The index that is live before anything fails."""
    found = SearchIndexTarget(url=search.url).publish_on_terms(
        search.name, numbered(100, "old"), BY_ID
    )
    return found["index"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_burst_of_refusals_is_waited_out(search: Any, status: int) -> None:
    busy = first(5, lambda _request, _forward: Response(BUSY, status), "/_bulk")
    with proxy.before(search.url, busy) as between:
        target = SearchIndexTarget(url=between.url)
        assert target.publish_on_terms(search.name, LARGE, BY_ID)["documents"] == 120
    sent = [each for each in between.requests if each.path.endswith("/_bulk")]
    assert len(sent) == 5 + 2
    assert len(search.documents()) == 120


def test_the_time_that_a_busy_server_asks_for_is_kept(opensearch: Any) -> None:
    told: list[str] = []
    asked = {"Retry-After": "0"}
    busy = first(1, lambda _request, _forward: Response(BUSY, 429, asked), "/_bulk")
    with proxy.before(opensearch.url, busy) as between:
        SearchIndexTarget(url=between.url).publish_on_terms(
            opensearch.name, numbered(2), Terms(metadata=BY_ID.metadata, log=told.append)
        )
    (message,) = told
    assert "answered 429 Too Many Requests to POST" in message
    assert "'too much at once'. Trying again." in message


def test_a_connection_that_is_cut_within_a_request_loses_and_doubles_nothing(search: Any) -> None:
    with proxy.before(search.url) as between:
        between.cut_uploads += [10_000, 100, 0]
        target = SearchIndexTarget(url=between.url)
        assert target.publish_on_terms(search.name, LARGE, BY_ID)["documents"] == 120
        assert between.cut_uploads == []


@pytest.mark.parametrize("path", ["/_bulk", "/_aliases", "/_mapping", "/_settings", "/_count"])
def test_an_answer_that_is_cut_loses_and_doubles_nothing(search: Any, live: str, path: str) -> None:
    with proxy.before(search.url, first(2, cut_after, path)) as between:
        found = SearchIndexTarget(url=between.url).publish_on_terms(
            search.name, numbered(100, "new"), BY_ID
        )
    assert {each["title"] for each in search.documents().values()} == {"new"}
    assert search.live() == [found["index"]]
    assert search.indexes() == [live, found["index"]]


def test_an_index_that_was_made_without_an_answer_is_used(search: Any) -> None:
    created = first(1, cut_after, f"/{search.name}-2")
    looked = 0

    def fault(request: Request, forward: Forward) -> Response:
        nonlocal looked
        looked += request.method == "PUT"
        return created(request, forward) if request.method == "PUT" else forward()

    with proxy.before(search.url, fault) as between:
        found = SearchIndexTarget(url=between.url).publish_on_terms(search.name, numbered(2), BY_ID)
    assert search.indexes() == search.live() == [found["index"]]


def test_an_answer_that_cannot_be_read_is_asked_for_again(opensearch: Any) -> None:
    odd = iter([b"{", b'{"errors": false, "items": []}'])

    def spoiled(_request: Request, forward: Forward) -> Response:
        forward()
        return Response(next(odd))

    with proxy.before(opensearch.url, first(2, spoiled, "/_bulk")) as between:
        found = SearchIndexTarget(url=between.url).publish_on_terms(
            opensearch.name, numbered(3), BY_ID
        )
    assert found["documents"] == len(opensearch.documents()) == 3


def test_a_disk_that_is_full_for_a_while_is_waited_out(search: Any, live: str) -> None:
    flooded = 0

    def fault(request: Request, forward: Forward) -> Response:
        nonlocal flooded
        if not request.path.endswith("/_bulk"):
            return forward()
        flooded += 1
        index = request.path.split("/")[1].removesuffix(".loading")
        setting = {"index.blocks.read_only_allow_delete": True if flooded < 4 else None}
        search.ask("PUT", f"/{index}/_settings", setting)
        return forward()

    told: list[str] = []
    with proxy.before(search.url, fault) as between:
        found = SearchIndexTarget(url=between.url).publish_on_terms(
            search.name, numbered(100, "new"), Terms(metadata=BY_ID.metadata, log=told.append)
        )
    assert flooded == 4
    assert len(told) == 3
    assert told[0].startswith("The server does not yet take 100 documents: 'index [")
    assert "disk usage exceeded flood-stage watermark" in told[0]
    assert search.live() == [found["index"]]
    assert len(search.documents()) == 100


def test_a_disk_that_stays_full_leaves_what_is_live(search: Any, live: str) -> None:
    def fault(request: Request, forward: Forward) -> Response:
        if request.path.endswith("/_bulk"):
            index = request.path.split("/")[1].removesuffix(".loading")
            block = {"index.blocks.read_only_allow_delete": True}
            search.ask("PUT", f"/{index}/_settings", block)
        return forward()

    with proxy.before(search.url, fault) as between:
        target = SearchIndexTarget(url=between.url)
        with pytest.raises(TargetUnavailable, match="flood-stage watermark") as unavailable:
            target.publish_on_terms(search.name, numbered(100, "new"), BY_ID)
    assert "What was live stays live. Run again" in str(unavailable.value)
    assert search.live() == [live]
    assert {each["title"] for each in search.documents().values()} == {"old"}
    # It is left, since to ask a server that does not answer only takes more time.
    (_, left) = search.indexes()
    assert left in unavailable.value.__notes__[0]


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    target = SearchIndexTarget(url="http://writer:s3cret@127.0.0.1:9/search?token=t0ken")
    with pytest.raises(TargetUnavailable) as unavailable:
        target.publish_on_terms("objects", numbered(1), BY_ID)
    assert "'http://127.0.0.1:9/search' does not answer in full (NewConnection)" in str(
        unavailable.value
    )
    assert "s3cret" not in repr(unavailable.value)
    assert "t0ken" not in repr(unavailable.value)


def test_of_two_publications_at_once_one_goes_live_and_the_other_says_so(search: Any) -> None:
    """Neither has anything before it: the hardest case, since there is nothing to swap out."""
    meeting = threading.Barrier(2, timeout=60)
    outcomes: list[Any] = []

    def fault(request: Request, forward: Forward) -> Response:
        if request.path == "/_aliases":
            meeting.wait()
        return forward()

    def publish(title: str, url: str) -> None:
        try:
            outcomes.append(
                SearchIndexTarget(url=url).publish_on_terms(search.name, numbered(50, title), BY_ID)
            )
        except Refused as error:
            outcomes.append(error)

    with proxy.before(search.url, fault) as between:
        both = [threading.Thread(target=publish, args=(each, between.url)) for each in "ab"]
        for each in both:
            each.start()
        for each in both:
            each.join()
    refused, published = sorted(outcomes, key=lambda each: isinstance(each, dict))
    assert f"'{search.name}' was changed by someone else" in str(refused)
    assert f"it points to '{published['index']}' now" in str(refused)
    assert search.indexes() == search.live() == [published["index"]]
    assert len(search.documents()) == 50


def test_a_publication_during_which_another_went_live_does_not_hide_it(
    search: Any, live: str
) -> None:
    other = []

    def overtake(request: Request, forward: Forward) -> Response:
        if request.path == "/_aliases" and not other:
            target = SearchIndexTarget(url=search.url)
            other.append(target.publish_on_terms(search.name, numbered(100, "other"), BY_ID))
        return forward()

    with proxy.before(search.url, overtake) as between, pytest.raises(Refused, match="changed by"):
        SearchIndexTarget(url=between.url).publish_on_terms(
            search.name, numbered(100, "late"), BY_ID
        )
    assert search.live() == [other[0]["index"]]
    assert {each["title"] for each in search.documents().values()} == {"other"}
    assert search.indexes() == [live, other[0]["index"]]


def test_an_alias_that_another_tool_doubled_is_told(search: Any, live: str) -> None:
    def overtake(request: Request, forward: Forward) -> Response:
        if request.path == "/_aliases":
            other = {"index": f"{search.name}-x", "alias": search.name}
            search.ask("PUT", f"/{search.name}-x")
            search.ask("POST", "/_aliases", {"actions": [{"add": other}]})
        return forward()

    with proxy.before(search.url, overtake) as between, pytest.raises(Refused) as refused:
        SearchIndexTarget(url=between.url).publish_on_terms(
            search.name, numbered(100, "new"), BY_ID
        )
    assert f"'{search.name}-x' now" in str(refused.value)


def test_a_swap_that_the_server_refuses_leaves_what_is_live(search: Any, live: str) -> None:
    error = json.dumps({"error": {"type": "security_exception", "reason": "not you"}}).encode()
    refusing = first(1, lambda _request, _forward: Response(error, 403), "/_aliases")
    with proxy.before(search.url, refusing) as between, pytest.raises(StopRun) as refused:
        SearchIndexTarget(url=between.url).publish_on_terms(
            search.name, numbered(100, "new"), BY_ID
        )
    assert "'not you'. Ask for the right to create" in str(refused.value)
    assert search.indexes() == search.live() == [live]


def test_an_index_that_is_deleted_while_it_is_loaded_is_not_made_anew(
    search: Any, live: str
) -> None:
    def delete(request: Request, forward: Forward) -> Response:
        if request.path.endswith("/_bulk"):
            search.ask("DELETE", f"/{request.path.split('/')[1].removesuffix('.loading')}")
        return forward()

    with proxy.before(search.url, delete) as between:
        target = SearchIndexTarget(url=between.url)
        with pytest.raises(StopRun, match="was deleted while it was being loaded"):
            target.publish_on_terms(search.name, numbered(100), BY_ID)
    assert search.indexes() == search.live() == [live]


def test_a_frame_that_fails_half_way_leaves_what_is_live(search: Any, live: str) -> None:
    def explode(batch: pl.DataFrame) -> pl.DataFrame:
        if batch.get_column("id").max() == 119:
            message = "half way"
            raise ValueError(message)
        return batch

    frame = LARGE.map_batches(explode, streamable=True)
    with pytest.raises((ValueError, pl.exceptions.PolarsError), match="half way"):
        SearchIndexTarget(url=search.url).publish_on_terms(search.name, frame, BY_ID)
    assert search.indexes() == search.live() == [live]


def test_one_request_that_fails_ends_the_others(opensearch: Any) -> None:
    one_waits, other_failed = threading.Event(), threading.Event()
    sent: list[bool] = []

    def fault(request: Request, forward: Forward) -> Response:
        if not request.path.endswith("/_bulk"):
            return forward()
        sent.append(True)
        if b'"_id":"0"' in gzip.decompress(request.body):
            one_waits.wait(30)
            other_failed.set()
            return Response(BUSY, 400)
        if not one_waits.is_set():
            one_waits.set()
            return Response(BUSY, 429)
        other_failed.wait(30)
        return Response(BUSY, 429, delay_seconds=0.5)

    with (
        proxy.before(opensearch.url, fault) as between,
        pytest.raises(StopRun, match="answered 400"),
    ):
        SearchIndexTarget(url=between.url).publish_on_terms(opensearch.name, LARGE, BY_ID)
    assert len(sent) <= 3  # Of eight times that it would be asked.
    assert opensearch.indexes() == []


@pytest.mark.parametrize("in_flight", [1, 2])
def test_no_more_requests_are_in_flight_than_the_target_says(
    opensearch: Any, in_flight: int
) -> None:
    lock = threading.Lock()
    running: list[int] = []
    most = 0

    def watched(request: Request, forward: Forward) -> Response:
        nonlocal most
        if not request.path.endswith("/_bulk"):
            return forward()
        with lock:
            running.append(1)
            most = max(most, len(running))
        answer = forward()
        time.sleep(0.2)
        with lock:
            running.pop()
        return answer

    frame = pl.concat([LARGE, LARGE.with_columns(pl.col("id") + 120)])
    with proxy.before(opensearch.url, watched) as between:
        target = SearchIndexTarget(url=between.url, requests_in_flight=in_flight)
        assert target.publish_on_terms(opensearch.name, frame, BY_ID)["documents"] == 240
    assert most == in_flight


def test_what_cannot_be_cleaned_up_is_told_beside_the_error(opensearch: Any) -> None:
    def fault(request: Request, forward: Forward) -> Response:
        is_denied = request.path.endswith("/_bulk") or request.method == "DELETE"
        return Response(BUSY, 403) if is_denied else forward()

    with proxy.before(opensearch.url, fault) as between, pytest.raises(StopRun) as refused:
        SearchIndexTarget(url=between.url).publish_on_terms(opensearch.name, numbered(2), BY_ID)
    (left,) = opensearch.indexes()
    assert f"The unfinished index '{left}' may still be there" in refused.value.__notes__[0]
    assert opensearch.live() == []


def test_earlier_indexes_that_cannot_be_deleted_are_a_warning(opensearch: Any) -> None:
    target = SearchIndexTarget(url=opensearch.url, earlier_kept=0)
    first_index = target.publish_on_terms(opensearch.name, numbered(2), BY_ID)["index"]

    def fault(request: Request, forward: Forward) -> Response:
        return Response(BUSY, 403) if request.method == "DELETE" else forward()

    warnings: list[str] = []
    with proxy.before(opensearch.url, fault) as between:
        found = SearchIndexTarget(url=between.url, earlier_kept=0).publish_on_terms(
            opensearch.name,
            numbered(2),
            Terms(metadata=BY_ID.metadata, warn=warnings.append),
        )
    assert "is published, but earlier indexes are left" in warnings[0]
    assert opensearch.live() == [found["index"]]
    assert first_index in opensearch.indexes()


def test_a_server_that_copies_no_index_gets_everything(opensearch: Any, tmp_path: Path) -> None:
    target = SearchIndexTarget(url=opensearch.url, memory=str(tmp_path))
    target.publish_on_terms(opensearch.name, numbered(3, "old"), BY_ID)
    refusing = first(1, lambda _request, _forward: Response(BUSY, 410), "/_clone/")
    with proxy.before(opensearch.url, refusing) as between:
        found = SearchIndexTarget(url=between.url, memory=str(tmp_path)).publish_on_terms(
            opensearch.name, numbered(3, "new"), BY_ID
        )
    assert "sent" not in found
    assert {each["title"] for each in opensearch.documents().values()} == {"new"}


def test_a_copy_that_fails_leaves_what_is_live(search: Any, tmp_path: Path) -> None:
    target = SearchIndexTarget(url=search.url, memory=str(tmp_path))
    live = target.publish_on_terms(search.name, numbered(100, "old"), BY_ID)["index"]
    refusing = first(1, lambda _request, _forward: Response(BUSY, 400), "/_bulk")
    with proxy.before(search.url, refusing) as between, pytest.raises(StopRun):
        SearchIndexTarget(url=between.url, memory=str(tmp_path)).publish_on_terms(
            search.name, numbered(100, "new"), BY_ID
        )
    assert search.indexes() == search.live() == [live]
    assert {each["title"] for each in search.documents().values()} == {"old"}
    found = target.publish_on_terms(search.name, numbered(100, "new"), BY_ID)
    assert (found["sent"], found["documents"]) == (100, 100)
    assert {each["title"] for each in search.documents().values()} == {"new"}


def test_shards_that_do_not_answer_are_not_counted_as_empty(opensearch: Any) -> None:
    partly = json.dumps({"count": 1, "_shards": {"failed": 1}}).encode()
    failing = first(1, lambda _request, _forward: Response(partly), "/_count")
    with proxy.before(opensearch.url, failing) as between, pytest.raises(StopRun) as refused:
        SearchIndexTarget(url=between.url).publish_on_terms(opensearch.name, numbered(2), BY_ID)
    assert "1 shards of" in str(refused.value)
    assert opensearch.indexes() == []


def test_a_document_that_someone_else_adds_is_noticed(opensearch: Any) -> None:
    def add(request: Request, forward: Forward) -> Response:
        if request.path.endswith("/_refresh"):
            index = request.path.split("/")[1]
            opensearch.ask("POST", f"/{index}/_doc/by-hand", {"title": "by hand"})
        return forward()

    with proxy.before(opensearch.url, add) as between, pytest.raises(Refused) as refused:
        SearchIndexTarget(url=between.url).publish_on_terms(opensearch.name, numbered(2), BY_ID)
    assert "the new index has 3. What was live stays live. Did someone else" in str(refused.value)


def test_a_long_publication_says_that_it_is_alive(opensearch: Any) -> None:
    from collectionflow.output._search_http import SearchServer
    from collectionflow.output._search_indexes import NewIndex, look
    from collectionflow.output._search_login import Login

    with SearchServer(opensearch.url, Login()) as server:
        index = NewIndex(server, opensearch.name)
        index.create({}, {})
        (before,) = look(server, opensearch.name).indexes
        index.still_alive()
        assert look(server, opensearch.name).indexes == (before,)
        index._said_at = datetime.now(UTC) - timedelta(minutes=2)
        index.still_alive()
        (after,) = look(server, opensearch.name).indexes
    assert after.says["alive_at"] > before.says["alive_at"]
    assert after.is_abandoned(datetime.now(UTC) + timedelta(minutes=61))


# Killed: the server, and the run


@pytest.fixture
def own_server() -> Iterator[opensearch_server.Server]:
    """A server that no other test needs."""
    try:
        with opensearch_server.running() as server:
            yield server
    except MissingServerError as error:
        pytest.skip(str(error))


def test_a_server_that_is_killed_and_comes_back_has_every_document(
    own_server: opensearch_server.Server,
) -> None:
    target = SearchIndexTarget(url=own_server.url)
    target.publish_on_terms("objects", numbered(120, "old"), BY_ID)
    killed: list[bool] = []

    def kill(request: Request, forward: Forward) -> Response:
        if request.path.endswith("/_bulk") and not killed:
            answer = forward()
            killed.append(True)
            own_server.kill()
            threading.Thread(target=own_server.start).start()
            return answer
        return forward()

    with proxy.before(own_server.url, kill) as between, stamina.set_testing(False):
        target = SearchIndexTarget(url=between.url, requests_in_flight=1)
        found = target.publish_on_terms("objects", LARGE, BY_ID)
    assert killed
    assert found["documents"] == SearchIndexTarget(url=own_server.url).count("objects") == 120
    aliases = own_server.ask("GET", "/objects*/_alias")
    assert [name for name, each in aliases.items() if "objects" in each["aliases"]] == [
        found["index"]
    ]


def test_a_run_that_is_killed_leaves_what_is_live(search: Any, live: str) -> None:
    reached = threading.Event()

    def hold(request: Request, forward: Forward) -> Response:
        answer = forward()
        if request.path.endswith("/_bulk"):
            reached.set()
            time.sleep(0.5)
        return answer

    script = f"""
        import polars as pl
        from collectionflow.output import SearchIndexTarget, document_id
        from collectionflow.output._target import Terms
        frame = pl.LazyFrame({{"id": range(120), "title": ["x" * 90_000] * 120}})
        import sys
        SearchIndexTarget(url=sys.argv[1]).publish_on_terms(
            {search.name!r}, frame, Terms(metadata=document_id("id"))
        )
    """
    with proxy.before(search.url, hold) as between:
        run = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), between.url])
        assert reached.wait(60)
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert search.live() == [live]
    assert len(search.documents()) == 100
    # Whoever looks now cannot know that its run is dead, so it is left for an hour.
    found = SearchIndexTarget(url=search.url).publish_on_terms(search.name, numbered(100), BY_ID)
    old, left, new = search.indexes()
    assert [old, new] == [live, found["index"]]
    hour_ago = (datetime.now(UTC) - timedelta(minutes=61)).isoformat()
    says = {"_meta": {"collectionflow": {"alive_at": hour_ago}}}
    search.ask("PUT", f"/{left}/_mapping", says)
    SearchIndexTarget(url=search.url).publish_on_terms(search.name, numbered(100), BY_ID)
    assert left not in search.indexes()


# Who asks


def published_headers(opensearch: Any, **options: Any) -> dict[str, str]:
    with proxy.before(opensearch.url) as between:
        url = between.url.replace("//", f"//{options.pop('user_info', '')}")
        SearchIndexTarget(url=url, **options).publish_on_terms(opensearch.name, numbered(1), BY_ID)
    return dict(next(each for each in between.requests if "/_bulk" in each.path).headers)


def test_an_api_key_is_sent_as_elastic_takes_it(opensearch: Any) -> None:
    headers = published_headers(opensearch, api_key="a2V5OnMzY3JldA==")
    assert headers["authorization"] == "ApiKey a2V5OnMzY3JldA=="
    assert headers["content-encoding"] == "gzip"
    assert headers["user-agent"].startswith("collectionflow/")


def test_a_name_and_password_are_sent_from_the_options_or_the_url(opensearch: Any) -> None:
    expected = "Basic d3JpdGVyOnMzY3JldCE="
    headers = published_headers(opensearch, username="writer", password="s3cret!")
    assert headers["authorization"] == expected
    headers = published_headers(opensearch, user_info="writer:s3cret%21@")
    assert headers["authorization"] == expected


def test_who_asks_is_said_in_one_way() -> None:
    target = SearchIndexTarget(url="https://a:b@127.0.0.1:9", api_key="key")
    with pytest.raises(StopRun, match="Set one of api_key, username with password"):
        target.count("objects")


@pytest.mark.parametrize(
    "url", ["search.example.org", "https://host:port", "ftp://host", "http://"]
)
def test_a_url_that_is_none_is_told_without_being_shown(url: str) -> None:
    with pytest.raises(StopRun, match=r"cannot be read\. Expected the form"):
        SearchIndexTarget(url=url).count("objects")


@pytest.mark.parametrize(
    "said",
    [
        b'{"error": {"type": "security_exception", "reason": "no ApiKey s3cret-key here"}}',
        b'{"error": "no ApiKey s3cret-key here"}',
        b"no ApiKey s3cret-key here",
    ],
)
def test_a_server_that_echoes_a_secret_does_not_make_it_known(opensearch: Any, said: bytes) -> None:
    with (
        proxy.before(opensearch.url, lambda _request, _forward: Response(said, 401)) as between,
        pytest.raises(StopRun) as refused,
    ):
        SearchIndexTarget(url=between.url, api_key="s3cret-key").count("objects")
    assert "'no ApiKey *** here'. Check the target's API key" in str(refused.value)
    assert "s3cret" not in repr(refused.value)


def test_requests_are_signed_as_aws_checks_them(
    opensearch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    with proxy.before(opensearch.url) as between:
        SearchIndexTarget(url=between.url, aws_region="eu-west-1").publish_on_terms(
            opensearch.name, numbered(1), BY_ID
        )
    assert len(between.requests) > 8
    for request in between.requests:
        assert request.headers["authorization"] == signature(request, "s3cret", "eu-west-1")


def signature(request: Request, secret: str, region: str) -> str:
    """Compute AWS Signature Version 4 of a request as its documentation tells."""
    from urllib.parse import quote

    given = request.headers["authorization"]
    names = given.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    at = request.headers["x-amz-date"]
    scope = f"{at[:8]}/{region}/es/aws4_request"
    canonical = "\n".join(
        [
            request.method,
            quote(request.path),
            "&".join(
                f"{quote(name, safe='')}={quote(value, safe='')}"
                for name, value in sorted(request.query.items())
            ),
            *(f"{name}:{request.headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signed = hmac.new(key, f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}".encode(), "sha256")
    return (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={signed.hexdigest()}"
    )


def test_without_aws_credentials_nothing_can_be_signed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StopRun, match="There are no AWS credentials to sign with"):
        SearchIndexTarget(url="http://127.0.0.1:9", aws_region="eu-west-1").count("objects")


def test_signing_names_the_extra_that_it_needs(tmp_path: Path) -> None:
    (tmp_path / "botocore.py").write_text("raise ImportError")
    script = """
        from collectionflow.output import SearchIndexTarget
        SearchIndexTarget(url="http://127.0.0.1:9", aws_region="eu-west-1").count("objects")
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Run: uv add 'collectionflow[aws]'" in found.stderr


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate and key of a server that its own authority signed."""
    folder = tmp_path_factory.mktemp("authority")
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", *name),
            *("-keyout", folder / "key.pem", "-out", folder / "certificate.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


def test_a_server_with_its_own_authority_is_trusted_by_its_file(
    opensearch: Any, authority: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "certificate.pem", authority / "key.pem")
    with proxy.before(opensearch.url, tls=context) as between:
        with pytest.raises(StopRun, match=r"is not trusted .* Set the target.s ca_file"):
            SearchIndexTarget(url=between.url).count(opensearch.name)
        target = SearchIndexTarget(url=between.url, ca_file=str(authority / "certificate.pem"))
        assert target.publish_on_terms(opensearch.name, numbered(2), BY_ID)["documents"] == 2
        broken = SearchIndexTarget(url=between.url, ca_file=str(authority / "key.pem"))
        with pytest.raises(StopRun, match=r"key\.pem. cannot be read as certificates"):
            broken.count(opensearch.name)


def test_the_proxy_of_the_environment_is_used(
    opensearch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy.before(opensearch.url) as between:
        monkeypatch.setenv("http_proxy", between.url)
        monkeypatch.setenv("no_proxy", "")
        SearchIndexTarget(url="http://search.example.org").publish_on_terms(
            opensearch.name, numbered(1), BY_ID
        )
    assert len(opensearch.documents()) == 1


# What is sent


def test_a_request_is_as_large_as_it_may_be_and_no_larger() -> None:
    lines = documents(pl.LazyFrame({"id": range(5_000), "title": ["x" * 3_000] * 5_000}), "id")
    sizes = [
        body.select(pl.col("lines").str.len_bytes() + 1).sum().item() for body in bodies(lines)
    ]
    assert all(7_990_000 < size <= 8_000_000 for size in sizes[:-1])
    assert len(sizes) == 2


def test_a_document_larger_than_a_request_stands_alone() -> None:
    lines = pl.DataFrame({"id": list("abcd"), "lines": ["x" * 9, "x" * 30, "x" * 9, "x" * 9]})
    assert [body["id"].to_list() for body in bodies([lines, lines.head(1)], limit=20)] == [
        ["a"],
        ["b"],
        ["c", "d"],
        ["a"],
    ]
