"""What it costs to harvest a CSV and an NDJSON file, beside Polars alone.

Polars alone fills a short row with nulls and guesses where quotes are wrong; ours finds both.
Both processes import the same, so that what differs is the reading and the writing.

Run: make bench ONLY=csv_files
"""

import csv
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandera.polars as pa
import polars as pl
from _measure import compare

from collectionflow.harvest import FolderSource
from collectionflow.storage.engines.polars import ZSTD_LEVEL, row_group_rows

COLUMNS = (
    "id", "number", "title", "maker", "date", "year",
    "medium", "dimensions", "credit", "rights", "url", "note",
)  # fmt: skip
WORDS = (
    "portrait",
    "of a lady",
    "with the dog",
    "by",
    "Émile",
    "Brontë",
    "oil on canvas",
    "London",
)


def main() -> None:
    """Print the comparison of CSV at two sizes, and of NDJSON."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for millions in (1, 4):
            path = folder / f"objects_{millions}.csv"
            write_csv(path, millions * 1_000_000)
            compare(
                f"CSV, {millions}M rows x 12 columns, {path.stat().st_size / 1e6:,.0f} MB",
                commands(path),
                limits="Limit: ours at most 1.3 times the CPU of Polars; memory is bounded.",
            )
            path.unlink()
        path = folder / "objects.ndjson"
        write_ndjson(path, 1_000_000)
        compare(f"NDJSON, 1M records, {path.stat().st_size / 1e6:,.0f} MB", commands(path))


def commands(path: Path) -> dict[str, list[str]]:
    """Return the ways to harvest a file, by what they are."""
    this = [sys.executable, __file__, str(path)]
    return {"ours: FolderSource": [*this, "ours"], "peer: Polars alone": [*this, "polars"]}


def harvest(path: Path, way: str) -> None:
    """Write a file as Parquet, as storage does."""
    schema = type("Objects", (pa.DataFrameModel,), {"__annotations__": dict.fromkeys(COLUMNS, str)})
    if way == "ours":
        frame = FolderSource(directory=str(path.parent)).harvest(path.stem, schema)
    elif path.suffix == ".csv":
        frame = pl.scan_csv(path, infer_schema=False)
    else:
        frame = pl.scan_ndjson(path, schema=dict.fromkeys(COLUMNS, pl.String()))
    frame.sink_parquet(
        path.with_suffix(f".{way}.parquet"),
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        row_group_size=row_group_rows(frame.collect_schema()),
    )


def write_csv(path: Path, count: int) -> None:
    """Write a file with quotes, line ends in cells, and a last column that is often empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows(count))


def write_ndjson(path: Path, count: int) -> None:
    """Write the same rows, one object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows(count):
            record = dict(zip(COLUMNS, row, strict=True))
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def rows(count: int) -> Iterator[tuple[str, ...]]:
    """Yield rows of an invented collection."""
    source = random.Random(1)  # noqa: S311 (no secret)
    texts = [" ".join(source.choices(WORDS, k=source.randint(3, 9))) for _ in range(5_000)]
    for number in range(count):
        text = texts[number % 5_000]
        yield (
            str(number),
            f"NPG.{number % 100_000:06}",
            f"{text}, {number}" if number % 3 == 0 else text,
            texts[number * 7 % 5_000][:30],
            "c. 1890-1900",
            str(1500 + number % 500),
            "oil on canvas",
            '12" x 9"' if number % 10 == 0 else "30 x 40 cm",
            "Given by\nthe sitter" if number % 50 == 0 else texts[number * 13 % 5_000][:40],
            "PD",
            f"https://example.org/objects/{number}",
            "" if number % 2 else "see file",
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        harvest(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
