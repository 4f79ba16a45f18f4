import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import Frame, warn
from collectionflow.output import NdjsonTarget


class Documents(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


Publish = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Publish a frame as the asset `documents`."""

    def publish(frame: object, annotation: Any = pl.LazyFrame) -> dg.ExecuteInProcessResult:
        def documents() -> Any:
            warn("One word.")
            return frame

        documents.__annotations__["return"] = annotation
        asset = dg.asset(io_manager_key="json")(documents)
        target = NdjsonTarget(directory=str(tmp_path))
        return dg.materialize([asset], resources={"json": target}, raise_on_error=False)

    return publish


def reason(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data is not None
    return failed.step_failure_data.user_failure_data.description or ""


def documents(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "documents.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_each_line_is_a_document(publish: Publish, tmp_path: Path) -> None:
    people = [[{"name": "Émile", "years": [1840, 1902]}], []]
    frame = pl.LazyFrame(
        {"id": [1, 2], "people": people, "day": [date(1840, 4, 2), None], "ok": [True, None]}
    )
    assert publish(frame).success
    assert documents(tmp_path) == [
        {"id": 1, "people": people[0], "day": "1840-04-02", "ok": True},
        {"id": 2, "people": [], "day": None, "ok": None},
    ]


def test_the_page_tells_rows_size_path_preview_and_warnings(
    publish: Publish, tmp_path: Path
) -> None:
    result = publish(pl.DataFrame({"id": [1, 2]}), pl.DataFrame)
    (event,) = result.asset_materializations_for_node("documents")
    metadata: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert metadata["dagster/row_count"] == 2
    assert metadata["dagster/size_bytes"] == 18
    assert metadata["path"] == str(tmp_path / "documents.ndjson")
    assert metadata["preview"] == "| id |\n|---|\n| 1 |\n| 2 |"
    assert metadata["warnings"] == "- One word."
    assert metadata["seconds"] >= 0


def test_the_same_documents_give_the_same_file(publish: Publish, tmp_path: Path) -> None:
    frame = pl.LazyFrame({"id": range(100_000)})
    publish(frame)
    first = (tmp_path / "documents.ndjson").read_bytes()
    publish(frame)
    assert (tmp_path / "documents.ndjson").read_bytes() == first


def test_a_frame_that_fails_leaves_what_was_published(publish: Publish, tmp_path: Path) -> None:
    publish(pl.LazyFrame({"id": [1]}))
    broken = pl.LazyFrame({"id": [1]}).map_batches(_explode, streamable=True)
    assert not publish(broken).success
    assert documents(tmp_path) == [{"id": 1}]
    assert list((tmp_path / ".collectionflow" / "partial").iterdir()) == []


def _explode(_batch: pl.DataFrame) -> pl.DataFrame:
    message = "no"
    raise ValueError(message)


def test_a_contract_is_kept_before_anything_is_written(publish: Publish, tmp_path: Path) -> None:
    good = pl.LazyFrame({"id": [1, 2], "title": ["a", None], "extra": [1, 2]})
    assert publish(good, Frame[Documents]).success
    assert documents(tmp_path) == [{"id": 1, "title": "a"}, {"id": 2, "title": None}]
    result = publish(good.with_columns(id=pl.lit(7, pl.Int64)), Frame[Documents])
    assert reason(result).startswith(
        "'documents' breaks its contract Documents. What was published stays.\n"
        "- 'id' must be unique: 1 of 2 rows break this."
    )
    assert len(documents(tmp_path)) == 2


def test_missing_columns_and_wrong_types_are_told(publish: Publish, tmp_path: Path) -> None:
    result = publish(pl.LazyFrame({"id": ["1"]}), Frame[Documents])
    assert "Columns missing: title." in reason(result)
    assert "Column 'id' is String, expected Int64." in reason(result)
    assert not (tmp_path / "documents.ndjson").exists()


def test_a_target_is_not_read_back(tmp_path: Path) -> None:
    @dg.asset(io_manager_key="json")
    def documents() -> pl.LazyFrame:
        return pl.LazyFrame({"id": [1]})

    @dg.asset
    def later(documents: pl.LazyFrame) -> None:
        documents.collect()

    target = NdjsonTarget(directory=str(tmp_path))
    result = dg.materialize([documents, later], resources={"json": target}, raise_on_error=False)
    assert "'documents' is published by a target, which does not read back" in reason(result)
