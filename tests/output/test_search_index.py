import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import Frame, ProjectError, Refused, StopRun, drop_guard
from collectionflow.contract import contract_of
from collectionflow.output import SearchIndexTarget, document_id
from collectionflow.output._target import Terms
from collectionflow.storage.drop_guard import DropGuard

PERSON = pl.Struct({"name": pl.String, "born": pl.Int16})


class Objects(pa.DataFrameModel):
    number: str = pa.Field(unique=True, metadata={"search": {"type": "keyword"}})
    title: str = pa.Field(nullable=True)
    year: pl.Int32 = pa.Field(nullable=True)
    acquired: date = pa.Field(nullable=True)
    changed: Annotated[pl.Datetime, "us", "UTC"] = pa.Field(nullable=True)
    price: Annotated[pl.Decimal, 12, 2] = pa.Field(nullable=True)
    weight: float = pa.Field(nullable=True)
    is_on_view: bool = pa.Field(nullable=True)
    people: Annotated[pl.List, PERSON] = pa.Field(metadata={"search": {"type": "nested"}})
    makers: Annotated[pl.List, PERSON] = pa.Field(nullable=True)
    place: Annotated[pl.Struct, {"lat": pl.Float64, "lon": pl.Float64}] = pa.Field(
        nullable=True, metadata={"search": {"type": "geo_point"}}
    )


OBJECTS = pl.LazyFrame(
    {
        "number": ["1985/12 a", 'NPG "7"\n'],
        "title": ["Émile Brontë", None],
        "year": [1850, None],
        "acquired": [date(1985, 5, 17), None],
        "changed": [datetime(2024, 5, 17, 9, 30, tzinfo=UTC), None],
        "price": [Decimal("1234567890.10"), None],
        "weight": [1.5, float("nan")],
        "is_on_view": [True, None],
        "people": [[{"name": "Anne", "born": 1820}], []],
        "makers": [[{"name": "Branwell", "born": 1817}, {"name": None, "born": None}], None],
        "place": [{"lat": 53.8, "lon": -1.9}, None],
    },
    schema_overrides=contract_of(Objects).dtypes,
)


def terms(**options: Any) -> Terms:
    return Terms(**({"contract": contract_of(Objects)} | options))


def numbered(count: int, title: str = "Portrait") -> pl.LazyFrame:
    return pl.LazyFrame({"id": range(count), "title": [title] * count})


BY_ID = Terms(metadata=document_id("id"))


def test_each_row_is_a_document_that_a_search_finds_by_its_key(search: Any) -> None:
    SearchIndexTarget(url=search.url).publish_on_terms(search.name, OBJECTS, terms())
    assert search.documents() == {
        "1985/12 a": {
            "number": "1985/12 a",
            "title": "Émile Brontë",
            "year": 1850,
            "acquired": "1985-05-17",
            "changed": "2024-05-17T09:30:00.000000+00:00",
            "price": "1234567890.10",
            "weight": 1.5,
            "is_on_view": True,
            "people": [{"name": "Anne", "born": 1820}],
            "makers": [{"name": "Branwell", "born": 1817}, {"name": None, "born": None}],
            "place": {"lat": 53.8, "lon": -1.9},
        },
        'NPG "7"\n': {
            "number": 'NPG "7"\n',
            "title": None,
            "year": None,
            "acquired": None,
            "changed": None,
            "price": None,
            "weight": None,
            "is_on_view": None,
            "people": [],
            "makers": None,
            "place": None,
        },
    }
    assert SearchIndexTarget(url=search.url).count(search.name) == 2


def test_the_mapping_comes_from_the_contract_and_nothing_is_guessed(search: Any) -> None:
    SearchIndexTarget(url=search.url).publish_on_terms(search.name, OBJECTS, terms())
    text = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
    person = {"properties": {"name": text, "born": {"type": "short"}}}
    assert search.mapping() == {
        "number": {"type": "keyword"},
        "title": text,
        "year": {"type": "integer"},
        "acquired": {"type": "date"},
        "changed": {"type": "date"},
        "price": {"type": "double"},
        "weight": {"type": "double"},
        "is_on_view": {"type": "boolean"},
        "people": {"type": "nested", **person},
        "makers": person,
        "place": {"type": "geo_point"},
    }
    (index,) = search.ask("GET", f"/{search.name}").values()
    assert index["mappings"]["dynamic"] == "strict"
    assert "refresh_interval" not in index["settings"]["index"]


