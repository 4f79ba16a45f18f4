"""What the Dagster UI shows of a publication, with no code in the asset."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from collectionflow.contract import Contract
from collectionflow.ledger import Harvest
from collectionflow.markdown import bullet_list, markdown_table
from collectionflow.metadata import column_schema, picture, preview
from collectionflow.notes import Notes
from collectionflow.storage import _files
from collectionflow.storage.gate import Measurement
from collectionflow.storage.publication import Publication

if TYPE_CHECKING:
    import altair as alt


def publication_metadata(
    publication: Publication, notes: Notes, contract: Contract | None, *, is_partition: bool
) -> dict[str, Any]:
    """Return the metadata of one publication, what a reader wants first at the top."""
    location = _files.location(publication.table.path)
    stored = _files.scan(publication.table.path)
    measurement = publication.measurement
    charts = {title: _drawn(title, draw, stored, notes) for title, draw in notes.charts.items()}
    count = "dagster/partition_row_count" if is_partition else "dagster/row_count"
    return {
        **warnings_metadata(notes),
        **_changes(publication),
        **_quarantined(publication),
        "preview": dg.MetadataValue.md(preview(stored)),
        **charts,
        "filled": dg.MetadataValue.md(markdown_table(filled_table(measurement), is_aligned=False)),
        **_harvested(notes.harvests),
        **notes.metadata,
        **({"contract": contract.name} if contract else {}),
        "seconds": round(publication.seconds, 3),
        "version": publication.version,
        count: measurement.rows,
        "dagster/size_bytes": publication.bytes,
        "dagster/uri": location,
        "dagster/column_schema": column_schema(stored.collect_schema(), contract),
    }


def warnings_metadata(notes: Notes) -> dict[str, Any]:
    """Return the step's warnings as metadata, nothing where there are none."""
    if not notes.warnings:
        return {}
    return {"warnings": dg.MetadataValue.md(bullet_list(notes.warnings))}


def filled_table(measurement: Measurement) -> pl.DataFrame:
    """Return the share of filled values by column, as text in percent."""
    shares = [f"{measurement.filled_share(name):.1%}" for name in measurement.filled]
    return pl.DataFrame(
        {"column": list(measurement.filled), "filled": shares},
        schema={"column": pl.String, "filled": pl.String},
    )


def _harvested(harvests: Sequence[Harvest]) -> dict[str, Any]:
    """Return where the table came from and what came, with the counts that are not nought."""
    found: dict[str, Any] = {}
    for number, each in enumerate(harvests, start=1):
        mark = "" if len(harvests) == 1 else f"_{number}"
        said = {
            "source": each.source,
            "source_window": _window(each),
            "source_count": each.expected,
            "records_received": each.received,
            "records_deleted": each.deleted or None,
            "records_resumed": each.resumed or None,
            "requests_repeated": each.retries or None,
        }
        found |= {f"{name}{mark}": value for name, value in said.items() if value is not None}
    return found


def _window(harvest: Harvest) -> str | None:
    if harvest.since is None and harvest.until is None:
        return None
    return f"{harvest.since or 'the beginning'} to {harvest.until or 'now'}"


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
    return {
        "changes": dg.MetadataValue.md(bullet_list(lines)),
        "rows_before": before.rows,
        **counts,
    }


def _quarantined(publication: Publication) -> dict[str, Any]:
    if not publication.rows_quarantined:
        return {}
    path = _files.location(publication.table.quarantine)
    return {
        "rows_quarantined": publication.rows_quarantined,
        "quarantine": dg.MetadataValue.path(path),
    }


def _drawn(
    title: str,
    draw: "Callable[[pl.LazyFrame], alt.TopLevelMixin]",
    stored: pl.LazyFrame,
    notes: Notes,
) -> dg.MetadataValue:
    """Return a chart of the stored table. The table is good, so a chart that fails only warns."""
    try:
        return picture(draw(stored), title)
    except Exception as error:  # noqa: BLE001 (whatever a project's drawing code raises)
        notes.warn(f"Chart '{title}' could not be drawn: {error}")
        return dg.MetadataValue.text(f"not drawn: {error}")
