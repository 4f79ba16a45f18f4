import base64

import altair as alt
import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow.contract import contract_of
from collectionflow.metadata import column_schema, picture, preview, turned


class Objects(pa.DataFrameModel):
    title: str = pa.Field(description="As on the label")


def test_a_column_schema_has_types_and_the_contracts_descriptions() -> None:
    schema = {"title": pl.String(), "terms": pl.List(pl.String)}
    assert column_schema(schema, contract_of(Objects)).columns == [
        dg.TableColumn("title", "String", description="As on the label"),
        dg.TableColumn("terms", "List(String)"),
    ]
    assert [column.description for column in column_schema(schema).columns] == [None, None]


@pytest.mark.parametrize(("columns", "rows", "lines"), [(5, 12, 10), (5, 2, 2), (6, 12, 6)])
def test_a_preview_shows_ten_rows_or_a_line_a_column_where_the_table_is_wide(
    columns: int, rows: int, lines: int
) -> None:
    table = pl.LazyFrame({f"c{number}": range(rows) for number in range(columns)})
    assert len(preview(table).splitlines()) == lines + 2


def test_a_preview_shows_the_first_rows() -> None:
    table = pl.LazyFrame({"object_id": range(12), "title": [None] * 12})
    lines = preview(table).splitlines()
    assert lines[:3] == ["| object_id | title |", "|---|---|", "| 0 |   |"]
    assert lines[-1] == "| 9 |   |"


def test_a_wide_preview_shows_three_rows_side_by_side() -> None:
    table = pl.LazyFrame({name: [name * 40, None, 3, 4] for name in "abcdef"}, strict=False)
    lines = preview(table).splitlines()
    assert lines[0] == "| column | row 1 | row 2 | row 3 |"
    assert lines[2] == f"| a | {'a' * 29}… |   | 3 |"


def test_a_turned_frame_without_rows_names_its_columns() -> None:
    turned_frame = turned(pl.DataFrame(schema={"id": pl.Int64, "title": pl.String}))
    assert_frame_equal(turned_frame, pl.DataFrame({"column": ["id", "title"]}))


def test_a_chart_is_a_picture_inside_markdown() -> None:
    chart = alt.Chart(pl.DataFrame({"year": [1900], "count": [2]})).mark_bar().encode(x="year:O")
    value = picture(chart, "By year").value
    before, _, encoded = str(value).partition("base64,")
    assert before == "![By year](data:image/svg+xml;"
    assert base64.b64decode(encoded.removesuffix(")")).startswith(b"<svg")
