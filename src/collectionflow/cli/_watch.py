"""Live progress of a run: one line an asset, with rows and seconds."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import dagster as dg
from rich.progress import (
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

from collectionflow.cli._screen import console
from collectionflow.progress import listening


@contextmanager
def watching(instance: dg.DagsterInstance, run_id: str, *, is_shown: bool) -> Generator[None]:
    """Show how far each asset of a run is, until the run ends.

    On a terminal the lines move; elsewhere each asset prints a line when it has ended.
    """
    if not is_shown:
        yield
        return
    lines = _Lines()
    instance.add_event_listener(run_id, lines.on_event)
    with listening(lines.on_rows), lines.progress:
        yield


class _Lines:
    """The lines of one run, by asset; events and row counts move them."""

    def __init__(self) -> None:
        self.progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.fields[mark]} {task.description}"),
            TextColumn("{task.fields[rows]}", justify="right"),
            _Seconds(),
            console=console,
            disable=not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.ended: set[str] = set()

    def on_event(self, entry: dg.EventLogEntry) -> None:
        """Move the line of the asset that an event of the run is about."""
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type_value == "STEP_START" and event.step_key:
            self._line(event.step_key.replace("__", "/"))
        elif event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key:
            self._end(event.asset_key.to_user_string(), "✓", _rows(event))
        elif event.event_type_value == "STEP_SUCCESS" and event.step_key:
            self._end(event.step_key.replace("__", "/"), "✓")
        elif event.event_type_value == "STEP_FAILURE" and event.step_key:
            self._end(event.step_key.replace("__", "/"), "✗")
        elif event.event_type_value == "STEP_UP_FOR_RETRY" and event.step_key:
            self._try_again(event.step_key.replace("__", "/"))

    def on_rows(self, table: str, rows: int) -> None:
        """Show how many rows of a table are written."""
        known = [name for name in self.tasks if table == name or table.startswith(f"{name}/")]
        task = self._line(known[0] if known else table)
        self.progress.update(task, rows=f"{rows:,} rows")

    def _line(self, name: str) -> TaskID:
        if name not in self.tasks:
            self.tasks[name] = self.progress.add_task(name, total=1, mark=" ", rows="")
        return self.tasks[name]

    def _try_again(self, name: str) -> None:
        self.progress.update(self._line(name), mark="↻")
        if not console.is_terminal:
            console.print(f"↻ {name} waits to be tried again", markup=False)

    def _end(self, name: str, mark: str, rows: str = "") -> None:
        """End a line once: a step succeeds after its assets have, and a check has none."""
        if name in self.ended:
            return
        self.ended.add(name)
        task = self._line(name)
        self.progress.update(task, mark=mark, completed=1)
        if rows:
            self.progress.update(task, rows=rows)
        if not console.is_terminal:
            console.print(f"{mark} {name} {rows}".rstrip(), markup=False)


def _rows(event: dg.DagsterEvent) -> str:
    metadata = event.step_materialization_data.materialization.metadata
    count = metadata.get("dagster/row_count") or metadata.get("dagster/partition_row_count")
    return "" if count is None else f"{cast('int', count.value):,} rows"


class _Seconds(ProgressColumn):
    """The seconds that a line has taken."""

    def render(self, task: Task) -> Text:
        """Return the seconds so far, or those that it took."""
        seconds = task.finished_time if task.finished else task.elapsed
        return Text(f"{seconds or 0:.1f} s", style="dim")
