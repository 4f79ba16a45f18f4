"""Rules of the checks that a project declares: references, completeness, rows, freshness, rules."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import Frame
from collectionflow.checks import boundary_checks, complete, fresh, reference, row_count, rule
from collectionflow.notes import current_notes

Check = Callable[..., Any]
OBJECTS = pl.DataFrame({"object_id": [1, 2, 3, 4], "title": ["a", "", None, "d"]})


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


class Links(pa.DataFrameModel):
    link_id: int = pa.Field(unique=True)
    object_id: int = pa.Field(nullable=True)


@dg.asset
def objects() -> Frame[Objects]:
    return OBJECTS.lazy()


@dg.asset
def links() -> Frame[Links]:
    return pl.LazyFrame({"link_id": [1, 2, 3, 4, 5], "object_id": [1, 7, 7, 8, None]})


def test_orphans_are_counted_and_shown_by_their_key(check: Check) -> None:
    found = check(objects, links, *boundary_checks([links], reference(links, "object_id", objects)))
    assert found.is_success
    name = "object_id_is_in_objects"
    assert found.said(name) == (
        "'object_id' is not in 'objects': 3 of 5 rows (60.00%). 2 different object_id."
    )
    metadata = found.metadata(name)
    assert (metadata["failing"], metadata["different"], metadata["share"]) == (3, 2, 0.6)
    assert metadata["failing rows"].splitlines()[0] == "| link_id | object_id |"


@pytest.mark.parametrize(("allow", "passes"), [(0.59, False), (0.6, True), (1.0, True)])
def test_some_orphans_may_be_allowed(check: Check, allow: float, passes: bool) -> None:
    declared = reference(links, "object_id", objects, allow=allow)
    found = check(objects, links, *boundary_checks([links], declared))
    assert found["object_id_is_in_objects"].passed is passes
    told = "at most 60% may" in found.said("object_id_is_in_objects")
    assert told is (allow == 0.6)


def test_a_reference_may_have_another_name_and_several_columns(check: Check) -> None:
    @dg.asset
    def roles() -> pl.LazyFrame:
        return pl.LazyFrame({"object": [1, 2], "part": ["a", "d"]})

    one = reference(roles, "object", objects, key="object_id")
    two = reference(roles, ["object", "part"], objects, key=["object_id", "title"])
    found = check(objects, roles, *boundary_checks([roles], one, two))
    assert found["object_is_in_objects"].passed
    assert found.said("object_part_is_in_objects") == (
        "'object' + 'part' is not in 'objects': 1 of 2 rows (50.00%). 1 different object + part."
    )


def test_a_reference_is_only_as_true_as_its_tables(check: Check) -> None:
    declared = reference(links, "object_id", objects, key="number")
    found = check(objects, links, *boundary_checks([links], declared))
    assert "The check could not be made." in found.said("object_id_is_in_objects")


@pytest.mark.parametrize(("at_least", "passes"), [(0.5, True), (0.51, False)])
def test_a_column_must_be_complete_enough(check: Check, at_least: float, passes: bool) -> None:
    declared = complete(objects, "title", at_least=at_least)
    found = check(objects, *boundary_checks([objects], declared))
    assert found["title_is_complete"].passed is passes
    metadata = found.metadata("title_is_complete")
    assert (metadata["rows"], metadata["failing"]) == (4, 2)
    if not passes:
        assert metadata["failing rows"].splitlines() == [
            "| object_id | title |",
            "|-----------|-------|",
            "| 2         |       |",
            "| 3         |       |",
        ]


def test_completeness_needs_no_contract(check: Check) -> None:
    @dg.asset
    def notes() -> pl.LazyFrame:
        return pl.LazyFrame({"note": ["a", None]})

    found = check(notes, *boundary_checks([notes], complete(notes, "note", at_least=1)))
    assert found.metadata("note_is_complete")["failing rows"].splitlines()[0] == "| note |"


@pytest.mark.parametrize(
    ("bounds", "passes", "expected"),
    [
        ({}, True, "any number of rows"),
        ({"at_least": 4}, True, "at least 4 rows"),
        ({"at_least": 5}, False, "at least 5 rows"),
        ({"at_most": 3}, False, "at most 3 rows"),
        ({"at_least": 1, "at_most": 4}, True, "at least 1 and at most 4 rows"),
    ],
)
def test_a_table_has_as_many_rows_as_is_expected(
    check: Check, bounds: dict[str, int], passes: bool, expected: str
) -> None:
    found = check(objects, *boundary_checks([objects], row_count(objects, **bounds)))
    assert found["row_count"].passed is passes
    assert found.said("row_count") == f"The table has 4 rows, expected {expected}."
    assert found.metadata("row_count") == {"rows": 4}


NOW = datetime.now(UTC)
LATELY, LONG_AGO = NOW - timedelta(hours=3), NOW - timedelta(days=9)


@pytest.mark.parametrize(
    "as_value",
    [
        lambda time: time,
        lambda time: time.replace(tzinfo=None),
        lambda time: time.isoformat(),
        lambda time: time.astimezone(tz=None).isoformat(),
        lambda time: time.replace(tzinfo=None).isoformat(" "),
    ],
)
def test_news_are_as_old_as_the_newest_value_of_a_column(
    check: Check, as_value: Callable[[datetime], Any]
) -> None:
    def changed(newest: datetime) -> dg.AssetsDefinition:
        @dg.asset
        def changes() -> pl.LazyFrame:
            values = [LONG_AGO, newest, NOW + timedelta(days=400)]
            return pl.LazyFrame({"changed": [*map(as_value, values), None]})

        return changes

    for newest, passes in ((LATELY, True), (LONG_AGO, False)):
        asset = changed(newest)
        declared = fresh(asset, within=timedelta(days=1), column="changed")
        found = check(asset, *boundary_checks([asset], declared))
        assert found["changed_is_fresh"].passed is passes
        assert found.metadata("changed_is_fresh")["hours"] == pytest.approx(
            (NOW - newest) / timedelta(hours=1), abs=0.5
        )
    assert "9.0 days ago" in found.said("changed_is_fresh")


def test_a_date_is_fresh_by_its_day(check: Check) -> None:
    @dg.asset
    def changes() -> pl.LazyFrame:
        return pl.LazyFrame({"changed": [date(1900, 1, 1), NOW.date()]})

    declared = fresh(changes, within=timedelta(days=2), column="changed")
    assert declared.description == "The newest 'changed' is not older than 2.0 days."
    assert check(changes, *boundary_checks([changes], declared)).failed == set()


def test_a_column_without_a_time_is_not_fresh(check: Check) -> None:
    @dg.asset
    def changes() -> pl.LazyFrame:
        return pl.LazyFrame({"changed": ["soon", None]})

    declared = fresh(changes, within=timedelta(days=2), column="changed")
    found = check(changes, *boundary_checks([changes], declared))
    assert found.said("changed_is_fresh") == "The newest 'changed' is not there."


def harvested_at(begun: datetime) -> dg.AssetsDefinition:
    @dg.asset
    def harvested() -> pl.LazyFrame:
        current_notes().begin("objects", "a list").started_at = begun
        return OBJECTS.lazy()

    return harvested


def test_a_harvest_is_as_old_as_the_last_that_was_published(check: Check) -> None:
    for begun, passes in ((LONG_AGO, False), (LATELY, True)):
        asset = harvested_at(begun)
        steps = boundary_checks([asset], fresh(asset, within=timedelta(hours=26)))
        found = check(asset, *steps)
        assert found["harvest_is_fresh"].passed is passes
    assert re.search(r"UTC, 3\.\d hours ago\.$", found.said("harvest_is_fresh"))


def test_what_was_never_harvested_is_not_fresh(check: Check) -> None:
    steps = boundary_checks([objects], fresh(objects, within=timedelta(hours=26)))
    assert check(objects, *steps).said("harvest_is_fresh") == (
        "The last published harvest is not there."
    )


def test_another_io_manager_keeps_no_ledger(check: Check) -> None:
    @dg.asset(io_manager_key="memory")
    def kept() -> pl.LazyFrame:
        return OBJECTS.lazy()

    steps = boundary_checks([kept], fresh(kept, within=timedelta(hours=26)))
    found = check(kept, *steps, resources={"memory": dg.mem_io_manager})
    assert "'kept' has no ledger of harvests." in found.said("harvest_is_fresh")


def linked_twice(links: pl.LazyFrame) -> pl.LazyFrame:
    """No object is linked twice.

    Documents would show both.
    """
    return links.filter(pl.col("object_id").is_duplicated())


def unlinked(objects: pl.LazyFrame, links: pl.LazyFrame) -> pl.LazyFrame:
    return objects.join(links, on="object_id", how="anti").select("object_id", "title")


def test_a_rule_of_ones_own_takes_tables_by_their_names(check: Check) -> None:
    declared = (
        rule(linked_twice),
        rule(unlinked, allow=1),
        rule(linked_twice, asset=objects, name="x"),
    )
    assert declared[0].description == "No object is linked twice."
    found = check(objects, links, *boundary_checks([objects, links], *declared[:2]))
    assert found.failed == {"linked_twice"}
    assert found.said("linked_twice") == "Found: 2 of 5 rows (40.00%)."
    assert found.metadata("linked_twice")["failing rows"].splitlines()[2:] == [
        "| 2       | 7         |",
        "| 3       | 7         |",
    ]
    assert found.said("unlinked") == "Found: 3 of 4 rows (75.00%)."
    assert (declared[2].asset, declared[2].name) == (dg.AssetKey("objects"), "x")


def test_a_rule_may_return_a_frame_that_is_computed(check: Check) -> None:
    def some(objects: pl.LazyFrame) -> pl.DataFrame:
        return objects.filter(pl.col("object_id") > 2).collect()

    assert check(objects, *boundary_checks([objects], rule(some))).failed == {"some"}


def test_a_rule_without_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="takes no table"):
        rule(OBJECTS.lazy)


def test_an_empty_table_has_no_share(check: Check) -> None:
    @dg.asset
    def nothing() -> pl.LazyFrame:
        return OBJECTS.clear().lazy()

    def all_objects(nothing: pl.LazyFrame, objects: pl.LazyFrame) -> pl.LazyFrame:
        return objects

    found = check(nothing, objects, *boundary_checks([nothing], rule(all_objects, allow=0.5)))
    assert found.failed == {"all_objects"}
