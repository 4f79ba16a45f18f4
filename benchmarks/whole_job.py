"""The example's whole job: on the museum's real export, and on a sample of a million objects.

The limit is a script that a careful developer would write by hand: the same functions on the same
files in one fused plan, with no storage between the stages, no checks and no Dagster.

Run: make bench ONLY=whole_job
Options: uv run --group bench python benchmarks/whole_job.py [--objects N]
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from _measure import compare, script

HERE = Path(__file__).parent
PROJECT = HERE.parent / "examples" / "portrait_gallery"


def main() -> None:
    """Print both comparisons; the real export's only where `NPG_EXPORT` names its folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    objects = parser.parse_args().objects
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        if "NPG_EXPORT" in os.environ:
            _compare("The real export", "export", Path(folder, "export"), runs=3)
        _compare(f"A sample of {objects:,} objects", "sample", Path(folder, "sample"), objects, 1)


def _compare(title: str, source: str, folder: Path, objects: int = 500, runs: int = 3) -> None:
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    environment = {
        "DAGSTER_HOME": str(home),
        "PORTRAIT_GALLERY_DATA": str(folder),
        "PORTRAIT_GALLERY_SOURCE": source,
        "PORTRAIT_GALLERY_SAMPLE_OBJECTS": str(objects),
    }
    compare(
        title,
        {
            "ours: the whole job, checked and published": [
                *(script("collectionflow"), "run", "collection", "--project", str(PROJECT)),
            ],
            "limit: the same functions by hand": [
                *(sys.executable, str(HERE / "whole_job_by_hand.py")),
            ],
        },
        environment=environment,
        runs=runs,
        limits="Limit: ours below 1,536 MiB.",
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
