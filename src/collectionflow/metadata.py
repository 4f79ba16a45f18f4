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

PREVIEW_ROWS = (10, 5, 3)
# The Dagster UI shows Markdown below this length in place, and longer Markdown behind a link.
_SHOWN_IN_PLACE = 1_000


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
    """Return the first rows as Markdown: ten, or as few as three where that is seen at a glance.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.metadata import preview
        >>> print(preview(pl.LazyFrame({"id": [1], "title": ["Portrait"]})))
        | id | title |
        |---|---|
        | 1 | Portrait |
    """
    rows = table.head(PREVIEW_ROWS[0]).collect()
    texts = [
        markdown_table(rows.head(count), cell_characters=characters, is_aligned=False)
        for characters in (CELL_CHARACTERS, CELL_CHARACTERS // 2)
        for count in PREVIEW_ROWS
    ]
    return next((text for text in texts if len(text) < _SHOWN_IN_PLACE), texts[0])


def picture(chart: "alt.TopLevelMixin", title: str) -> dg.MetadataValue:
    """Return an Altair chart as an SVG picture that needs no server to be shown."""
    svg = io.StringIO()
    chart.save(svg, format="svg")
    encoded = base64.b64encode(svg.getvalue().encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{encoded})")
