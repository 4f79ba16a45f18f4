import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from servers.oai_pmh import Record, Repository, dublin_core, sample
from servers.web import Request, Response, Site, serve
from upath import UPath

from collectionflow import Frame, SourceError, SourceUnavailable, drop_guard
from collectionflow.contract import contract_of
from collectionflow.harvest import ApiKey, TableSource
from collectionflow.harvest._oai_pmh import Identity, Window, windows_of
from collectionflow.harvest.oai_pmh import OaiPmhSource
from collectionflow.harvest.xml import XmlRecords
from collectionflow.notes import Notes
from collectionflow.storage.ledger import read_ledger
from collectionflow.storage.versions import StoredTable

# Dagster itself uses what it deprecates where a resource is inside of another.
pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Portraits(pa.DataFrameModel):
    oai_identifier: str = pa.Field(unique=True)
    oai_datestamp: str
    is_deleted: bool
    title: str = pa.Field(nullable=True)
    creator: pl.List(pl.String) = pa.Field(nullable=True)


class Titles(pa.DataFrameModel):
    oai_identifier: str
    title: str = pa.Field(nullable=True)


def portrait(number: int, datestamp: str = "2026-01-01T00:00:00Z", **more: Any) -> Record:
    title = more.pop("title", f"Portrait {number}")
    metadata = more.pop("metadata", dublin_core(title=title, creator=["A", "B"][: number % 3]))
    return Record(f"oai:x:{number}", datestamp, metadata, **more)


def portraits(count: int) -> list[Record]:
    return [portrait(number) for number in range(count)]


def repository(records: list[Record], **options: Any) -> Repository:
    return Repository(records, **{"page_size": 10, "clock": lambda: NOON, **options})


def source_of(site: Site, **options: Any) -> OaiPmhSource:
    return OaiPmhSource(base_url=f"{site.url}/oai", **options)


def collected(
    server: Repository, schema: Any = Titles, notes: Notes | None = None, **options: Any
) -> pl.DataFrame:
    with serve(server.answer) as site:
        frame = source_of(site, **options).scan("t", contract_of(schema), notes or Notes())
        return frame.collect()


def lists(site: Site, verb: str = "ListRecords") -> list[dict[str, str]]:
    """Return the arguments of the lists that were asked for."""
    asked = [dict(each.query) for each in site.requests if each.query["verb"] == verb]
    return [{name: each[name] for name in each if name != "verb"} for each in asked]


@dg.asset(metadata=drop_guard(stop=1.0))
def harvested_portraits(portraits: TableSource) -> Frame[Portraits]:
    return portraits.harvest("portraits", Portraits)


def told_titles(frame: pl.DataFrame) -> dict[str, str | None]:
    return dict(frame.select("oai_identifier", "title").sort("oai_identifier").rows())


def test_all_pages_are_one_table() -> None:
    server = repository(portraits(25))
    with serve(server.answer) as site:
        notes = Notes()
        frame = source_of(site).scan("t", contract_of(Portraits), notes).collect()
    assert frame.schema == contract_of(Portraits).dtypes
    assert frame.rows()[:2] == [
        ("oai:x:0", "2026-01-01T00:00:00Z", False, "Portrait 0", []),
        ("oai:x:1", "2026-01-01T00:00:00Z", False, "Portrait 1", ["A"]),
    ]
    assert frame["oai_identifier"].n_unique() == 25
    first, *others = lists(site)
    assert first == {"metadataPrefix": "oai_dc"}
    assert [set(each) for each in others] == [{"resumptionToken"}] * 2
    assert (notes.harvests[0].received, notes.harvests[0].until) == (25, "2026-06-01T12:00:00Z")


def test_a_table_is_the_set_of_its_name() -> None:
    records = [portrait(1, sets=["a", "a:b"]), portrait(2, sets=["c"])]

    class Sets(pa.DataFrameModel):
        oai_sets: pl.List(pl.String)

    assert collected(repository(records), Sets, sets={"t": "a:b"}).rows() == [(["a", "a:b"],)]
    assert collected(repository(records), Sets, sets={"other": "c"}).height == 2


