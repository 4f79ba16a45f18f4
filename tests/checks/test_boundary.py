"""Rules of the checks that a contract gives by itself, and of the steps that make them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.polars.types import PolarsData

from collectionflow import Frame, ParquetIOManager
from collectionflow.checks import boundary_checks, complete, reference, row_count, rule
from collectionflow.checks._check import make_check
from collectionflow.checks._look import Look
from collectionflow.notes import current_notes
from collectionflow.storage import gate
from collectionflow.storage.engines import polars

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
Check = Callable[..., Any]


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True, str_startswith="P", raise_warning=True)
    terms: list[str]

    @pa.check("terms", raise_warning=True)
    def says_something(cls, data: PolarsData) -> pl.LazyFrame:
        """No term is empty."""
        is_empty = pl.col("terms").list.eval(pl.element() == "").list.any()
        return data.lazyframe.select(~is_empty)


GOOD = pl.DataFrame({"object_id": [1, 2], "title": ["P1", "P2"], "terms": [["oil"], []]})


def asset_of(table: pl.DataFrame, schema: Any = Objects) -> dg.AssetsDefinition:
    @dg.asset
    def objects() -> Frame[schema]:
        return table.lazy()

    return objects


@dg.asset
def titles(objects: Frame[Objects]) -> pl.LazyFrame:
    return objects.select("title")


def test_a_contract_gives_its_checks() -> None:
    (step,) = boundary_checks([asset_of(GOOD)])
    specs = {spec.name: spec for spec in step.check_specs}
    assert {name: spec.blocking for name, spec in specs.items()} == {
        "columns": True,
        "unexpected_columns": False,
        "filled": True,
        "object_id_must_be_unique": True,
        "title_must_start_with": False,
        "terms_says_something": False,
    }
    assert specs["filled"].description == "Every row has object_id, terms."
    assert specs["terms_says_something"].description == "No term is empty."
    assert specs["title_must_start_with"].description == "'title' must start with 'P'."


@pytest.mark.parametrize(("strict", "expected"), [(False, False), (True, True), ("filter", None)])
def test_what_a_contract_says_of_more_columns_its_check_says_too(
    strict: Any, expected: bool | None
) -> None:
    members = {"__annotations__": {"object_id": int}, "Config": type("C", (), {"strict": strict})}
    schema = type("Strict", (pa.DataFrameModel,), members)
    (step,) = boundary_checks([asset_of(GOOD, schema)])
    specs = {spec.name: spec.blocking for spec in step.check_specs}
    assert specs.get("unexpected_columns") is expected


def test_checks_pass_with_their_counts(check: Check) -> None:
    objects = asset_of(GOOD)
    found = check(objects, *boundary_checks([objects]))
    assert found.is_success
    assert found.failed == set()
    assert found.said("object_id_must_be_unique") == "All 2 rows are in order."
    assert found.metadata("filled") == {"rows": 2, "failing": 0, "share": 0.0}
    assert found.metadata("columns") == {"columns": 3, "failing": 0}


def test_a_rule_that_warns_is_a_warning_with_its_rows(check: Check) -> None:
    objects = asset_of(GOOD.with_columns(title=pl.Series(["P1", "Hat"])))
    found = check(objects, titles, *boundary_checks([objects]))
    assert found.is_success
    assert found.failed == {"title_must_start_with"}
    assert found["title_must_start_with"].severity is WARN
    assert found.said("title_must_start_with") == (
        "'title' must start with 'P': 1 of 2 rows (50.00%)."
    )
    metadata = found.metadata("title_must_start_with")
    assert (metadata["rows"], metadata["failing"], metadata["share"]) == (2, 1, 0.5)
    assert "| 2   | 2         | Hat   |" in metadata["failing rows"]


def test_a_nested_value_is_reported_by_the_element_that_failed(check: Check) -> None:
    objects = asset_of(GOOD.with_columns(terms=pl.Series([["oil", "", "ink", ""], []])))
    found = check(objects, *boundary_checks([objects]))
    assert found.metadata("terms_says_something")["failing rows"].splitlines()[0::2] == [
        "| row | object_id | element | value |",
        "| 1   | 1         | 2       |       |",
    ]


def test_what_the_gate_counted_is_not_counted_again(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    once = gate.one_pass
    for module in (gate, polars):
        monkeypatch.setattr(module, "one_pass", lambda *given: passes.append(1) or once(*given))
    objects = asset_of(GOOD.with_columns(title=pl.Series(["P1", "Hat"])))
    checks = boundary_checks(
        [objects], complete(objects, "title", at_least=0.5), row_count(objects, at_least=1)
    )
    found = check(objects, *checks)
    assert found.failed == {"title_must_start_with"}
    assert "Hat" in found.metadata("title_must_start_with")["failing rows"]
    assert len(passes) == 1  # The gate's own.


def test_all_rules_of_a_table_that_nobody_counted_share_one_pass(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = asset_of(GOOD.with_columns(title=pl.Series(["Cap", "Hat"])))
    check(objects)
    for path in tmp_path.glob("tables/.collectionflow/measured/**/*.json"):
        path.unlink()
    passes: list[tuple[gate.Rule, ...]] = []
    once = gate.one_pass
    monkeypatch.setattr(
        gate,
        "one_pass",
        lambda table, rules=(): passes.append(tuple(rules)) or once(table, passes[-1]),
    )
    found = check(objects, *boundary_checks([objects]), selection=_checks_of("objects"))
    assert found.failed == {"title_must_start_with"}
    assert [len(each) for each in passes] == [5]


def _checks_of(*assets: str) -> dg.AssetSelection:
    return dg.AssetSelection.checks_for_assets(*assets)


def test_a_run_may_select_some_checks(check: Check) -> None:
    objects = asset_of(GOOD)
    steps = boundary_checks([objects])
    check(objects)
    key = dg.AssetCheckKey(dg.AssetKey("objects"), "filled")
    found = check(objects, *steps, selection=dg.AssetSelection.checks(key))
    assert set(found.by_name) == {"filled"}


def test_a_table_that_no_longer_has_its_columns_fails_the_checks_about_them(
    check: Check, tmp_path: Path
) -> None:
    objects = asset_of(GOOD)
    check(objects)
    changed = GOOD.select(pl.col("object_id").cast(pl.String), "terms", note=pl.lit("new"))
    changed.write_parquet(tmp_path / "tables" / "objects.parquet")
    found = check(objects, *boundary_checks([objects]), selection=_checks_of("objects"))
    assert found.failed == {"columns", "unexpected_columns", "title_must_start_with"}
    assert found.said("columns") == (
        "Column 'title' is missing. Column 'object_id' is String, expected Int64."
    )
    assert found.said("unexpected_columns") == (
        "The table has columns that Objects does not name: 'note'."
    )
    assert found.said("title_must_start_with") == "There is no column 'title' to look at."
    assert found["columns"].severity is ERROR


def test_a_rule_about_an_optional_column_that_is_absent_passes(check: Check) -> None:
    class Loose(pa.DataFrameModel):
        object_id: int
        note: str | None = pa.Field(str_startswith="P")

    objects = asset_of(GOOD.select("object_id"), Loose)
    found = check(objects, *boundary_checks([objects]))
    assert found.failed == set()
    assert set(found.by_name) == {
        "columns",
        "unexpected_columns",
        "filled",
        "note_must_start_with",
    }


def test_several_empty_columns_are_one_check_that_names_the_worst_first(
    check: Check, tmp_path: Path
) -> None:
    class Titles(pa.DataFrameModel):
        title: str
        number: str

    objects = asset_of(pl.DataFrame({"title": ["a", "b"], "number": ["1", "2"]}), Titles)
    check(objects)
    bad = pl.DataFrame(
        {"title": ["a", None], "number": [None, None]}, schema_overrides={"number": pl.String}
    )
    bad.write_parquet(tmp_path / "tables" / "objects.parquet")
    found = check(objects, *boundary_checks([objects]), selection=_checks_of("objects"))
    assert found.said("filled") == (
        "'number' must be filled: 2 of 2 rows (100.00%). "
        "'title' must be filled: 1 of 2 rows break this."
    )


def test_the_columns_of_the_source_count_where_they_are_known(check: Check) -> None:
    @dg.asset
    def objects() -> Frame[Objects]:
        current_notes().source_columns += ["object_id", "title", "terms", "Colour"]
        return GOOD.lazy()

    found = check(objects, *boundary_checks([objects]))
    assert found.said("unexpected_columns") == (
        "The source has columns that Objects does not name: 'Colour'."
    )
    assert found["unexpected_columns"].severity is WARN


def test_a_blocking_check_stops_what_is_built_on_the_table(check: Check) -> None:
    objects = asset_of(GOOD)
    stops = boundary_checks([objects], row_count(objects, at_least=3, blocking=True))
    found = check(objects, titles, *stops)
    assert not found.is_success
    assert found.said("row_count") == "The table has 2 rows, expected at least 3 rows."
    assert found["row_count"].severity is ERROR
    assert "titles" not in found.steps()
    goes_on = boundary_checks([objects], row_count(objects, at_least=3))
    found = check(objects, titles, *goes_on)
    assert found.is_success
    assert "titles" in found.steps()


def test_an_exception_is_a_failed_check_with_its_reason(check: Check) -> None:
    def raises(objects: pl.LazyFrame) -> pl.LazyFrame:
        message = "no answer of https://me:hidden@example.org/list?token=hidden, password=hidden."
        raise OSError(message)

    objects = asset_of(GOOD)
    found = check(objects, titles, *boundary_checks([objects], rule(raises)))
    assert found.is_success
    assert found.failed == {"raises"}
    assert found.said("raises") == (
        "The check could not be made. OSError: no answer of https://example.org/list password=…"
    )
    found = check(objects, titles, *boundary_checks([objects], rule(raises, blocking=True)))
    assert not found.is_success
    assert found["raises"].severity is ERROR
    assert "titles" not in found.steps()
    assert "hidden" not in str(found.result.get_asset_check_evaluations())


class Spoiled(pa.DataFrameModel):
    object_id: int = pa.Field(ge=1)

    @pa.dataframe_check
    def looks_elsewhere(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("number") == "1")


def test_a_rule_that_cannot_be_judged_does_not_spoil_the_others(
    check: Check, tmp_path: Path
) -> None:
    path = tmp_path / "tables" / "objects.parquet"
    path.parent.mkdir()
    pl.DataFrame({"object_id": [0, 1]}).write_parquet(path)
    objects = asset_of(GOOD, Spoiled)
    found = check(objects, *boundary_checks([objects]), selection=_checks_of("objects"))
    assert found.failed == {"object_id_must_be_at_least", "looks_elsewhere"}
    assert "1 of 2 rows" in found.said("object_id_must_be_at_least")
    assert found.said("looks_elsewhere").startswith(
        "The check could not be made. ColumnNotFoundError:"
    )


def test_nothing_published_is_a_failed_check(check: Check) -> None:
    objects = asset_of(GOOD)
    steps = boundary_checks([objects], row_count(objects, at_least=1))
    found = check(objects, *steps, selection=_checks_of("objects"))
    assert found.said("row_count") == (
        "The check could not be made. Nothing is published of 'objects'. Materialize it first."
    )


def test_checks_of_a_partitioned_table_see_all_its_partitions(check: Check) -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
    def objects(context: dg.AssetExecutionContext) -> Frame[Objects]:
        return GOOD.lazy()

    steps = boundary_checks([objects], row_count(objects, at_least=1))
    found = check(objects, *steps, partition_key="a")
    assert found.failed == set()
    found = check(objects, *steps, partition_key="b")
    assert found.failed == {"object_id_must_be_unique"}
    assert found.said("row_count") == "The table has 4 rows, expected at least 1 rows."


def test_an_asset_of_another_io_manager_is_checked_as_the_frame_that_it_is(check: Check) -> None:
    @dg.asset(io_manager_key="memory")
    def objects() -> Frame[Objects]:
        return GOOD.lazy().with_columns(title=pl.lit("Hat"))

    steps = boundary_checks([objects], row_count(objects, at_least=1))
    found = check(objects, *steps, resources={"memory": dg.mem_io_manager})
    assert found.failed == {"title_must_start_with"}
    assert found.said("row_count") == "The table has 2 rows, expected at least 1 rows."
    assert found["unexpected_columns"].passed


def test_an_asset_without_a_contract_has_only_the_checks_that_are_declared() -> None:
    assert boundary_checks([titles]) == []
    (step,) = boundary_checks([titles], row_count(titles, at_least=1))
    assert [spec.name for spec in step.check_specs] == ["row_count"]


def test_all_assets_of_a_multi_asset_have_their_checks() -> None:
    @dg.multi_asset(
        outs={
            "cleaned": dg.AssetOut(dagster_type=Frame[Objects]),
            "other": dg.AssetOut(),
        }
    )
    def both():  # noqa: ANN202 (Dagster wants a tuple here, or nothing)
        return GOOD.lazy(), 1

    steps = boundary_checks([both], row_count("other", at_most=3))
    assert {step.node_def.name for step in steps} == {"checks_of_cleaned", "checks_of_other"}


def test_two_tables_may_be_held_against_each_other(check: Check) -> None:
    @dg.asset
    def links() -> pl.LazyFrame:
        return pl.LazyFrame({"object_id": [1, 2, 2]})

    objects = asset_of(GOOD)
    steps = boundary_checks(
        [objects, links],
        reference(objects, "object_id", links),
        reference(links, "object_id", objects, blocking=True),
    )
    found = check(objects, links, *steps)
    assert found.is_success
    assert {step.node_def.name for step in steps} == {
        "checks_of_objects",
        "checks_of_objects_aside",
        "checks_of_links_and_others",
    }


def test_checks_of_one_name_are_numbered() -> None:
    objects = asset_of(GOOD)
    twice = row_count(objects, at_least=1), row_count(objects, at_most=9)
    (step,) = boundary_checks([objects], *twice)
    assert {"row_count", "row_count_2"} < {spec.name for spec in step.check_specs}


def test_a_check_of_another_asset_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'row_count' is about 'titles'.*boundary: 'objects'\."):
        boundary_checks([asset_of(GOOD)], row_count("titles", at_least=1))


def test_a_check_that_blocks_and_only_warns_is_refused() -> None:
    with pytest.raises(ValueError, match="blocks, but only warns"):
        row_count("objects", at_least=1, blocking=True, severity=WARN)


def test_a_check_may_be_named_and_described_and_be_an_error_that_does_not_block() -> None:
    found = row_count(
        dg.AssetKey(["museum", "objects"]),
        name="enough objects",
        description="The museum has so many.",
        severity=ERROR,
    )
    assert (found.name, found.description, found.severity) == (
        "enough_objects",
        "The museum has so many.",
        ERROR,
    )
    assert found.spec().key == dg.AssetCheckKey(
        dg.AssetKey(["museum", "objects"]), "enough_objects"
    )


def test_a_kind_of_check_of_ones_own_is_a_function(check: Check) -> None:
    from collectionflow.checks._check import Finding

    def is_small(look: Look) -> Finding:
        return Finding(passed=look.rows < 2, sentence=f"{look.name} has {look.rows}.")

    objects = asset_of(GOOD)
    own = make_check(objects, is_small, {}, name="is_small", description="It is small.")
    assert check(objects, *boundary_checks([objects], own)).said("is_small") == "objects has 2."


def test_checks_read_nothing_that_was_counted_under_other_rules(
    check: Check, tmp_path: Path
) -> None:
    class Stricter(Objects):
        title: str = pa.Field(nullable=True, str_startswith="Q", raise_warning=True)

    check(asset_of(GOOD))
    objects = asset_of(GOOD, Stricter)
    found = check(objects, *boundary_checks([objects]), selection=_checks_of("objects"))
    assert found.failed == {"title_must_start_with"}


def test_the_storage_of_a_check_is_that_of_its_asset(check: Check, tmp_path: Path) -> None:
    @dg.asset(io_manager_key="elsewhere")
    def objects() -> Frame[Objects]:
        return GOOD.lazy()

    elsewhere = ParquetIOManager(base_dir=str(tmp_path / "elsewhere"))
    found = check(objects, *boundary_checks([objects]), resources={"elsewhere": elsewhere})
    assert found.failed == set()


def test_where_nothing_is_required_nothing_must_be_filled() -> None:
    class Loose(pa.DataFrameModel):
        title: str = pa.Field(nullable=True)

    (step,) = boundary_checks([asset_of(GOOD, Loose)])
    assert [spec.name for spec in step.check_specs] == ["columns", "unexpected_columns"]
