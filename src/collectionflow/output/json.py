"""JSON documents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field
from upath import UPath

from collectionflow.output._target import Target
from collectionflow.storage import _files


class NdjsonTarget(Target):
    """One JSON document a line in `<directory>/<asset>.ndjson`, replaced whole on every run.

    A reader sees the old file or the new one, never half a file.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow.output import NdjsonTarget
        >>> @dg.asset(io_manager_key="json")
        ... def objects_json() -> pl.LazyFrame:
        ...     return pl.LazyFrame({"id": [1], "title": ["Portrait"]})
        >>> target = NdjsonTarget(directory="website/data")
    """

    directory: str = Field(description="The folder of the files.")

    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        """Write the documents beside the published file, then take its place."""
        final = Path(self.directory, f"{name}.ndjson")
        with _files.staged(UPath(self.directory), ".ndjson") as partial:
            frame.sink_ndjson(partial, sync_on_close="all")
            size = partial.stat().st_size
            _files.move(partial, UPath(final))
        return {"path": dg.MetadataValue.path(final), "dagster/size_bytes": size}