def test_deleted_records_stay_in_without_metadata() -> None:
    gone = portrait(2, is_deleted=True)
    odd = Record("oai:x:3", "2026-01-01T00:00:00Z", dublin_core(title="late"), is_deleted=True)
    notes = Notes()
    frame = collected(repository([portrait(1), gone, odd]), Portraits, notes)
    assert frame.rows()[1:] == [
        ("oai:x:2", "2026-01-01T00:00:00Z", True, None, None),
        ("oai:x:3", "2026-01-01T00:00:00Z", True, None, None),
    ]
    assert notes.harvests[0].deleted == 2
    assert notes.warnings == []


def test_metadata_may_be_kept_as_it_came() -> None:
    class Raw(pa.DataFrameModel):
        metadata: str = pa.Field(nullable=True)

    xml = '<m:mods xmlns:m="urn:m">a <m:b/>&amp;<!-- c --> d</m:mods>'
    records = [portrait(1, metadata=xml), portrait(2, metadata=xml, is_deleted=True)]
    server = repository(records, formats=["mods"])
    frame = collected(server, Raw, metadata_prefix="mods")
    (text, nothing) = frame["metadata"].to_list()
    assert text.startswith("<m:mods xmlns:m=")
    assert text.endswith(">a <m:b/>&amp; d</m:mods>")
    assert nothing is None


class Lido(pa.DataFrameModel):
    oai_identifier: str
    id: str = pa.Field(nullable=True)
    makers: pl.List(pl.Struct({"name": pl.String})) = pa.Field(nullable=True)


LIDO = XmlRecords(
    path="//l:lido",
    namespaces={"l": "urn:lido"},
    fields={"id": "l:id", "makers": "l:actor", "makers.name": "l:name"},
)


def lido(*inner: str) -> str:
    return f'<l:wrap xmlns:l="urn:lido">{"".join(f"<l:lido>{each}</l:lido>" for each in inner)}</l:wrap>'


def test_another_format_is_mapped_as_files_are() -> None:
    actors = "<l:actor><l:name>A</l:name></l:actor><l:actor/>"
    records = [
        portrait(1, metadata=lido(f"<l:id>1</l:id>{actors}")),
        portrait(2, metadata=lido("<l:id/>")),
        portrait(3, is_deleted=True),
    ]
    server = repository(records, formats=["lido"])
    frame = collected(server, Lido, metadata_prefix="lido", records=LIDO)
    assert frame.rows() == [
        ("oai:x:1", "1", [{"name": "A"}, {"name": None}]),
        ("oai:x:2", "", []),
        ("oai:x:3", None, None),
    ]


def test_a_record_whose_metadata_has_two_is_told() -> None:
    server = repository([portrait(1, metadata=lido("", ""))], formats=["lido"])
    with pytest.raises(SourceError, match=r"'metadata' of record 1 .* has 2 records, expected one"):
        collected(server, Lido, metadata_prefix="lido", records=LIDO)


def test_a_second_value_for_a_text_is_told() -> None:
    records = [portrait(1), portrait(2, metadata=dublin_core(title=["one", "two"]))]
    with pytest.raises(SourceError, match=r"'title' of record 2 .*has 2 values: 'one', 'two'"):
        collected(repository(records))


def test_records_without_metadata_are_kept_and_told() -> None:
    notes = Notes()
    records = [portrait(1), portrait(2, metadata="")]
    assert collected(repository(records), Titles, notes).rows()[1] == ("oai:x:2", None)
    assert "sent 1 records of 't' without the metadata" in notes.warnings[0]
    assert "'oai:x:2'" in notes.warnings[0]


def test_elements_that_nobody_names_are_told() -> None:
    notes = Notes()
    collected(repository(portraits(3)), Titles, notes)
    (warning,) = notes.warnings
    assert "elements that Titles does not name, so they are left behind: 'creator' (3)" in warning


def test_headers_alone_need_no_mapping() -> None:
    class Headers(pa.DataFrameModel):
        oai_identifier: str

    notes = Notes()
    records = portraits(3)
    server = repository(records, formats=["x"])
    assert collected(server, Headers, notes, metadata_prefix="x").height == 3
    assert notes.warnings == []
    collected(repository(records), Headers, notes)
    assert "'creator' (3), 'title' (3)" in notes.warnings[0]


def test_many_records_come_in_several_frames() -> None:
    records = [portrait(number, title="long " * 100_000) for number in range(20)]
    frame = collected(repository(records))
    assert frame["title"].str.len_bytes().sum() == 20 * 500_000


