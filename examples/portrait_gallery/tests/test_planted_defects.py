"""Three hundred defects of a source, of fifteen kinds: each is found by the check for its kind.

Twenty defects of a kind are planted into a good sample, with an id or a text that names each.
None may go unseen: all of them are counted and named.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from collectionflow.harvest import FolderSource
from collectionflow.storage import gate
from portrait_gallery.sample.files import tables

OBJECTS = 200
DEFECTS = 20
Plant = Callable[[pl.DataFrame], tuple[pl.DataFrame, list[str]]]
_row = pl.int_range(pl.len())
# Spread over the table, and none of its first rows, which the sample made odd on purpose.
_is_chosen = (_row % 7 == 3) & (_row > 20) & (((_row - 24) // 7) < DEFECTS)
_nth = ((_row - 24) // 7).cast(pl.String)


@dataclass(frozen=True)
class Kind:
    """A kind of defect: how it is planted into which table, and who finds it, by asset and name."""

    table: str
    plant: Plant
    finder: str
    asset: str


def cells(column: str, value: pl.Expr, named: str | None = None) -> Plant:
    """Plant a value into a column; `named` is the column that tells the rows apart."""

    def plant(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        assert rows.filter(_is_chosen).height == DEFECTS
        planted = rows.with_columns(pl.when(_is_chosen).then(value).otherwise(column).alias(column))
        return planted, planted.filter(_is_chosen).get_column(named or column).to_list()

    return plant


def repeated(named: str, **changes: pl.Expr) -> Plant:
    """Plant rows that are there already, with changes."""

    def plant(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        chosen = rows.filter(_is_chosen)
        copies = chosen.with_columns(**changes)
        return pl.concat([rows, copies]), chosen.get_column(named).to_list()

    return plant


def added(named: str, **changes: pl.Expr) -> Plant:
    """Plant new rows, like those that are there but for the changes."""

    def plant(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        new = rows.filter(_is_chosen).with_columns(**changes)
        return pl.concat([rows, new]), new.get_column(named).to_list()

    return plant


def gone(start: int) -> pl.Expr:
    """Return ids that nobody has."""
    return (pl.int_range(pl.len()) + start).cast(pl.String)


def numbered(text: str) -> pl.Expr:
    return pl.format(text, _nth)


KINDS = {
    "an object's id is there twice": Kind(
        "objects",
        repeated("ObjectID", ObjectNumber=pl.format("NPG.copy.{}", "ObjectNumber")),
        "'ObjectID' must be unique",
        "harvested_objects",
    ),
    "an object's number is there twice": Kind(
        "objects",
        repeated("ObjectNumber", ObjectID=gone(8_000_000)),
        "'ObjectNumber' must be unique",
        "harvested_objects",
    ),
    "a year is a text": Kind(
        "objects",
        cells("DateBegin", numbered("circa 18{}")),
        "'DateBegin' must be Int64",
        "harvested_objects",
    ),
    "an id is a fraction": Kind(
        "links",
        cells("ConstituentID", numbered("{}.5")),
        "'ConstituentID' must be Int64",
        "harvested_links",
    ),
    "an id is missing": Kind(
        "links",
        cells("ObjectID", pl.lit(" "), "ConXrefID"),
        "'ObjectID' must be filled",
        "harvested_links",
    ),
    "a constituent has no name": Kind(
        "constituents",
        cells("DisplayName", pl.lit("NULL"), "ConstituentID"),
        "'name' must be filled",
        "cleaned_constituents",
    ),
    "a mark is neither yes nor no": Kind(
        "links",
        cells("Displayed", pl.lit("2"), "ConXrefID"),
        "'Displayed' must be one of [0, 1]",
        "harvested_links",
    ),
    "an image is there twice": Kind(
        "images",
        repeated("Main Image Filename"),
        "'ObjectID' + 'Main Image Filename' must be unique",
        "harvested_images",
    ),
    "a link leads to no object": Kind(
        "links",
        cells("ObjectID", gone(7_000_000)),
        "ObjectID_is_in_harvested_objects",
        "harvested_links",
    ),
    "a link leads to no constituent": Kind(
        "links",
        cells("ConstituentID", gone(7_000_000)),
        "ConstituentID_is_in_harvested_constituents",
        "harvested_links",
    ),
    "a link is there twice": Kind(
        "links",
        repeated("ObjectID", ConXrefID=gone(8_000_000)),
        "links_are_distinct",
        "harvested_links",
    ),
    "a title is of no object": Kind(
        "titles",
        added("ObjectID", ObjectID=gone(7_000_000)),
        "ObjectID_is_in_harvested_objects",
        "harvested_titles",
    ),
    "an image is of no object": Kind(
        "images",
        added("ObjectID", ObjectID=gone(7_000_000)),
        "ObjectID_is_in_harvested_objects",
        "harvested_images",
    ),
    "a term is of no constituent": Kind(
        "constituent_terms",
        added("ConstituentID", ConstituentID=gone(7_000_000)),
        "ConstituentID_is_in_harvested_constituents",
        "harvested_constituent_terms",
    ),
    "an object ends before it begins": Kind(
        "objects",
        lambda rows: cells("DateEnd", pl.lit("1500"), "ObjectID")(
            cells("DateBegin", pl.lit("1900"))(rows)[0]
        ),
        "ends_after_it_begins",
        "cleaned_objects",
    ),
}


@pytest.fixture(scope="module")
def good() -> Mapping[str, pl.DataFrame]:
    """The tables of a sample without the dirt that a check would find, all of it text."""
    made = {name: table.collect() for name, table in tables(OBJECTS, seed=3).items()}
    links, terms = made["links"], made["constituent_terms"]
    role = ["ObjectID", "ConstituentID", "RoleID"]
    made["links"] = links.unique(role, keep="first", maintain_order=True)
    made["constituent_terms"] = terms.join(
        made["constituents"], on="ConstituentID", how="semi", maintain_order="left"
    )
    return {name: table.cast(pl.String) for name, table in made.items()}


@pytest.fixture
def found(
    good: Mapping[str, pl.DataFrame],
    tmp_path: Path,
    run: Callable[..., dg.ExecuteInProcessResult],
) -> Callable[[str, pl.DataFrame], dict[tuple[str, str], tuple[int, str]]]:
    """Run on the good sample with one other table; return what was found, by asset and finder."""

    def look(name: str, table: pl.DataFrame) -> dict[tuple[str, str], tuple[int, str]]:
        folder = tmp_path / "export"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for each, rows in {**good, name: table}.items():
            rows.write_csv(folder / f"{each}.csv")
        result = run(FolderSource(directory=str(folder)))
        return checked(result) | refused(result)

    return look


def checked(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], tuple[int, str]]:
    """Return what asset checks found: how many rows, and those as a table."""
    return {
        (each.asset_key.to_user_string(), each.check_name): (
            value_of(each.metadata, "failing"),
            value_of(each.metadata, "failing rows"),
        )
        for each in result.get_asset_check_evaluations()
        if not each.passed
    }


def refused(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], tuple[int, str]]:
    """Return what the gate of an asset refused: how many rows, and those as a table."""
    return {
        (str(event.step_key), rule): (
            counted(event.step_failure_data.user_failure_data, rule),
            str(table.value),
        )
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
        for rule, table in event.step_failure_data.user_failure_data.metadata.items()
        if rule != "refused table"
    }


def counted(failure: Any, rule: str) -> int:
    _, _, after = failure.description.partition(f"{rule}: ")
    return int(after.split(" ", 1)[0])


def value_of(metadata: Mapping[str, Any], name: str) -> Any:
    return metadata[name].value if name in metadata else None


def test_the_good_sample_has_no_defect(
    good: Mapping[str, pl.DataFrame], found: Callable[..., Any]
) -> None:
    assert found("objects", good["objects"]) == {}


@pytest.mark.parametrize("name", KINDS)
def test_all_defects_of_a_kind_are_found_and_named(
    name: str,
    good: Mapping[str, pl.DataFrame],
    found: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gate, "EXAMPLES", 3 * DEFECTS)
    kind = KINDS[name]
    planted, names = kind.plant(good[kind.table])
    assert len(names) == DEFECTS
    count, shown = found(kind.table, planted)[kind.asset, kind.finder]
    assert count == DEFECTS
    assert unnamed(names, shown) == []


def unnamed(names: Sequence[str], shown: str) -> list[str]:
    """Return the defects that a table does not name in a cell of their own."""
    told = {cell.strip() for line in shown.splitlines() for cell in line.split("|")}
    return [each for each in names if each not in told]
