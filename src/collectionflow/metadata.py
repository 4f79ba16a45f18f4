"""What the Dagster UI shows of a stored table, with no code in the assets."""

import base64
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from collectionflow.markdown import bullet_list, markdown_table
from collectionflow.notes import Notes
from collectionflow.storage import _files
from collectionflow.storage.gate import Measurement
from collectionflow.storage.publication import Publication

if TYPE_CHECKING:
    import altair as alt

PREVIEW_ROWS = 10


def publication_metadata(
    publication: Publication, notes: Notes, *, contract: str | None, is_partition: bool
) -> dict[str, Any]:
    """Return the metadata of one publication: what the Dagster UI and the command line show."""
    table = publication.table
    stored = _files.scan(table.path)
    measurement = publication.measurement
    schema = column_schema(stored.collect_schema())
    metadata = {
        f"dagster/{'partition_' if is_partition else ''}row_count": measurement.rows,
        "dagster/column_schema": schema,
        "dagster/size_bytes": publication.bytes,
        "dagster/uri": _files.location(table.path),
        "columns": schema,
        "preview": dg.MetadataValue.md(markdown_table(stored.head(PREVIEW_ROWS).collect())),
        "filled": dg.MetadataValue.md(markdown_table(filled_table(measurement))),
        "seconds": round(publication.seconds, 3),
        "version": publication.version,
    }
    if contract:
        metadata["contract"] = contract
    metadata |= _changes(publication)
    metadata |= {
        title: _drawn(title, draw, stored, notes) for title, draw in notes.charts.items()
    }
    metadata |= notes.metadata
    if notes.warnings:
        metadata["warnings"] = dg.MetadataValue.md(bullet_list(notes.warnings))
    return metadata


def column_schema(schema: Mapping[str, pl.DataType]) -> dg.TableSchema:
    """Return a Polars schema as the Dagster UI shows it.

    Example:
        >>> import polars as pl
        >>> from collectionflow.metadata import column_schema
        >>> column_schema({"title": pl.String()}).columns[0].type
        'String'
    """
    return dg.TableSchema(
        columns=[dg.TableColumn(name=name, type=str(dtype)) for name, dtype in schema.items()]
    )


def filled_table(measurement: Measurement) -> pl.DataFrame:
    """Return the share of filled values by column, as text in percent."""
    shares = [f"{measurement.filled_share(name):.1%}" for name in measurement.filled]
    return pl.DataFrame(
        {"column": list(measurement.filled), "filled": shares},
        schema={"column": pl.String, "filled": pl.String},
    )


def _changes(publication: Publication) -> dict[str, Any]:
    before = publication.before
    if before is None:
        return {"changes": "This is the first version."}
    now = publication.measurement.rows
    lines = [f"Rows: {before.rows:,} before, {now:,} now."]
    counts: dict[str, Any] = {}
    if publication.rows_added is not None and publication.rows_removed is not None:
        counts = {"rows_added": publication.rows_added, "rows_removed": publication.rows_removed}
        lines.append(f"By key: {counts['rows_added']:,} added, {counts['rows_removed']:,} removed.")
    if publication.columns_added:
        lines.append(f"Columns added: {', '.join(publication.columns_added)}.")
    if publication.columns_removed:
        lines.append(f"Columns removed: {', '.join(publication.columns_removed)}.")
    return {"changes": dg.MetadataValue.md(bullet_list(lines)), "rows_before": before.rows, **counts}


def _drawn(
    title: str,
    draw: "Callable[[pl.LazyFrame], alt.TopLevelMixin]",
    stored: pl.LazyFrame,
    notes: Notes,
) -> dg.MetadataValue:
    """Return a chart as an SVG picture. The table is good, so a chart that fails only warns."""
    try:
        picture = io.StringIO()
        draw(stored).save(picture, format="svg")
    except Exception as error:
        notes.warn(f"Chart '{title}' could not be drawn: {error}")
        return dg.MetadataValue.text(f"not drawn: {error}")
    encoded = base64.b64encode(picture.getvalue().encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{encoded})")