def test_a_column_that_cannot_come_is_told_before_anything_is_asked() -> None:
    class Wrong(pa.DataFrameModel):
        titel: str

    source = OaiPmhSource(base_url="http://127.0.0.1:9/oai")
    with pytest.raises(SourceError, match=r"'titel' is missing .* Is 'titel' now 'title'?"):
        source.scan("t", contract_of(Wrong), Notes())
    wrong = source.model_copy(update={"records": LIDO.model_copy(update={"path": "lido"})})
    with pytest.raises(SourceError, match="cannot be followed"):
        wrong.scan("t", contract_of(Lido), Notes())
    query = OaiPmhSource(base_url="http://127.0.0.1:9/oai?key=s3cret")
    with pytest.raises(SourceError, match="base_url has a query") as error:
        query.scan("t", contract_of(Titles), Notes())
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        ({"formats": ["mods", "lido"]}, {}, "It offers: 'mods', 'lido'"),
        ({"has_sets": False}, {"sets": {"t": "a"}}, "Take the set out of the source's `sets`"),
        ({}, {"sets": {"t": "nothing"}}, "has no records in its set 'nothing' with the prefix"),
        ({"records": []}, {}, "has no records with the prefix 'oai_dc'"),
    ],
)
def test_a_repository_that_refuses_is_told(
    options: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    server = repository(**{"records": portraits(1), **options})
    with pytest.raises(SourceError, match=message):
        collected(server, **settings)


def test_formats_that_are_not_told_are_not_told() -> None:
    server = repository(portraits(1), formats=["mods"])
    server.fault = refusing("ListMetadataFormats", "badVerb")
    with pytest.raises(SourceError, match=r"Check the source's metadata_prefix.$"):
        collected(server)


def refusing(verb: str, code: str) -> Callable[[Request], Response | None]:
    def fault(request: Request) -> Response | None:
        if request.query["verb"] != verb:
            return None
        said = f"No, {request.query.get('key', 'never')}"
        text = f'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><error code="{code}">{said}</error></OAI-PMH>'
        return Response(text.encode())

    return fault


@pytest.mark.parametrize(
    ("verb", "code", "message"),
    [
        ("Identify", "badVerb", "answered 'badVerb': 'No, .*'. Check the source's base_url"),
        ("ListRecords", "badArgument", "Check the source's metadata_prefix and `sets`"),
        ("ListRecords", "badResumptionToken", "Ask the repository"),
        ("ListRecords", "idDoesNotExist", "answered 'idDoesNotExist'"),
    ],
)
def test_an_error_of_the_protocol_is_told_without_secrets(
    verb: str, code: str, message: str
) -> None:
    server = repository(portraits(1), fault=refusing(verb, code))
    key = ApiKey(key="s3cret", parameter="key")
    with pytest.raises(SourceError, match=message) as error:
        collected(server, credentials=key)
    assert "'No, ***'" in str(error.value)
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None


def test_an_answer_that_nothing_has_changed_is_not_asked_for() -> None:
    server = repository(portraits(1), fault=lambda _request: Response(status=304))
    with pytest.raises(SourceError, match="304"):
        collected(server)


def test_no_source_tells_its_credentials(run: Callable[..., Any]) -> None:
    with serve(repository(portraits(1)).answer) as site:
        source = source_of(site, credentials=ApiKey(key="s3cret"))
        made = run(harvested_portraits, resources={"portraits": source})
    assert site.requests[0].headers["x-api-key"] == "s3cret"
    left = "".join(
        path.read_text(errors="replace") for path in made.folder.rglob("*") if path.is_file()
    )
    assert "s3cret" not in left + str(made.metadata("harvested_portraits"))


def faults(
    *answers: Response | None, on: str = "ListRecords"
) -> Callable[[Request], Response | None]:
    """Answer the requests of one verb so, one after the other, and then as usual."""
    left = list(answers)

    def fault(request: Request) -> Response | None:
        return left.pop(0) if request.query["verb"] == on and left else None

    return fault


PAGE = b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026'


@pytest.mark.parametrize(
    "fault",
    [
        Response(status=503, headers={"Retry-After": "0"}),
        Response(status=500),
        Response(PAGE),  # Cut off by a proxy that says nothing of it.
        Response(PAGE + b" \x02</responseDate></OAI-PMH>"),
        Response(PAGE, cut_after=20),
        Response(PAGE, headers={"Content-Length": "9999"}, cut_after=20),
        Response(b"<html><body>We are back soon.</body></html>"),
        Response(b""),
    ],
)
def test_a_page_that_fails_is_asked_for_again(fault: Response) -> None:
    server = repository(portraits(25), fault=faults(None, fault, None, fault))
    notes = Notes()
    assert collected(server, Titles, notes).height == 25
    assert notes.harvests[0].retries == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            PAGE + b" \x02</responseDate></OAI-PMH>",
            "no well-formed XML at line 1, column 7.*'PCDATA",
        ),
        (b"<html/>", "does not answer as an OAI-PMH 2.0 repository, but with an element 'html'"),
    ],
)
def test_a_page_that_is_always_malformed_is_told(body: bytes, message: str) -> None:
    server = repository(portraits(25), fault=faults(None, *[Response(body)] * 8))
    with pytest.raises(SourceUnavailable, match=message):
        collected(server)


