"""Live progress of a run: one line an asset or check, with rows and seconds."""

import io
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import cast

import dagster as dg
from rich.console import Console
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
from collectionflow.cli._steps import step_names
from collectionflow.progress import listening


@contextmanager
def watching(
    job: dg.JobDefinition, instance: dg.DagsterInstance, run_id: str, *, is_shown: bool
) -> Generator[None]:
    """Show how far each asset and check of a run is, until the run ends.

    On a terminal the lines move; elsewhere each prints a line when it has ended.
    """
    if not is_shown:
        yield
        return
    with _own_console() as screen:
        lines = _Lines(screen, step_names(job))
        instance.add_event_listener(run_id, lines.on_event)
        with listening(lines.on_rows), lines.progress:
            yield


@contextmanager
def _own_console() -> Generator[Console]:
    """Yield a console with a file of its own: Dagster takes standard output while a step runs."""
    try:
        descriptor = os.dup(sys.stdout.fileno())
    except io.UnsupportedOperation:  # Another program has put something else in its place.
        yield console
        return
    with os.fdopen(descriptor, "w", encoding=sys.stdout.encoding) as file:
        yield Console(file=file, highlight=False)


class _Lines:
    """The lines of one run, by step; events and row counts move them."""

    def __init__(self, screen: Console, names: Mapping[str, str]) -> None:
        self.screen = screen
        self.names = names
        self.progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.fields[mark]} {task.description}"),
            TextColumn("{task.fields[rows]}", justify="right"),
            _Seconds(),
            console=screen,
            disable=not screen.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.marks: dict[str, str] = {}
        self.ended: set[str] = set()

    def on_event(self, entry: dg.EventLogEntry) -> None:
        """Move the line of the step that an event of the run is about."""
        event = entry.dagster_event
        if event is None or not event.step_key:
            return
        step = self.names.get(event.step_key, event.step_key)
        match event.event_type_value:
            case "STEP_START":
                self._line(step)
            case "ASSET_MATERIALIZATION" if event.asset_key:
                self._end(event.asset_key.to_user_string(), "✓", _rows(event))
            case "ASSET_CHECK_EVALUATION":
                # A step may make several checks: its line shows the worst.
                marks = self.marks.get(step, "✓"), _check_mark(event)
                self.marks[step] = max(marks, key="✓!✗".index)
            case "STEP_SUCCESS":
                self._end(step, self.marks.get(step, "✓"))
            case "STEP_FAILURE":
                self._end(step, "✗")
            case "STEP_UP_FOR_RETRY":
                self._try_again(step)

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
        self._say(f"↻ {name} waits to be tried again")

    def _end(self, name: str, mark: str, rows: str = "") -> None:
        """End a line once: a step succeeds after its assets have, and a check has none."""
        if name in self.ended:
            return
        self.ended.add(name)
        task = self._line(name)
        self.progress.update(task, mark=mark, completed=1)
        if rows:
            self.progress.update(task, rows=rows)
        self._say(f"{mark} {name} {rows}".rstrip())

    def _say(self, line: str) -> None:
        """Print a line where none can move."""
        if not self.screen.is_terminal:
            self.screen.print(line, markup=False)


def _check_mark(event: dg.DagsterEvent) -> str:
    evaluation = event.asset_check_evaluation_data
    if evaluation.passed:
        return "✓"
    return "✗" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "!"


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
