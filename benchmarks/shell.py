"""What a job of eight small assets costs from the shell, and what `import collectionflow` adds.

Run: make bench ONLY=shell
"""

import sys
import tempfile
from pathlib import Path

from _measure import compare, script

PROJECT = Path(__file__).parent / "eight_assets"


BASE = "import dagster, polars"


def main() -> None:
    """Print both comparisons."""
    with tempfile.TemporaryDirectory() as folder:
        compare(
            "A job of eight assets from the shell",
            runners(),
            environment=environment(Path(folder)),
            limits="Limit: ours at most 4.0 CPU s.",
        )
    compare(
        "Import",
        {
            "ours: dagster, polars, collectionflow": [
                *(sys.executable, "-c", f"{BASE}, collectionflow"),
            ],
            "floor: dagster, polars": [sys.executable, "-c", BASE],
        },
        runs=9,
        limits="Limit: ours at most 0.1 CPU s above the floor.",
    )


def runners() -> dict[str, list[str]]:
    """Return the ways to run the job, by what they are."""
    execute = [script("dagster"), "job", "execute", "-m", "eight_assets.definitions", "-j"]
    ours = [script("collectionflow"), "run", "in_process", "--project", str(PROJECT)]
    return {
        "ours: collectionflow run": ours,
        "ours, isolated: a forked process a step": [*execute, "isolated"],
        "peer: dagster, a process a step": [*execute, "process_a_step"],
        "floor: Dagster alone, doing nothing": [sys.executable, str(PROJECT / "floor.py")],
    }


def environment(folder: Path) -> dict[str, str]:
    """Return where a run keeps its history and its tables, below `folder`."""
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return {
        "DAGSTER_HOME": str(home),
        "STORAGE": str(folder / "data"),
        "PYTHONPATH": str(PROJECT / "src"),
    }


if __name__ == "__main__":
    main()
