"""A stage in key buckets gives what it gives at once."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from collectionflow import Frame, in_buckets
from collectionflow.buckets import buckets_of


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


class Links(pa.DataFrameModel):
    object_id: int = pa.Field(nullable=True)
    person_id: int


class People(pa.DataFrameModel):
    person_id: int = pa.Field(unique=True)
    name: str


class Documents(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)
    names: list[str]


OBJECTS = pl.LazyFrame({"object_id": [4, 1, 3, 2, 5], "title": ["d", "a", None, "b", "e"]})
LINKS = pl.LazyFrame({"object_id": [1, 1, 4, 5, None, 1], "person_id": [7, 8, 7, 9, 9, 9]})
PEOPLE = pl.LazyFrame({"person_id": [7, 8, 9], "name": ["Ida", "Ruth", "Zoë"]})


def reshape(objects: pl.LazyFrame, links: pl.LazyFrame, people: pl.LazyFrame) -> pl.LazyFrame:
    names = (
        links.join(people, on="person_id", how="left")
        .sort("object_id", "name")
        .group_by("object_id", maintain_order=True)
        .agg(names="name")
    )
    return (
        objects.join(names, on="object_id", how="left")
        .with_columns(pl.col("names").fill_null([]))
        .sort("object_id")
    )


def bucketed(rows: int) -> Callable[..., pl.LazyFrame]:
    return in_buckets(key="object_id", rows=rows)(reshape)


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_buckets_give_the_same_rows_in_the_same_order(rows: int) -> None:
    found = bucketed(rows)(OBJECTS, LINKS, PEOPLE)
    assert len(buckets_of(found)) > 1
    assert_frame_equal(found, reshape(OBJECTS, LINKS, PEOPLE))


@given(
    keys=st.lists(st.integers(-5, 5), max_size=30, unique=True),
    links=st.lists(st.tuples(st.none() | st.integers(-6, 6), st.integers(7, 9)), max_size=40),
    rows=st.integers(1, 12),
)
@settings(max_examples=40, deadline=None)
def test_buckets_give_the_same_whatever_the_keys_are(
    keys: list[int], links: list[tuple[int | None, int]], rows: int
) -> None:
    schema = {"object_id": pl.Int64, "person_id": pl.Int64}
    objects = pl.LazyFrame(
        {"object_id": keys, "title": [str(key) for key in keys]},
        schema={"object_id": pl.Int64, "title": pl.String},
    )
    links_frame = pl.LazyFrame(links, schema=schema, orient="row")
    found = bucketed(rows)(objects, links_frame, PEOPLE)
    assert_frame_equal(found, reshape(objects, links_frame, PEOPLE))


def test_up_to_the_limit_nothing_differs_from_a_plain_call() -> None:
    assert buckets_of(bucketed(6)(OBJECTS, LINKS, PEOPLE)) == []


def test_the_largest_frame_decides_how_many_buckets_there_are() -> None:
    assert len(buckets_of(bucketed(3)(OBJECTS, LINKS, PEOPLE))) == 2
    assert len(buckets_of(bucketed(3)(OBJECTS, links=LINKS.head(2), people=PEOPLE))) == 2
    assert len(buckets_of(bucketed(5)(OBJECTS, links=LINKS.head(2), people=PEOPLE))) == 0


def test_rows_without_a_key_are_in_the_first_bucket() -> None:
    only_links = in_buckets(key="object_id", rows=2)(lambda links: links)
    first, *others = [each.collect() for each in buckets_of(only_links(LINKS))]
    assert first["object_id"].null_count() == 1
    assert sum(each["object_id"].null_count() for each in others) == 0


@pytest.mark.parametrize("keys", [[1, 1, 1, 1], [None, None, None]])
def test_keys_that_cannot_be_told_apart_are_one_bucket_at_most(keys: list[int | None]) -> None:
    frame = pl.LazyFrame({"object_id": keys}, schema={"object_id": pl.Int64})
    found = in_buckets(key="object_id", rows=1)(lambda frame: frame)(frame)
    assert [each.collect().height for each in buckets_of(found)] in ([], [0, len(keys)])
    assert_frame_equal(found, frame)


@pytest.mark.parametrize(
    "keys", [["a", "b", "ç", "z"], [date(2020, month, 1) for month in range(1, 5)]]
)
def test_a_key_is_whatever_has_an_order(keys: list[Any]) -> None:
    frame = pl.LazyFrame({"object_id": keys})
    found = in_buckets(key="object_id", rows=1)(lambda frame: frame.sort("object_id"))(frame)
    assert len(buckets_of(found)) == 4
    assert_frame_equal(found, frame.sort("object_id"))


def test_what_has_no_key_comes_whole_and_what_is_no_frame_as_it_is() -> None:
    seen = []

    @in_buckets(key="object_id", rows=3)
    def look(objects: pl.LazyFrame, people: pl.LazyFrame, language: str) -> pl.LazyFrame:
        seen.append((people.collect().height, language))
        return objects

    look(OBJECTS, PEOPLE, language="en")
    assert seen == [(3, "en"), (3, "en")]
    assert look.__name__ == "look"


def assets(rows: int) -> list[dg.AssetsDefinition]:
    @dg.asset
    def objects() -> Frame[Objects]:
        return OBJECTS

    @dg.asset
    def links() -> Frame[Links]:
        return LINKS

    @dg.asset
    def people() -> Frame[People]:
        return PEOPLE

    @dg.asset
    def documents(
        objects: Frame[Objects], links: Frame[Links], people: Frame[People]
    ) -> Frame[Documents]:
        return bucketed(rows)(objects, links, people)

    @dg.asset
    def titles(documents: Frame[Objects]) -> Frame[Objects]:
        return documents

    return [objects, links, people, documents, titles]


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_storage_writes_a_part_a_bucket_and_publishes_them_at_once(
    run: Callable[..., Any],
) -> None:
    at_once = run(*assets(100))
    expected = at_once.stored("documents")
    result = run(*assets(2))
    assert result.is_success
    path = result.folder / "documents.parquet"
    assert path.is_symlink()
    assert parts(path) == [f"part-{number:05}.parquet" for number in range(3)]
    assert_frame_equal(pl.read_parquet(path), expected)
    assert_frame_equal(result.stored("titles"), expected.select("object_id", "title"))
    assert result.metadata("documents")["dagster/row_count"] == 5
    assert result.leftovers() == []


def test_a_stage_may_grow_into_buckets_and_shrink_out_of_them(run: Callable[..., Any]) -> None:
    expected = run(*assets(100)).stored("documents")
    for rows in (2, 3, 100, 1):
        result = run(*assets(rows), versions_kept=2)
        assert result.is_success
        assert_frame_equal(pl.read_parquet(result.folder / "documents.parquet"), expected)
    kept = result.folder / ".collectionflow" / "parts" / "documents"
    assert len(parts(kept)) == 1


def test_buckets_that_break_the_contract_are_refused_as_a_whole(run: Callable[..., Any]) -> None:
    run(*assets(2))

    @dg.asset
    def documents() -> Frame[Documents]:
        twice = pl.concat([OBJECTS, OBJECTS.tail(1)]).with_columns(
            names=pl.lit([], pl.List(pl.String))
        )
        return in_buckets(key="object_id", rows=2)(lambda frame: frame)(twice)

    result = run(documents)
    assert "'object_id' must be unique: " in result.reason()
    assert pl.read_parquet(result.folder / "documents.parquet").height == 5
    refused = result.folder / ".collectionflow" / "refused" / "documents.parquet"
    assert pl.read_parquet(refused).height == 6
    assert result.leftovers() == []


def test_columns_that_the_contract_drops_do_not_cost_the_buckets(run: Callable[..., Any]) -> None:
    class Filtered(Objects):
        class Config:
            strict = "filter"

    @dg.asset
    def objects() -> Frame[Filtered]:
        more = OBJECTS.with_columns(note=pl.lit("a"))
        return in_buckets(key="object_id", rows=2)(lambda frame: frame)(more)

    result = run(objects)
    assert len(parts(result.folder / "objects.parquet")) == 3
    assert pl.read_parquet(result.folder / "objects.parquet").columns == ["object_id", "title"]