def test_a_token_that_expires_begins_the_list_anew() -> None:
    server = repository(portraits(35))
    asked = []

    def fault(request: Request) -> None:
        asked.append(request)
        if len(asked) == 4:  # The third page.
            server.expire()
            # What was on the first page is gone, and what was on the third is on the second.
            server.records = [each for each in server.records if each.identifier != "oai:x:0"]
            server.put(portrait(1, "2026-02-01T00:00:00Z", title="changed"))

    server.fault = fault
    frame = collected(server)
    expected = {f"oai:x:{number}": f"Portrait {number}" for number in range(1, 35)}
    assert told_titles(frame) == dict(sorted((expected | {"oai:x:1": "changed"}).items()))


def test_tokens_that_always_expire_stop_the_harvest() -> None:
    server = repository(portraits(35))

    def fault(request: Request) -> None:
        if "resumptionToken" in request.query:
            server.expire()

    server.fault = fault
    with pytest.raises(SourceUnavailable, match=r"no longer knew a resumption token .* 4 times"):
        collected(server)


def test_a_token_that_comes_again_would_have_no_end() -> None:
    class Looping(Repository):
        def _token(self, name: str, start: int, size: int) -> str:
            del start, size
            return f"<resumptionToken>{name}:10</resumptionToken>"

    server = Looping(portraits(35), page_size=10)
    with pytest.raises(SourceError, match="sent the resumption token of an earlier page again"):
        collected(server)


def test_a_list_that_ends_early_is_begun_anew() -> None:
    end = dublin_core(title="x")
    short = (
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record><header>'
        "<identifier>oai:x:10</identifier><datestamp>2026-01-01</datestamp></header>"
        f"<metadata>{end}</metadata></record></ListRecords></OAI-PMH>"
    )
    server = repository(portraits(25), fault=faults(None, Response(short.encode())))
    assert told_titles(collected(server))["oai:x:10"] == "Portrait 10"


def test_a_list_that_always_ends_early_stops_the_harvest() -> None:
    server = repository(portraits(25), stated_size=lambda size, _offset: size + 1)
    with pytest.raises(SourceUnavailable, match=r"has 26 records .completeListSize., but sent 25"):
        collected(server)
    assert collected(server, is_size_exact=False).height == 25


def test_a_size_may_change_on_the_way_and_need_not_be_said() -> None:
    growing = repository(portraits(25), stated_size=lambda size, offset: size + offset)
    assert collected(growing).height == 25
    silent = repository(portraits(25), stated_size=lambda _size, _offset: None)
    assert collected(silent).height == 25


def test_a_page_that_comes_twice_counts_once() -> None:
    server = repository(portraits(20), stated_size=lambda _size, _offset: None)
    token = server._token

    def twice(name: str, start: int, size: int) -> str:
        if start == 0:
            return f"<resumptionToken>{name}:00</resumptionToken>"
        return token(name, start, size)

    first = [True]

    def once(name: str, start: int, size: int) -> str:
        if first:
            first.clear()
            return twice(name, start, size)
        return token(name, start, size)

    server._token = once
    frame = collected(server)
    assert frame.height == 20
    assert frame["oai_identifier"].n_unique() == 20


def test_a_record_that_changes_meanwhile_counts_once_as_it_is_now() -> None:
    server = repository([portrait(n, f"2026-01-{n + 1:02}T00:00:00Z") for n in range(25)])
    asked = []

    def fault(request: Request) -> None:
        asked.append(request)
        if len(asked) == 3:
            late = portrait(3, "2026-06-01T12:00:00Z", title="changed")
            (chosen,) = server._lists.values()
            chosen.append(late)

    server.fault = fault
    frame = collected(server)
    assert frame.height == 25
    assert told_titles(frame)["oai:x:3"] == "changed"


