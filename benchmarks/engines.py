"""Nested documents of a large museum by each engine, computed, judged and published by storage.

At the scale of 1 there are 2M objects, 200k constituents, 2.5M links, 1.5M media and 5M terms; key
buckets also have three times as much. Spark runs where its client is installed, on the cluster
that SPARK_REMOTE names or on one that is started.

Run: make bench ONLY=engines
Options: uv run --group bench python benchmarks/engines.py [--scale X] [--runs N]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from _measure import compare, measure
from rich.console import Console
from upath import UPath

from collectionflow.storage import _files
from collectionflow.storage.diff import diff

HERE = Path(__file__).parent / "documents"
MORE = 3
console = Console()


def main() -> None:
    """Print the figures, and whether all engines made the same documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_FOLDER")) as folder:
        data = _tables(Path(folder), options.scale)
        result = Path(folder, "result")
        engines = ["polars", "buckets", "duckdb"]
        compare(
            f"Documents at the scale of {options.scale:g}",
            {name: _command(name, data, result) for name in engines},
            runs=options.runs,
            limits="Limit: Polars at most 20 CPU s where DuckDB takes 38.",
        )
        if find_spec("pyspark"):
            engines.append("spark")
            _spark(data, result)
        for name in engines[1:]:
            _compare(result, engines[0], name)
        more = _tables(Path(folder), MORE * options.scale)
        compare(
            f"Documents at the scale of {MORE * options.scale:g}",
            {"buckets": _command("buckets", more, Path(folder, "more"))},
            runs=options.runs,
            limits="Limit: buckets below 1,536 MiB.",
        )


def _tables(folder: Path, scale: float) -> Path:
    """Make the tables in a process of its own, so that their memory is nobody's."""
    data = folder / f"tables-{scale:g}"
    measure([sys.executable, str(HERE / "data.py"), str(data), str(scale)])
    return data


def _command(engine: str, data: Path, result: Path) -> list[str]:
    return [sys.executable, str(HERE / "publish.py"), engine, str(data), str(result)]


def _spark(data: Path, result: Path) -> None:
    """Measure the client of a cluster; what the cluster itself takes is not in its figures."""
    with _cluster() as remote:
        started = time.monotonic()
        figures = measure([*_command("spark", data, result), remote])
    console.print(
        f"Spark on a cluster: {time.monotonic() - started:.0f} s; of these the client took "
        f"{figures.cpu_seconds:.1f} CPU s and {figures.peak_mib:,.0f} MiB."
    )


@contextmanager
def _cluster() -> Generator[str]:
    if remote := os.environ.get("SPARK_REMOTE"):
        yield remote
        return
    sys.path.append(str(Path(__file__).parents[1] / "scripts"))
    from servers import spark

    with spark.serve() as remote:
        yield remote


def _compare(result: Path, one: str, other: str) -> None:
    """Print in how many documents two engines differ."""
    tables = [_files.scan(UPath(result, f"{name}.parquet")) for name in (one, other)]
    found = diff(*tables, ["object_id"])
    differing = found.added + found.removed + found.changed
    console.print(f"{one} and {other}: {found.rows_after:,} documents, {differing:,} differ.")


if __name__ == "__main__":
    main()
