import base64

import altair as alt
import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from collectionflow.contract import contract_of
from collectionflow.metadata import column_schema, picture, preview


class Objects(pa.DataFrameModel):
    title: str = pa.Field(description="As on the label")


def test_a_column_schema_has_types_and_the_contracts_descriptions() -> None:
    schema = {"title": pl.String(), "terms": pl.List(pl.String)}
    assert column_schema(schema, contract_of(Objects)).columns == [
        dg.TableColumn("title", "String", description="As on the label"),
        dg.TableColumn("terms", "List(String)"),
    ]
    assert [column.description for column in column_schema(schema).columns] == [None, None]


@pytest.mark.parametrize(
    ("columns", "characters", "rows"),
    [(1, 10, 10), (1, 100, 10), (2, 70, 5), (3, 80, 5), (4, 80, 5), (6, 80, 3), (20, 80, 10)],
)
def test_a_preview_has_as_many_rows_as_are_seen_at_a_glance(
    columns: int, characters: int, rows: int
) -> None:
    table = pl.LazyFrame({f"c{number}": ["x" * characters] * 20 for number in range(columns)})
    text = preview(table)
    assert len(text.splitlines()) == rows + 2
    is_in_place = len(text) < 1_000
    assert is_in_place or rows == 10


def test_a_preview_shows_the_first_rows() -> None:
    table = pl.LazyFrame({"object_id": range(12), "title": [None] * 12})
    lines = preview(table).splitlines()
    assert lines[:3] == ["| object_id | title |", "|---|---|", "| 0 |  |"]
    assert lines[-1] == "| 9 |  |"


def test_a_chart_is_a_picture_inside_markdown() -> None:
    chart = alt.Chart(pl.DataFrame({"year": [1900], "count": [2]})).mark_bar().encode(x="year:O")
    value = picture(chart, "By year").value
    before, _, encoded = str(value).partition("base64,")
    assert before == "![By year](data:image/svg+xml;"
    assert base64.b64decode(encoded.removesuffix(")")).startswith(b"<svg")
