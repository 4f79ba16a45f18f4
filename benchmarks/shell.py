"""What a job of eight small assets costs from the shell, and what `import collectionflow` adds.

Run: uv run python benchmarks/shell.py
"""

import sys
import tempfile
from pathlib import Path

from _measure import compare, script

PROJECT = Path(__file__).parent / "eight_assets"


def main() -> None:
    """Print both comparisons."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        environment = {
            "DAGSTER_HOME": str(home),
            "STORAGE": str(Path(folder, "data")),
            "PYTHONPATH": str(PROJECT / "src"),
        }
        module = ["-m", "eight_assets.definitions"]
        compare(
            "A job of eight assets from the shell",
            {
                "ours: collectionflow run": [
                    script("collectionflow"),
                    "run",
                    "in_process",
                    "--project",
                    str(PROJECT),
                ],
                "ours, isolated: a forked process a step": [
                    script("dagster"),
                    "job",
                    "execute",
                    *module,
                    "-j",
                    "isolated",
                ],
                "peer: dagster, a process a step": [
                    script("dagster"),
                    "job",
                    "execute",
                    *module,
                    "-j",
                    "process_a_step",
                ],
                "floor: Dagster alone, doing nothing": [sys.executable, str(PROJECT / "floor.py")],
            },
            environment=environment,
            limits="Limit: ours at most 4.0 CPU s.",
        )
    base = "import dagster, polars"
    compare(
        "Import",
        {
            "ours: dagster, polars, collectionflow": [
                sys.executable,
                "-c",
                f"{base}, collectionflow",
            ],
            "floor: dagster, polars": [sys.executable, "-c", base],
        },
        runs=9,
        limits="Limit: ours at most 0.1 CPU s above the floor.",
    )


if __name__ == "__main__":
    main()
