"""What fifteen rules on a million rows of twelve columns cost, next to one select written by hand.

Run: make bench ONLY=checks
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from _measure import compare
from pandera.api.polars.types import PolarsData

ROWS = 1_000_000
TIMES = 20
KINDS = ["Painting", "Print", "Drawing", "Photograph", "Bust"]


class Objects(pa.DataFrameModel):
    """Twelve columns and fifteen rules."""

    id: int = pa.Field(unique=True)
    number: str = pa.Field(str_startswith="NPG")
    title: str
    kind: str = pa.Field(isin=KINDS)
    begin: int = pa.Field(in_range={"min_value": 1, "max_value": 2100})
    end: int
    width: float = pa.Field(nullable=True, ge=0)
    height: float = pa.Field(nullable=True, ge=0)
    credit: str = pa.Field(nullable=True)
    url: str = pa.Field(str_matches="^https?://[!-~]+$")
    rights: str = pa.Field(nullable=True)
    order: int = pa.Field(nullable=True)

    @pa.dataframe_check
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:
        """Compare the years of an object."""
        return data.lazyframe.select(pl.col("end") >= pl.col("begin"))


def main() -> None:
    """Print the comparison, and what a pass costs without the start of the process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "objects.parquet")
        objects().sink_parquet(path, row_group_size=122_880, compression_level=2)
        ways = ("ours: all checks", "by hand: one select", "floor: imports")
        found = compare(
            f"{TIMES} times all rules on {ROWS:,} rows",
            {way: [sys.executable, __file__, way, str(path)] for way in ways},
            limits="Limit: ours at most 3 times the select, above the floor.",
        )
    ours, hand, floor = (found[way].cpu_seconds for way in ways)
    print(f"A pass: ours {(ours - floor) / TIMES:.3f} CPU s, hand {(hand - floor) / TIMES:.3f}.")
    print(f"Ratio: {(ours - floor) / (hand - floor):.2f}")


def objects() -> pl.LazyFrame:
    """Return a table that keeps all rules."""
    row = pl.int_range(ROWS, dtype=pl.Int64)
    return pl.select(
        id=row,
        number=pl.format("NPG.{}", row),
        title=pl.format("Portrait of sitter {}", row % 5_000),
        kind=(row % 5).replace_strict(dict(enumerate(KINDS))),
        begin=1_500 + row % 500,
        end=1_510 + row % 500,
        width=(row % 997) / 10,
        height=(row % 991) / 10,
        credit=pl.format("Gift of donor {}", row % 3_000),
        url=pl.format("https://example.org/{}", row),
        rights=pl.when(row % 3 == 0).then(pl.lit("CC0")),
        order=row % 9,
    ).lazy()


def by_hand(table: pl.LazyFrame) -> pl.DataFrame:
    """Count what breaks each of the fifteen rules, in one select."""
    required = ("id", "number", "title", "kind", "begin", "end", "url")
    years = pl.col("begin").is_between(1, 2100)
    return table.select(
        *(pl.col(name).null_count().alias(f"{name} is empty") for name in required),
        unique=pl.len() - pl.col("id").n_unique(),
        number=(~pl.col("number").str.starts_with("NPG")).sum(),
        kind=(~pl.col("kind").is_in(KINDS)).sum(),
        begin=(~years).sum(),
        width=(pl.col("width") < 0).sum(),
        height=(pl.col("height") < 0).sum(),
        url=(~pl.col("url").str.contains("^https?://[!-~]+$")).sum(),
        order=(pl.col("end") < pl.col("begin")).sum(),
    ).collect()


def ours(path: str) -> list[Any]:
    """Make the checks of the contract on a table of which nothing was counted yet."""
    import dagster as dg

    from collectionflow.checks._look import Look
    from collectionflow.checks.contract import contract_checks
    from collectionflow.contract import contract_of

    key, contract = dg.AssetKey("objects"), contract_of(Objects)
    checks = list(contract_checks(key, contract))
    rules = [rule for check in checks for rule in check.rules]
    look = Look(key, contract, rules, {key: pl.scan_parquet(path)})
    found = [check.judge(look) for check in checks]
    assert all(finding.passed for finding in found)
    return found


def run(way: str, path: str) -> None:
    """Do it one of the ways, several times."""
    import collectionflow.checks  # noqa: F401 (so that all ways start alike)

    for _ in range(TIMES):
        if way.startswith("ours"):
            ours(path)
        elif way.startswith("by hand"):
            by_hand(pl.scan_parquet(path))


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
