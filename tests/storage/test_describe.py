from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
from polars.testing import assert_frame_equal

from collectionflow import Frame
from collectionflow.storage._describe import filled_table
from collectionflow.storage.gate import Measurement


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True, description="As on the label")


def asset_of(table: pl.DataFrame) -> dg.AssetsDefinition:
    @dg.asset
    def objects() -> Frame[Objects]:
        return table.lazy()

    return objects


FIRST = pl.DataFrame({"object_id": [1, 2, 3], "title": ["Sitter", "Hat", None]})


def test_the_first_version_is_described_without_code_in_the_asset(run: Callable[..., Any]) -> None:
    started = datetime.now(UTC)
    result = run(asset_of(FIRST))
    metadata = result.metadata("objects")
    path = str(result.folder / "objects.parquet")
    assert f"{started:%Y%m%dT%H%M%S.%fZ}" < metadata.pop("version")
    assert metadata.pop("seconds") > 0
    assert metadata.pop("dagster/size_bytes") == (result.folder / "objects.parquet").stat().st_size
    assert metadata == {
        "changes": "This is the first version.",
        "preview": "| object_id | title |\n|---|---|\n| 1 | Sitter |\n| 2 | Hat |\n| 3 |   |",
        "filled": "| column | filled |\n|---|---|\n| object_id | 100.0% |\n| title | 66.7% |",
        "contract": "Objects",
        "dagster/row_count": 3,
        "dagster/uri": path,
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn("object_id", "Int64"),
                dg.TableColumn("title", "String", description="As on the label"),
            ]
        ),
        "path": path,
    }


def test_a_later_version_is_compared_with_the_one_before(run: Callable[..., Any]) -> None:
    run(asset_of(FIRST.with_columns(note=pl.lit("a"))))
    now = pl.DataFrame({"object_id": [2, 3, 4, 5], "title": ["a"] * 4, "maker": ["b"] * 4})
    metadata = run(asset_of(now)).metadata("objects")
    assert metadata["changes"] == (
        "- Rows: 3 before, 4 now.\n"
        "- By key: 2 added, 1 removed.\n"
        "- Columns added: maker.\n"
        "- Columns removed: note."
    )
    assert (metadata["rows_before"], metadata["rows_added"], metadata["rows_removed"]) == (3, 2, 1)
    assert metadata["warnings"] == "- 'objects': Columns that Objects does not name: 'maker'."


def test_without_a_key_only_rows_are_compared(run: Callable[..., Any]) -> None:
    @dg.asset
    def objects() -> pl.DataFrame:
        return FIRST

    run(objects)
    metadata = run(objects).metadata("objects")
    assert metadata["changes"] == "- Rows: 3 before, 3 now."
    assert "rows_added" not in metadata
    assert "contract" not in metadata


def test_filled_shares_are_in_percent() -> None:
    measurement = Measurement(rows=3, filled={"object_id": 3, "title": 1})
    assert_frame_equal(
        filled_table(measurement),
        pl.DataFrame({"column": ["object_id", "title"], "filled": ["100.0%", "33.3%"]}),
    )
