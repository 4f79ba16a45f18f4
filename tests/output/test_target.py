from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl
import pytest

from collectionflow import ProjectError, Refused, StopRun, drop_guard
from collectionflow.output._target import Target, Terms, check_drop
from collectionflow.storage.drop_guard import DropGuard


class Fax(Target):
    """A target that keeps nothing and tells what it was given."""

    number: str = "1"

    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        return {"pages": frame.collect().height, "to": self.number, "name": name}


class Telex(Fax):
    """A target that heeds what the asset and the run say."""

    def publish_on_terms(self, name: str, frame: pl.LazyFrame, terms: Terms) -> Mapping[str, Any]:
        rows = frame.collect().height
        check_drop(name, 10, rows, terms)
        return {"mark": terms.metadata["mark"]}


def test_a_target_need_only_publish() -> None:
    @dg.asset(io_manager_key="fax")
    def news() -> pl.LazyFrame:
        return pl.LazyFrame({"id": [1, 2]})

    result = dg.materialize([news], resources={"fax": Fax()})
    (event,) = result.asset_materializations_for_node("news")
    shown = {name: event.metadata[name].value for name in ("pages", "to", "name")}
    assert shown == {"pages": 2, "to": "1", "name": "news"}
    assert event.metadata["dagster/row_count"].value == 2


@pytest.mark.parametrize(
    ("rows", "tags", "is_published"),
    [
        (10, {}, True),
        (8, {}, True),
        (5, {}, False),
        (5, {"collectionflow/allow_drop": "news"}, True),
    ],
)
def test_a_target_hears_of_the_assets_guard_and_the_runs_tags(
    rows: int, tags: dict[str, str], *, is_published: bool
) -> None:
    @dg.asset(io_manager_key="telex", metadata={"mark": "m"} | drop_guard(warn=0.1, stop=0.4))
    def news() -> pl.LazyFrame:
        return pl.LazyFrame({"id": range(rows)})

    result = dg.materialize([news], resources={"telex": Telex()}, tags=tags, raise_on_error=False)
    assert result.success == is_published
    if rows == 8:
        (event,) = result.asset_materializations_for_node("news")
        assert event.metadata["mark"].value == "m"
        assert event.metadata["warnings"].value == "- 'news': Rows fell from 10 to 8 (-20%)."


def test_nothing_is_published_only_where_that_may_be() -> None:
    with pytest.raises(Refused, match="'news' has no documents"):
        check_drop("news", None, 0, Terms())
    check_drop("news", None, 0, Terms(guard=DropGuard(allow_empty=True)))
    check_drop("news", 10, 0, Terms(is_drop_allowed=True))


def test_a_small_loss_is_no_news() -> None:
    warnings: list[str] = []
    check_drop("news", 100, 99, Terms(warn=warnings.append))
    assert warnings == []


def test_a_target_that_cannot_count_or_go_back_says_so() -> None:
    with pytest.raises(StopRun, match="Fax cannot count what it has published as 'news'"):
        Fax().count("news")
    with pytest.raises(ProjectError, match="Fax, which keeps nothing earlier"):
        Fax().rollback("news")
