"""Two tables of ten million nested rows with eight hundred differences: each of them, and no other.

Run: make bench ONLY=parity
Options: uv run --group bench python benchmarks/parity.py [ROWS]
"""

import sys
import tempfile
from pathlib import Path

import polars as pl
from _measure import compare

ROWS = 10_000_000
EACH = 100


def main(rows: int = ROWS) -> None:
    """Print the comparison."""
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder, "one.parquet"), Path(folder, "other.parquet")
        store(documents(rows), one)
        store(changed(pl.scan_parquet(one), rows), other)
        paths = [str(one), str(other)]
        ways = {
            "ours": [sys.executable, __file__, "ours", *paths],
            "ours, with a tolerance": [sys.executable, __file__, "tolerant", *paths],
            "ours, no difference": [sys.executable, __file__, "same", *paths],
        }
        if rows <= ROWS // 10:  # It needs all rows and all columns of both in memory.
            ways["peer: a full join of all columns"] = [sys.executable, __file__, "join", *paths]
        limits = "Limit: ours at most 16 CPU s and 3,584 MiB for ten million rows."
        compare(f"2 tables of {rows:,} nested rows", ways, runs=1, limits=limits)


def documents(rows: int) -> pl.LazyFrame:
    """Return nested documents."""
    row = pl.col("id")
    sitter = pl.struct(
        id=row % 200_000, name=pl.format("Sitter {}", row % 200_000), weight=(row % 97) / 3
    )
    return (
        pl.select(id=pl.int_range(rows, dtype=pl.Int64))
        .lazy()
        .select(
            "id",
            number=pl.format("NPG.{}", row),
            title=pl.format("Portrait of sitter {}", row % 500_000),
            classification=pl.format("Kind {}", row % 5),
            medium=pl.format("Oil on canvas {}", row % 3_000),
            width=(row % 99_991) / 7,
            date=pl.struct(text=pl.format("c. {}", row % 2_000), earliest=row % 2_000),
            terms=pl.concat_list(pl.format("term {}", row % 977), pl.format("term {}", row % 91)),
            sitters=pl.concat_list(sitter),
            image=pl.when(row % 4 != 0).then(
                pl.struct(url=pl.format("https://example.org/{}", row), is_thumbnail=row % 3 == 0)
            ),
        )
    )


def changed(table: pl.LazyFrame, rows: int) -> pl.LazyFrame:
    """Return the rows in another order, with 100 less, 100 more, and 100 cells of six columns."""
    row = pl.col("id")
    step = rows // EACH

    def some(number: int) -> pl.Expr:
        return (row % step == number) & (row // step < EACH)

    def where(number: int, value: pl.Expr, name: str) -> pl.Expr:
        return pl.when(some(number)).then(value).otherwise(name).alias(name)

    new = table.head(EACH).with_columns(row + rows)
    number = pl.lit(1, pl.Int64).alias("id")
    other = pl.struct(number, pl.lit("Nobody").alias("name"), pl.lit(0.5).alias("weight"))
    spoiled = table.filter(~some(3)).with_columns(
        where(5, pl.lit("Changed"), "title"),
        where(7, pl.lit(None), "medium"),
        where(9, pl.col("width") + 1, "width"),
        where(11, pl.struct(text=pl.lit("n.d."), earliest=row % 2_000), "date"),
        where(13, pl.col("terms").list.head(1), "terms"),
        where(15, pl.concat_list(other), "sitters"),
    )
    half = row >= rows // 2
    return pl.concat([spoiled.filter(half), new, spoiled.filter(~half)])


def store(table: pl.LazyFrame, path: Path) -> None:
    """Write a table as storage does."""
    table.sink_parquet(path, row_group_size=15_360, compression="zstd", compression_level=2)


def compare_tables(one: str, other: str, tolerance: float) -> None:
    """Compare, and see that exactly what was planted is found."""
    from collectionflow.storage.diff import diff

    found = diff(pl.scan_parquet(one), pl.scan_parquet(other), ["id"], tolerance=tolerance)
    columns = ["date", "medium", "sitters", "terms", "title", "width"]
    is_same = one == other
    assert found.changed_by_column == ({} if is_same else dict.fromkeys(columns, EACH))
    assert found.added == found.removed == (0 if is_same else EACH)
    assert found.changed == (0 if is_same else 6 * EACH)


def join(one: str, other: str) -> None:
    """Join all columns of both, and compare them cell by cell."""
    names = [name for name in pl.scan_parquet(one).collect_schema() if name != "id"]
    pairs = pl.scan_parquet(one).join(pl.scan_parquet(other), on="id", how="full", suffix=" b")
    differs = [(pl.col(name).ne_missing(pl.col(f"{name} b"))).sum().alias(name) for name in names]
    assert pairs.select(differs).collect()["title"].item() == 3 * EACH


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours", one, other]:
            compare_tables(one, other, 0.0)
        case ["tolerant", one, other]:
            compare_tables(one, other, 1e-9)
        case ["same", one, _]:
            compare_tables(one, one, 0.0)
        case ["join", one, other]:
            join(one, other)
        case arguments:
            main(*map(int, arguments))
