"""What all tests share: a run on real storage, and a view of what it told."""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import polars.io.plugins
import pytest


def _measured(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that coverage also sees on the threads of Polars, which it cannot know."""

    def call(*arguments: Any, **options: Any) -> Any:
        _measure_this_thread()
        found = function(*arguments, **options)
        return _measured_steps(found) if isinstance(found, Iterator) else found

    return call


def _measure_this_thread() -> None:
    if sys.gettrace() is None:
        sys.settrace(threading.gettrace())


def _measured_steps(iterator: Iterator[Any]) -> Iterator[Any]:
    while True:
        _measure_this_thread()
        try:
            step = next(iterator)
        except StopIteration:
            return
        yield step


if threading.gettrace() is not None:
    _register_io_source = polars.io.plugins.register_io_source
    _map_batches = pl.LazyFrame.map_batches
    _map_expression = pl.Expr.map_batches
    polars.io.plugins.register_io_source = lambda source, **options: _register_io_source(  # ty: ignore[invalid-assignment]
        _measured(source), **options
    )
    pl.LazyFrame.map_batches = lambda frame, function, **options: _map_batches(  # ty: ignore[invalid-assignment]
        frame, _measured(function), **options
    )
    pl.Expr.map_batches = lambda expression, function, **options: _map_expression(  # ty: ignore[invalid-assignment]
        expression, _measured(function), **options
    )

from collectionflow import ParquetIOManager  # noqa: E402 (after Polars is made to be measured)


@dataclass(frozen=True)
class Run:
    """A finished run: its events, and what lies in the folder now."""

    result: dg.ExecuteInProcessResult
    folder: Path

    @property
    def is_success(self) -> bool:
        return self.result.success

    def metadata(self, asset: str) -> dict[str, Any]:
        """Return the plain metadata values of an asset's materialization."""
        (event,) = self.result.asset_materializations_for_node(asset.replace("/", "__"))
        return {name: value.value for name, value in event.metadata.items()}

    def failure(self) -> Any:
        """Return the description and metadata of the only step that failed."""
        (event,) = [each for each in self.result.all_events if each.is_step_failure]
        return event.step_failure_data.user_failure_data

    def reason(self) -> str:
        """Return what the only step that failed says of itself."""
        return self.failure().description

    def stored(self, name: str) -> pl.DataFrame:
        """Return a stored table by its path below the folder, without the suffix."""
        return pl.read_parquet(self.folder / f"{name}.parquet")

    def leftovers(self) -> list[str]:
        """Return the names of files that are neither published, refused nor versions."""
        partial = self.folder / ".collectionflow" / "partial"
        return [path.name for path in partial.iterdir()] if partial.exists() else []


@pytest.fixture(scope="session")
def instance() -> Iterator[dg.DagsterInstance]:
    """Keep the events of all runs in memory: one instance, since to make one takes longer than a run."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def run(tmp_path: Path, instance: dg.DagsterInstance) -> Callable[..., Run]:
    """Materialize assets on a ParquetIOManager in one folder, as often as a test likes."""

    def run(
        *assets: dg.AssetsDefinition,
        tags: Mapping[str, str] | None = None,
        partition: str | None = None,
        resources: Mapping[str, Any] | None = None,
        selection: Sequence[dg.AssetsDefinition] | None = None,
        **storage: Any,
    ) -> Run:
        folder = tmp_path / "tables"
        manager = ParquetIOManager(base_dir=str(folder), **storage)
        result = dg.materialize(
            assets,
            resources={"io_manager": manager, **(resources or {})},
            partition_key=partition,
            tags=tags,
            selection=selection,
            raise_on_error=False,
            instance=instance,
        )
        return Run(result=result, folder=folder)

    return run