def test_a_search_finds_a_name_whose_diacritics_are_folded(opensearch: Any, tmp_path: Path) -> None:
    folded = {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding"]}
    settings = tmp_path / "search.json"
    settings.write_text(
        json.dumps(
            {
                "settings": {
                    "number_of_shards": 2,
                    "index": {"refresh_interval": "7s"},
                    "index.analysis.analyzer": {"default": folded},
                },
                "mappings": {"properties": {"title": {"fields": {"keyword": {"ignore_above": 9}}}}},
            }
        )
    )
    target = SearchIndexTarget(url=opensearch.url, settings_file=str(settings))
    target.publish_on_terms(opensearch.name, OBJECTS, terms())
    found = opensearch.ask("GET", f"/{opensearch.name}/_search?q=title:bronte")
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["1985/12 a"]
    (index,) = opensearch.ask("GET", f"/{opensearch.name}").values()
    assert index["settings"]["index"]["number_of_shards"] == "2"
    assert index["settings"]["index"]["refresh_interval"] == "7s"
    assert opensearch.mapping()["title"]["fields"]["keyword"]["ignore_above"] == 9


def test_each_publication_is_a_new_index_and_two_earlier_ones_are_kept(search: Any) -> None:
    target = SearchIndexTarget(url=search.url)
    other = f"{search.name}-rare-20260101t000000000000-abcd"
    search.ask("PUT", f"/{other}")
    made = [
        target.publish_on_terms(search.name, numbered(3, f"{number}"), BY_ID)["index"]
        for number in range(4)
    ]
    assert search.indexes() == [*made[1:], other]
    assert search.live() == [made[3]]
    assert {each["title"] for each in search.documents().values()} == {"3"}
    assert search.documents(made[1])["0"]["title"] == "1"


def test_a_rollback_points_the_alias_to_an_earlier_index(search: Any) -> None:
    target = SearchIndexTarget(url=search.url)
    one, two, three = (
        target.publish_on_terms(search.name, numbered(2), BY_ID)["index"] for _ in range(3)
    )
    assert target.rollback(search.name) == two
    assert search.live() == [two]
    assert target.rollback(search.name) == one
    assert target.rollback(search.name, to=three) == three
    assert search.live() == [three]
    with pytest.raises(ProjectError, match=f"There are: '{three}', '{two}', '{one}'"):
        target.rollback(search.name, to="nothing")
    target.rollback(search.name, to=one)
    with pytest.raises(ProjectError, match="no single index older than the live one"):
        target.rollback(search.name)


def test_a_rejected_document_stops_the_publication_with_the_reasons(search: Any) -> None:
    target = SearchIndexTarget(url=search.url)
    live = target.publish_on_terms(search.name, numbered(3), BY_ID)["index"]

    class Years(pa.DataFrameModel):
        id: int = pa.Field(unique=True)
        title: str = pa.Field(metadata={"search": {"type": "date"}})

    frame = pl.LazyFrame({"id": [1, 2, 3, 4], "title": ["1850", "c. 1850", "1851", "about 1850"]})
    with pytest.raises(Refused) as refused:
        target.publish_on_terms(search.name, frame, Terms(contract=contract_of(Years)))
    assert f"The search server rejected 2 documents of '{search.name}', and 0 may be." in str(
        refused.value
    )
    assert "failed to parse field [title] of type [date]" in str(refused.value)
    shown = refused.value.metadata["rejected documents"].value
    assert "| 2 | 2, 4 |" in str(shown)
    assert search.indexes() == search.live() == [live]


def test_as_many_documents_may_be_rejected_as_the_target_says(search: Any) -> None:
    class Years(pa.DataFrameModel):
        id: int = pa.Field(unique=True)
        title: str = pa.Field(metadata={"search": {"type": "date"}})

    frame = pl.LazyFrame({"id": [1, 2], "title": ["1850", "c. 1850"]})
    warnings: list[str] = []
    found = SearchIndexTarget(url=search.url, max_rejected=1).publish_on_terms(
        search.name, frame, Terms(contract=contract_of(Years), warn=warnings.append)
    )
    assert (found["documents"], found["rejected"]) == (1, 1)
    assert "c. 1850" in found["rejected documents"].value
    assert warnings == ["The search server rejected 1 documents."]
    assert list(search.documents()) == ["1"]


def test_a_mapping_that_the_server_refuses_leaves_nothing_behind(search: Any) -> None:
    class Odd(pa.DataFrameModel):
        id: int = pa.Field(unique=True)
        title: str = pa.Field(metadata={"search": {"type": "no_such_type"}})

    with pytest.raises(StopRun, match="no_such_type") as refused:
        SearchIndexTarget(url=search.url).publish_on_terms(
            search.name, numbered(1), Terms(contract=contract_of(Odd))
        )
    assert "answered 400 Bad Request to PUT" in str(refused.value)
    assert search.indexes() == []


def test_the_drop_guard_compares_with_what_is_live(search: Any) -> None:
    target = SearchIndexTarget(url=search.url)
    warnings: list[str] = []
    live = target.publish_on_terms(search.name, numbered(10), BY_ID)["index"]
    with pytest.raises(Refused, match="Rows fell from 10 to 7 \\(-30%\\)"):
        target.publish_on_terms(search.name, numbered(7), BY_ID)
    with pytest.raises(Refused, match="has no documents"):
        target.publish_on_terms(search.name, numbered(0), BY_ID)
    assert search.indexes() == search.live() == [live]
    lenient = Terms(metadata=BY_ID.metadata, guard=DropGuard(stop=0.5), warn=warnings.append)
    target.publish_on_terms(search.name, numbered(7), lenient)
    assert warnings == [f"'{search.name}': Rows fell from 10 to 7 (-30%)."]
    allowed = Terms(metadata=BY_ID.metadata, is_drop_allowed=True)
    assert target.publish_on_terms(search.name, numbered(0), allowed)["documents"] == 0
    empty = Terms(metadata=BY_ID.metadata, guard=DropGuard(allow_empty=True))
    assert target.publish_on_terms(search.name, numbered(0), empty)["documents"] == 0


def test_documents_that_share_an_id_are_not_published(search: Any) -> None:
    frame = pl.LazyFrame({"id": [1, 2, 2, 3, 3, 3]})
    with pytest.raises(Refused) as refused:
        SearchIndexTarget(url=search.url).publish_on_terms(search.name, frame, BY_ID)
    assert "has 6 documents, but the new index has 3" in str(refused.value)
    assert "| 2  | 2                 |\n| 3  | 3                 |" in str(refused.value)
    assert search.indexes() == []


def test_documents_without_an_id_are_not_published(opensearch: Any) -> None:
    frame = pl.LazyFrame({"id": [1, None]})
    with pytest.raises(Refused, match="There are documents without 'id'"):
        SearchIndexTarget(url=opensearch.url).publish_on_terms(opensearch.name, frame, BY_ID)
    assert opensearch.indexes() == []


def test_an_index_that_bears_the_aliases_name_is_replaced_only_where_that_is_said(
    search: Any,
) -> None:
    search.ask("PUT", f"/{search.name}")
    search.ask("PUT", f"/{search.name}/_doc/1?refresh=true", {"title": "by hand"})
    with pytest.raises(Refused, match="is an index, and an index cannot share its name"):
        SearchIndexTarget(url=search.url).publish_on_terms(search.name, numbered(2), BY_ID)
    assert search.documents() == {"1": {"title": "by hand"}}
    target = SearchIndexTarget(url=search.url, replaces_index=True)
    live = target.publish_on_terms(search.name, numbered(2), BY_ID)["index"]
    assert search.indexes() == search.live() == [live]


def test_an_alias_that_pointed_to_several_indexes_points_to_one(search: Any) -> None:
    for name in ("a", "b"):
        search.ask("PUT", f"/{search.name}{name}", {"aliases": {search.name: {}}})
    live = SearchIndexTarget(url=search.url).publish_on_terms(search.name, numbered(2), BY_ID)
    assert search.live() == [live["index"]]
    assert {f"{search.name}a", f"{search.name}b"} < set(search.indexes())


def test_a_prefix_keeps_environments_apart(opensearch: Any) -> None:
    target = SearchIndexTarget(url=opensearch.url, prefix=f"{opensearch.name}_staging_")
    found = target.publish_on_terms("objects", numbered(2), BY_ID)
    assert found["alias"] == f"{opensearch.name}_staging_objects"
    assert target.count("objects") == 2
    assert target.publish_on_terms("objects", numbered(2), BY_ID)["index"] != found["index"]
    assert target.rollback("objects") == found["index"]


# Incremental publications


def test_with_a_memory_only_what_changed_is_sent(search: Any, tmp_path: Path) -> None:
    target = SearchIndexTarget(url=search.url, memory=str(tmp_path))
    first = target.publish_on_terms(search.name, numbered(10), BY_ID)
    assert "sent" not in first
    frame = pl.concat([numbered(9), pl.LazyFrame({"id": [9, 11], "title": ["new", "more"]})])
    changed = frame.filter(pl.col("id") != 4)
    second = target.publish_on_terms(search.name, changed, BY_ID)
    assert (second["documents"], second["sent"], second["deleted"]) == (10, 3, 1)
    expected = {str(row["id"]): row for row in changed.collect().to_dicts()}
    assert search.documents() == expected
    assert search.live() == [second["index"]] != [first["index"]]
    assert search.documents(first["index"])["4"]["title"] == "Portrait"
    (settings,) = search.ask("GET", f"/{search.name}/_settings").values()
    assert "refresh_interval" not in settings["settings"]["index"]


def test_with_a_memory_nothing_new_leaves_the_live_index(search: Any, tmp_path: Path) -> None:
    target = SearchIndexTarget(url=search.url, memory=str(tmp_path))
    first = target.publish_on_terms(search.name, numbered(3), BY_ID)
    second = target.publish_on_terms(search.name, numbered(3), BY_ID)
    assert (second["index"], second["sent"], second["bytes sent"]) == (first["index"], 0, 0)
    assert search.indexes() == [first["index"]]


@pytest.mark.parametrize("what", ["mapping", "memory", "count"])
def test_what_is_live_and_not_known_is_published_whole(
    opensearch: Any, tmp_path: Path, what: str
) -> None:
    target = SearchIndexTarget(url=opensearch.url, memory=str(tmp_path))
    live = target.publish_on_terms(opensearch.name, numbered(3), BY_ID)["index"]
    frame = numbered(3)
    if what == "mapping":
        frame = frame.with_columns(pl.col("id").cast(pl.Int32))
    elif what == "memory":
        (path,) = tmp_path.glob(f"{live}.*")
        path.unlink()
    else:
        opensearch.ask("POST", f"/{live}/_doc/99?refresh=true", {"title": "by hand"})
    found = target.publish_on_terms(
        opensearch.name, frame, Terms(metadata=BY_ID.metadata, guard=DropGuard(stop=0.5))
    )
    assert "sent" not in found
    assert opensearch.live() == [found["index"]]
    assert len(opensearch.documents()) == 3


def test_a_memory_is_kept_as_long_as_its_index(opensearch: Any, tmp_path: Path) -> None:
    target = SearchIndexTarget(url=opensearch.url, memory=str(tmp_path), earlier_kept=1)
    made = [
        target.publish_on_terms(opensearch.name, numbered(count), BY_ID)["index"]
        for count in (5, 6, 7)
    ]
    assert sorted(path.name.split(".")[0] for path in tmp_path.glob("*.parquet")) == made[1:]
    target.rollback(opensearch.name)
    found = target.publish_on_terms(opensearch.name, numbered(7), BY_ID)
    assert (found["sent"], found["documents"]) == (1, 7)


def test_documents_that_were_rejected_are_not_remembered(opensearch: Any, tmp_path: Path) -> None:
    class Years(pa.DataFrameModel):
        id: int = pa.Field(unique=True)
        title: str = pa.Field(metadata={"search": {"type": "date"}})

    target = SearchIndexTarget(url=opensearch.url, memory=str(tmp_path), max_rejected=1)
    frame = pl.LazyFrame({"id": [1, 2], "title": ["1850", "c. 1850"]})
    by_year = Terms(contract=contract_of(Years))
    assert target.publish_on_terms(opensearch.name, frame, by_year)["documents"] == 1
    found = target.publish_on_terms(opensearch.name, frame, by_year)
    assert (found["documents"], found["rejected"]) == (1, 1)


# What an asset and its page say


def materialized(
    asset: dg.AssetsDefinition, target: SearchIndexTarget, **options: Any
) -> dg.ExecuteInProcessResult:
    return dg.materialize([asset], resources={"search": target}, raise_on_error=False, **options)


def reason(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data is not None
    return failed.step_failure_data.user_failure_data.description or ""


def test_an_asset_is_published_by_its_signature_and_its_page_tells_where(opensearch: Any) -> None:
    frames = [OBJECTS, OBJECTS.head(1), OBJECTS.head(1)]

    @dg.asset(name=opensearch.name, io_manager_key="search", metadata=drop_guard(stop=0.4))
    def objects() -> Frame[Objects]:
        return frames.pop(0)

    target = SearchIndexTarget(url=opensearch.url)
    result = materialized(objects, target)
    assert result.success
    (event,) = result.asset_materializations_for_node(opensearch.name)
    shown: Mapping[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert shown["dagster/row_count"] == shown["documents"] == 2
    assert [shown["index"]] == opensearch.live()
    assert shown["alias"] == opensearch.name
    assert shown["server"] == opensearch.url
    assert "lost too much" in reason(materialized(objects, target))
    allowed = materialized(objects, target, tags={"collectionflow/allow_drop": opensearch.name})
    assert allowed.success


@pytest.mark.parametrize(
    ("frame", "metadata", "expected"),
    [
        (numbered(1), {}, "does not say which column has the ids"),
        (numbered(1), document_id("number"), "has no column 'number'"),
        (pl.LazyFrame({"id": [1.5]}), document_id("id"), "'id' of 'objects' is Float64"),
    ],
)
def test_an_asset_that_does_not_say_its_ids_is_told_how(
    frame: pl.LazyFrame, metadata: dict[str, str], expected: str
) -> None:
    target = SearchIndexTarget(url="http://127.0.0.1:9")
    with pytest.raises(StopRun, match=expected):
        target.publish_on_terms("objects", frame, Terms(metadata=metadata))


def test_without_an_asset_there_is_no_key_to_publish_by() -> None:
    with pytest.raises(StopRun, match="Mark one unique in its contract"):
        SearchIndexTarget(url="http://127.0.0.1:9").publish("objects", numbered(1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("[]", "is to be an object with 'settings' and 'mappings'"),
        ('{"index": {}}', "is to be an object with 'settings' and 'mappings'"),
    ],
)
def test_a_settings_file_that_says_nothing_is_refused(
    tmp_path: Path, text: str | None, expected: str
) -> None:
    path = tmp_path / "search.json"
    if text is not None:
        path.write_text(text)
    target = SearchIndexTarget(url="http://127.0.0.1:9", settings_file=str(path))
    with pytest.raises(StopRun, match=expected):
        target.publish_on_terms("objects", numbered(1), BY_ID)


def test_a_name_that_has_nothing_published_cannot_be_counted(opensearch: Any) -> None:
    with pytest.raises(StopRun, match="no such index"):
        SearchIndexTarget(url=opensearch.url).count(opensearch.name)


def test_an_abandoned_index_is_deleted_and_one_that_is_being_loaded_is_not(search: Any) -> None:
    now = datetime.now(UTC)
    for number, age in enumerate([timedelta(hours=2), timedelta(minutes=50)]):
        name = f"{search.name}-20260101t00000000000{number}-abcd"
        says = {"collectionflow": {"alive_at": (now - age).isoformat()}}
        body = {"mappings": {"_meta": says}, "aliases": {f"{name}.loading": {}}}
        search.ask("PUT", f"/{name}", body)
    SearchIndexTarget(url=search.url).publish_on_terms(search.name, numbered(1), BY_ID)
    young, live = search.indexes()
    assert young.endswith("1-abcd")
    assert search.live() == [live]
