"""Tables and charts as the Dagster UI shows them."""

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from collectionflow.contract import Contract
from collectionflow.markdown import CELL_CHARACTERS, markdown_table

if TYPE_CHECKING:
    import altair as alt

PREVIEW_ROWS = 10
# A page has room for about so many columns; of a wider table, three rows are shown side by side.
WIDE_COLUMNS = 5
TURNED_ROWS = 3


def column_schema(
    schema: Mapping[str, pl.DataType], contract: Contract | None = None
) -> dg.TableSchema:
    """Return a Polars schema as the Dagster UI shows it, with the contract's descriptions.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.metadata import column_schema
        >>> column_schema({"title": pl.String()}).columns[0].type
        'String'
    """
    descriptions = contract.descriptions if contract else {}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name=name, type=str(dtype), description=descriptions.get(name))
            for name, dtype in schema.items()
        ]
    )


def preview(table: pl.LazyFrame) -> str:
    """Return the first rows as Markdown; a wide table is turned, a line a column.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.metadata import preview
        >>> print(preview(pl.LazyFrame({"id": [1], "title": ["Portrait"]})))
        | id | title |
        |---|---|
        | 1 | Portrait |
    """
    is_wide = len(table.collect_schema()) > WIDE_COLUMNS
    rows = table.head(TURNED_ROWS if is_wide else PREVIEW_ROWS).collect()
    return markdown_table(
        turned(rows) if is_wide else rows,
        cell_characters=CELL_CHARACTERS // 2 if is_wide else CELL_CHARACTERS,
        is_aligned=False,
    )


def turned(rows: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with a line for each column and a column of text for each row.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.metadata import turned
        >>> turned(pl.DataFrame({"id": [1, 2], "title": ["Hat", None]})).rows()
        [('id', '1', '2'), ('title', 'Hat', None)]
    """
    values = [
        [None if cell is None else str(cell) for cell in rows.get_column(name).to_list()]
        for name in rows.columns
    ]
    columns = {
        f"row {number + 1}": [each[number] for each in values] for number in range(len(rows))
    }
    return pl.DataFrame(
        {"column": rows.columns, **columns}, schema_overrides=dict.fromkeys(columns, pl.String)
    )


def picture(chart: "alt.TopLevelMixin", title: str) -> dg.MetadataValue:
    """Return an Altair chart as an SVG picture that needs no server to be shown."""
    svg = io.StringIO()
    chart.save(svg, format="svg")
    encoded = base64.b64encode(svg.getvalue().encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{encoded})")
