"""What a sitemap of a million pages costs.

Run: make bench ONLY=sitemap
"""

import sys
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
from _measure import compare, measure

from collectionflow.output import SitemapTarget

PAGES = 1_000_000
SITE = "https://example.org"


def main() -> None:
    """Print the comparison."""
    with tempfile.TemporaryDirectory() as folder:
        # By a process of its own: a child's peak memory begins with what its parent has.
        measure([sys.executable, __file__, folder, "prepare"])
        compare(
            f"A sitemap of {PAGES:,} pages",
            {
                "ours": [sys.executable, __file__, folder, "ours"],
                "ours, with images": [sys.executable, __file__, folder, "images"],
                "ours, packed": [sys.executable, __file__, folder, "packed"],
                "peer: a Python loop": [sys.executable, __file__, folder, "loop"],
                "floor: imports": [sys.executable, __file__, folder, "nothing"],
            },
            limits="Limit: ours at most 5 CPU s.",
        )


def pages() -> pl.LazyFrame:
    """Return pages, of which one in ten has an address that is to be encoded."""
    number = pl.int_range(PAGES)
    odd = pl.when(number % 10 == 0).then(pl.lit("Émile ")).otherwise(pl.lit("NPG."))
    changed = pl.datetime(2020, 1, 1, time_zone="UTC") + pl.duration(seconds=number)
    return pl.LazyFrame({"one": [1]}).select(
        loc=pl.concat_str(pl.lit(f"{SITE}/objects/"), odd, number.cast(pl.String)),
        lastmod=changed,
        images=pl.concat_list(pl.format(f"{SITE}/images/{{}}.jpg", number)),
    )


def run(folder: Path, what: str) -> None:
    """Publish the pages, or do what is compared with that."""
    source = folder / "pages.parquet"
    if what == "prepare":
        pages().sink_parquet(source)
    stored = pl.scan_parquet(source)
    match what:
        case "loop":
            loop(stored, folder)
        case "ours" | "images" | "packed":
            frame = stored if what == "images" else stored.select("loc", "lastmod")
            target = SitemapTarget(
                directory=str(folder / what), base_url=SITE, is_gzip=what == "packed"
            )
            target.publish("objects", frame)


def loop(frame: pl.LazyFrame, folder: Path) -> None:
    """Write sitemaps row by row, without any of the checks."""
    for number, part in enumerate(frame.collect().iter_slices(50_000)):
        with (folder / f"loop-{number}.xml").open("w", encoding="utf-8") as file:
            file.write('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">')
            for loc, lastmod in part.select("loc", "lastmod").iter_rows():
                date = lastmod.isoformat()
                file.write(f"<url><loc>{escape(loc)}</loc><lastmod>{date}</lastmod></url>\n")
            file.write("</urlset>")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