def test_the_later_datestamp_holds_and_an_unreadable_one_does_not() -> None:
    records = [
        portrait(1, "2026-02-01T00:00:00Z", title="new"),
        portrait(1, "2026-01-01", title="old"),
        portrait(2, "unknown", title="?"),
        portrait(2, "2026-01-01T00:00:00Z", title="known"),
    ]

    class Unsorted(Repository):
        def _chosen(self, query: Mapping[str, str]) -> list[Record]:
            assert "metadataPrefix" in query
            return self.records

    server = Unsorted(records, page_size=10)
    assert told_titles(collected(server)) == {"oai:x:1": "new", "oai:x:2": "known"}


def test_a_record_without_an_identifier_is_told() -> None:
    server = repository([Record("", "2026-01-01T00:00:00Z", dublin_core(title="x"))])
    with pytest.raises(SourceError, match="a record without an identifier"):
        collected(server)


@contextmanager
def changing(run: Callable[..., Any], **options: Any) -> Generator[Any]:
    """Yield a repository, and what harvests it into a table."""
    server = repository(portraits(3), **options)
    with serve(server.answer) as site:

        def harvest(**settings: Any) -> Any:
            del site.requests[:]
            made = run(harvested_portraits, resources={"portraits": source_of(site, **settings)})
            assert made.is_success
            return made

        yield server, site, harvest


def test_a_later_harvest_asks_only_for_what_changed(run: Callable[..., Any]) -> None:
    with changing(run) as (server, site, harvest):
        harvest()
        server.clock = lambda: datetime(2026, 6, 2, 12, tzinfo=UTC)
        server.put(portrait(1, "2026-06-01T11:30:00Z", title="changed"))
        server.put(portrait(2, "2026-06-01T13:00:00Z", is_deleted=True))
        server.put(portrait(9, "2026-06-02T12:00:00Z"))
        made = harvest()
        assert lists(site) == [{"metadataPrefix": "oai_dc", "from": "2026-06-01T11:00:00Z"}]
        assert told_titles(made.stored("harvested_portraits")) == {
            "oai:x:0": "Portrait 0",
            "oai:x:1": "changed",
            "oai:x:2": None,
            "oai:x:9": "Portrait 9",
        }
        again = harvest()
        assert lists(site) == [{"metadataPrefix": "oai_dc", "from": "2026-06-02T11:00:00Z"}]
        assert again.stored("harvested_portraits").height == 4
    ledger = read_ledger(StoredTable(base=UPath(made.folder), name="harvested_portraits"))
    assert ledger.select("since", "until", "received", "deleted", "outcome").rows() == [
        (None, "2026-06-01T12:00:00Z", 3, 0, "published"),
        ("2026-06-01T11:00:00Z", "2026-06-02T12:00:00Z", 3, 1, "published"),
        ("2026-06-02T11:00:00Z", "2026-06-02T12:00:00Z", 1, 0, "published"),
    ]


def test_nothing_changed_is_no_change(run: Callable[..., Any]) -> None:
    with changing(run) as (_, site, harvest):
        harvest()
        made = harvest()
        assert len(lists(site)) == 1
        assert made.stored("harvested_portraits").height == 3
        assert made.metadata("harvested_portraits")["records_received"] == 0


def test_datestamps_of_days_reach_back_a_day(run: Callable[..., Any]) -> None:
    options = {"is_by_day": True, "earliest": "2026-01-01"}
    with changing(run, **options) as (server, site, harvest):
        server.records = [portrait(1, "2026-05-30")]
        harvest()
        server.put(portrait(1, "2026-05-31", title="changed"))
        made = harvest()
        assert lists(site) == [{"metadataPrefix": "oai_dc", "from": "2026-05-31"}]
        assert told_titles(made.stored("harvested_portraits")) == {"oai:x:1": "changed"}


