import logging
from collections.abc import Callable
from typing import Any

import altair as alt
import dagster as dg
import polars as pl
import pytest

from collectionflow import SourceError, add_chart, warn
from collectionflow.notes import Notes, current_notes, notes_of

TABLE = pl.DataFrame({"object_id": [1, 2], "year": [1900, 1901]})


def test_a_warning_is_kept_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    notes = Notes()
    with caplog.at_level(logging.WARNING, "collectionflow"):
        notes.warn("12 images have no rights statement.")
    assert notes.warnings == ["12 images have no rights statement."]
    assert caplog.messages == notes.warnings


def test_the_first_explanation_that_finds_something_counts() -> None:
    error = SourceError("Line 7 is too long.")
    notes = Notes(explanations=[lambda: None, lambda: error, lambda: SourceError("Other.")])
    assert notes.explain() is error
    assert Notes(explanations=[lambda: None]).explain() is None
    assert Notes().explain() is None


def test_outside_a_run_a_warning_only_logs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "collectionflow"):
        warn("Nobody is listening.")
    assert caplog.messages == ["Nobody is listening."]
    assert current_notes() is not current_notes()


def test_a_step_has_one_set_of_notes_while_it_lives() -> None:
    class Step:
        log = logging.getLogger("step")

    step, other = Step(), Step()
    assert notes_of(step) is notes_of(step)
    assert notes_of(step) is not notes_of(other)
    assert notes_of(step).log is Step.log


def test_warnings_metadata_and_charts_of_an_asset_are_on_its_page(
    run: Callable[..., Any],
) -> None:
    def by_year(objects: pl.LazyFrame) -> alt.Chart:
        counts = objects.group_by("year").len().collect()
        return alt.Chart(counts).mark_bar().encode(x="year:O", y="len:Q")

    @dg.asset
    def objects() -> pl.DataFrame:
        warn("One image is missing.")
        warn("Two titles are missing.")
        current_notes().metadata["source"] = "objects.csv"
        add_chart("By year", by_year)
        return TABLE

    @dg.asset
    def others() -> pl.DataFrame:
        return TABLE

    result = run(objects, others)
    metadata = result.metadata("objects")
    assert metadata["warnings"] == "- One image is missing.\n- Two titles are missing."
    assert metadata["source"] == "objects.csv"
    assert metadata["By year"].startswith("![By year](data:image/svg+xml;base64,")
    assert not {"warnings", "source", "By year"} & set(result.metadata("others"))


def test_a_warning_during_a_run_is_in_the_runs_log(
    run: Callable[..., Any], instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def objects() -> pl.DataFrame:
        warn("One image is missing.")
        return TABLE

    run_id = run(objects).result.run_id
    logged = [entry.user_message for entry in instance.all_logs(run_id) if entry.level == 30]
    assert logged == ["One image is missing."]


def test_a_chart_that_cannot_be_drawn_is_a_warning(run: Callable[..., Any]) -> None:
    def by_maker(objects: pl.LazyFrame) -> alt.Chart:
        return alt.Chart(objects.select("maker").collect())

    @dg.asset
    def objects() -> pl.DataFrame:
        add_chart("By maker", by_maker)
        return TABLE

    result = run(objects)
    assert result.is_success
    metadata = result.metadata("objects")
    assert metadata["By maker"].startswith("not drawn: unable to find column")
    assert metadata["warnings"].startswith("- Chart 'By maker' could not be drawn: unable to find")


def test_a_source_may_explain_what_went_wrong_while_its_frame_was_read(
    run: Callable[..., Any],
) -> None:
    def break_off(_: pl.DataFrame) -> pl.DataFrame:
        message = "found more fields than defined"
        raise pl.exceptions.ComputeError(message)

    @dg.asset
    def objects() -> pl.LazyFrame:
        explanation = SourceError("Line 7 of 'objects.csv' has too many cells.")
        current_notes().explanations.append(lambda: explanation)
        return TABLE.lazy().map_batches(break_off)

    assert run(objects).reason() == "Line 7 of 'objects.csv' has too many cells."
