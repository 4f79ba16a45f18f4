"""Measures whole processes in turn, so that a machine's noise falls on all of them alike."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figures:
    """What one run of a command took, its child processes included."""

    cpu_seconds: float
    wall_seconds: float
    peak_mib: float


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Figures:
    """Run a command to its end and return the operating system's own account of it.

    Peak memory is that of its largest process.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        # As on a user's machine, where Python compiles a module once.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.stderr.buffer.write(errors[-4000:])
        message = f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}"
        raise RuntimeError(message)
    return Figures(
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        wall_seconds=time.monotonic() - started,
        peak_mib=usage.ru_maxrss / 1024,
    )


def compare(
    title: str,
    commands: Mapping[str, Sequence[str]],
    *,
    environment: Mapping[str, str] | None = None,
    runs: int = 3,
    limits: str = "",
) -> dict[str, Figures]:
    """Run each command in turn, `runs` times after one that does not count, and print medians."""
    found: dict[str, list[Figures]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            figures = measure(command, environment)
            if number:
                found[name].append(figures)
    medians = {name: _median(figures) for name, figures in found.items()}
    table = Table(title=f"{title} (medians of {runs})", title_justify="left")
    for column in ("", "CPU s", "wall s", "peak MiB"):
        table.add_column(column, justify="left" if not column else "right")
    for name, each in medians.items():
        table.add_row(
            name, f"{each.cpu_seconds:.2f}", f"{each.wall_seconds:.2f}", f"{each.peak_mib:,.0f}"
        )
    console = Console()
    console.print(table)
    if limits:
        console.print(limits)
    return medians


def script(name: str) -> str:
    """Return the path of a console script of this environment."""
    return str(Path(sys.executable).with_name(name))


def _median(figures: Sequence[Figures]) -> Figures:
    return Figures(
        cpu_seconds=median(each.cpu_seconds for each in figures),
        wall_seconds=median(each.wall_seconds for each in figures),
        peak_mib=median(each.peak_mib for each in figures),
    )