@pytest.mark.parametrize("deletions", ["no", "transient"])
def test_where_deletions_are_not_told_all_identifiers_are_asked_for(
    run: Callable[..., Any], deletions: str
) -> None:
    with changing(run, deletions=deletions) as (server, site, harvest):
        server.records = portraits(25)
        harvest()
        assert lists(site, "ListIdentifiers") == []
        del server.records[7]
        server.put(portrait(3, "2026-06-01T12:00:00Z", title="changed"))
        asked = []

        def fault(request: Request) -> None:
            asked.append(request.query["verb"])
            if asked[-2:] == ["ListIdentifiers"] * 2 and asked.count("ListIdentifiers") == 2:
                server.expire()

        server.fault = fault
        made = harvest()
        assert lists(site) == [{"metadataPrefix": "oai_dc", "from": "2026-06-01T11:00:00Z"}]
        titles = told_titles(made.stored("harvested_portraits"))
        assert titles.keys() == {f"oai:x:{number}" for number in range(25) if number != 7}
        assert titles["oai:x:3"] == "changed"
        assert asked.count("ListIdentifiers") == 5


@pytest.mark.parametrize(
    "settings",
    [
        {"sets": {"portraits": "a"}},
        {"records": XmlRecords(path="/*", fields={"title": "*", "creator": "nothing"})},
    ],
)
def test_another_request_is_harvested_in_full(
    run: Callable[..., Any], settings: dict[str, Any]
) -> None:
    with changing(run) as (server, site, harvest):
        server.records = [portrait(0, sets=["a"])]
        harvest()
        harvest(**settings)
        assert "from" not in lists(site)[0]
        harvest(**settings)
        assert lists(site)[0]["from"] == "2026-06-01T11:00:00Z"


def test_without_its_own_clock_a_repository_is_harvested_in_full(run: Callable[..., Any]) -> None:
    class Undated(Repository):
        def answer(self, request: Request) -> Response:
            body = super().answer(request).body.replace(b"<responseDate>2026", b"<responseDate>x")
            return Response(body)

    server = Undated(portraits(3), page_size=10, clock=lambda: NOON)
    with serve(server.answer) as site:
        for _ in range(2):
            source = source_of(site, window_days=30)
            made = run(harvested_portraits, resources={"portraits": source})
            assert made.stored("harvested_portraits").height == 3
    assert lists(site) == [{"metadataPrefix": "oai_dc"}] * 2


def test_a_state_that_is_no_time_is_harvested_in_full() -> None:
    identity = Identity(now=NOON, earliest=None, is_by_day=False, keeps_deletions=True)
    assert identity.before("") is None
    assert windows_of(identity, 10) == [Window()]


def test_a_table_without_identifiers_is_harvested_in_full_each_time(
    run: Callable[..., Any],
) -> None:
    class Bare(pa.DataFrameModel):
        title: str

    @dg.asset
    def bare(portraits: TableSource) -> Frame[Bare]:
        return portraits.harvest("portraits", Bare)

    with serve(repository(portraits(3)).answer) as site:
        for _ in range(2):
            made = run(bare, resources={"portraits": source_of(site)})
            assert made.stored("bare").height == 3
    assert lists(site) == [{"metadataPrefix": "oai_dc"}] * 2


def test_a_first_harvest_may_be_split_into_windows() -> None:
    months = [portrait(n, f"2026-{n:02}-15T00:00:00Z") for n in (1, 2, 4, 5)]
    server = repository(months, earliest="2026-01-01T00:00:00Z")
    asked = []

    def fault(request: Request) -> None:
        asked.append(request)
        if len(asked) == 4:  # The third window is asked for: a record moves out of it.
            server.put(portrait(4, "2026-06-01T11:59:59Z", title="changed"))

    server.fault = fault
    with serve(server.answer) as site:
        frame = source_of(site, window_days=31).harvest("t", Titles).collect()
    assert [(each.get("from"), each.get("until")) for each in lists(site)] == [
        (None, "2026-02-01T00:00:00Z"),
        ("2026-02-01T00:00:00Z", "2026-03-04T00:00:00Z"),
        ("2026-03-04T00:00:00Z", "2026-04-04T00:00:00Z"),
        ("2026-04-04T00:00:00Z", "2026-05-05T00:00:00Z"),
        ("2026-05-05T00:00:00Z", None),
    ]
    assert told_titles(frame) == {
        "oai:x:1": "Portrait 1",
        "oai:x:2": "Portrait 2",
        "oai:x:4": "changed",
        "oai:x:5": "Portrait 5",
    }


def test_a_slip_among_the_datestamps_makes_no_thousand_windows() -> None:
    identity = Identity(
        now=NOON, earliest=datetime(1, 1, 1, tzinfo=UTC), is_by_day=True, keeps_deletions=True
    )
    assert len(windows_of(identity, 365)) < 40


def test_a_long_list_says_how_far_it_has_come(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="collectionflow")
    assert collected(repository(portraits(60), page_size=2)).height == 60
    assert "50 records so far" in caplog.text


def test_a_frame_that_runs_again_harvests_again() -> None:
    server = repository(portraits(15))
    with serve(server.answer) as site:
        frame = source_of(site).harvest("t", Titles)
        assert frame.collect().height == 15
        server.put(portrait(99))
        assert frame.collect().height == 16


CHILD = """
import sys
from pathlib import Path

import dagster as dg
import pandera.polars as pa
import polars as pl

from collectionflow import Frame, ParquetIOManager
from collectionflow.harvest import TableSource
from collectionflow.harvest.oai_pmh import OaiPmhSource


class Portraits(pa.DataFrameModel):
    oai_identifier: str = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


@dg.asset
def portraits(museum: TableSource) -> Frame[Portraits]:
    return museum.harvest("portraits", Portraits)


source = OaiPmhSource(base_url=sys.argv[1], window_days=60)
resources = {"io_manager": ParquetIOManager(base_dir=sys.argv[2]), "museum": source}
dg.materialize([portraits], resources=resources)
"""


def child(site: Site, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, f"{site.url}/oai", str(folder)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)


def test_a_harvest_that_was_killed_goes_on_where_it_stopped(tmp_path: Path) -> None:
    server = repository(sample(250), earliest="2026-01-01T00:00:00Z")
    halfway = 15
    server.fault = lambda _request: (
        Response(delay_seconds=60) if len(site.requests) > halfway else None
    )
    with serve(server.answer) as site:
        process = child(site, tmp_path)
        while len(site.requests) <= halfway:
            assert process.poll() is None, "The harvest ended before it could be killed."
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        del site.requests[:]
        server.fault = lambda _request: None
        server.expire()  # Only the window that it was killed in is begun anew.
        assert child(site, tmp_path).wait() == 0
        assert len(lists(site)) < 25
    expected = {
        each.identifier: None if each.is_deleted else f"Portrait {each.identifier.split(':')[2]}"
        for each in server.records
    }
    stored = pl.read_parquet(tmp_path / "portraits.parquet")
    assert told_titles(stored) == dict(sorted(expected.items()))
    line = json.loads((tmp_path / ".collectionflow/ledger/portraits.ndjson").read_text())
    assert (line["received"], line["until"]) == (250, "2026-06-01T12:00:00Z")
    assert line["resumed"] > 100
    assert not list((tmp_path / ".collectionflow").rglob("*.page"))


def test_a_harvest_that_failed_goes_on_where_it_stopped(run: Callable[..., Any]) -> None:
    server = repository(portraits(35))
    with serve(server.answer) as site:
        resources = {"portraits": source_of(site)}
        server.fault = faults(None, None, *[Response(status=500)] * 8)
        assert "500" in str(run(harvested_portraits, resources=resources).failure() or "500")
        del site.requests[:]
        server.clock = lambda: datetime(2026, 6, 2, tzinfo=UTC)
        made = run(harvested_portraits, resources=resources)
        assert made.stored("harvested_portraits")["oai_identifier"].n_unique() == 35
        assert [set(each) for each in lists(site)] == [{"resumptionToken"}] * 2
        # What changed since the first of the two began is asked for by the next.
        run(harvested_portraits, resources=resources)
        assert lists(site)[2] == {"metadataPrefix": "oai_dc", "from": "2026-06-01T11:00:00Z"}


def test_data_that_cannot_be_used_is_asked_for_anew(run: Callable[..., Any]) -> None:
    server = repository([portrait(1, title=["two", "titles"])])
    with serve(server.answer) as site:
        resources = {"portraits": source_of(site)}
        assert "2 values" in run(harvested_portraits, resources=resources).reason()
        server.records = portraits(1)
        assert run(harvested_portraits, resources=resources).is_success


def test_the_sample_server_serves() -> None:
    command = [sys.executable, "-m", "servers.oai_pmh"]
    scripts = Path(__file__).parents[2] / "scripts"
    with subprocess.Popen(command, cwd=scripts, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        source = OaiPmhSource(base_url=process.stdout.readline().strip())
        found = source.harvest("t", Titles).collect()
        process.terminate()
    assert found.height == 250
