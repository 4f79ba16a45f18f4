"""What documents as JSON cost: a million in one file, and a hundred thousand in a file each.

Run: make bench ONLY=json_documents
"""

import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl
from _measure import compare, measure

from collectionflow.output import JsonFolderTarget, NdjsonTarget, document_id
from collectionflow.output._target import Terms

ONE_FILE, A_FILE_EACH = 1_000_000, 100_000
TERMS = Terms(metadata=document_id("id"), warn=lambda _: None)
WORDS = "Gift of the friends of the gallery in honour of a great curator and her public"


def main() -> None:
    """Print both comparisons."""
    with tempfile.TemporaryDirectory() as folder:
        # By a process of its own: a child's peak memory begins with what its parent has.
        measure(command(folder, "prepare"))
        compare(
            f"{ONE_FILE:,} documents as NDJSON",
            {
                "ours: NdjsonTarget": command(folder, "ours"),
                "peer: sink_ndjson": command(folder, "peer"),
                "ours, packed": command(folder, "packed"),
                "peer, packed": command(folder, "peer_packed"),
                "floor: imports": command(folder, "nothing"),
            },
            runs=5,
            limits="Limit: ours at most 1.2 times the peer, both above the floor.",
        )
        compare(
            f"{A_FILE_EACH:,} documents, a file each",
            {
                "ours: all are new": command(folder, "all"),
                "ours: 1 % has changed": command(folder, "some"),
                "ours: none has changed": command(folder, "none"),
                "peer: a Python loop, all new": command(folder, "loop"),
                "floor: imports": command(folder, "nothing"),
            },
            runs=1,
        )


def command(folder: str, what: str) -> list[str]:
    """Return the command that does one of the things that are compared."""
    return [sys.executable, __file__, folder, what]


def documents(count: int) -> pl.LazyFrame:
    """Return documents of about 500 bytes, with numbers that JSON has not among them."""
    number = pl.int_range(count)
    person = pl.struct(id=number, name=pl.format("Sitter {}", number), life=pl.lit("1840 to 1902"))
    return pl.LazyFrame({"one": [1]}).select(
        id=number,
        number=pl.format("NPG.{}.{}", number % 100, number),
        title=pl.format('Portrait of "Émile" {}', number),
        credit=pl.lit(WORDS),
        width=number / 7,
        height=pl.when(number % 50 > 0).then(number * 1.5).otherwise(float("nan")),
        year=(number % 400 + 1600).cast(pl.Int32),
        changed=pl.date(1970, 1, 1) + pl.duration(days=number % 20_000),
        is_portrait=number % 3 == 0,
        sitters=pl.concat_list(person, person),
        image=pl.struct(url=pl.format("https://images.example.org/{}.jpg", number)),
    )


def run(folder: Path, what: str) -> None:
    """Do one of the things that are compared."""
    source = folder / "documents.parquet"
    if what == "prepare":
        documents(ONE_FILE).sink_parquet(source)
    frame = pl.scan_parquet(source)
    few = frame.head(A_FILE_EACH)
    each = JsonFolderTarget(directory=str(folder / "each"))
    match what:
        case "ours" | "packed" | "peer" | "peer_packed":
            one_file(frame, folder / what, what)
        case "all":
            JsonFolderTarget(directory=str(folder / "new")).publish_on_terms("objects", few, TERMS)
            (folder / "new" / "objects").unlink()
        case "none":
            each.publish_on_terms("objects", few, TERMS)
        case "some":
            is_changed = pl.col("id") % 100 == 0
            title = pl.when(is_changed).then(pl.lit("New")).otherwise("title")
            each.publish_on_terms("objects", few.with_columns(title=title), TERMS)
        case "loop":
            loop(few, folder / "loop")


def one_file(frame: pl.LazyFrame, folder: Path, what: str) -> None:
    """Write all documents to one file in a folder that has none.

    What overwrites its last file is given the memory that this one had; what keeps it until the
    new one is complete needs memory beside it, which a virtual machine may first have to find.
    """
    shutil.rmtree(folder, ignore_errors=True)
    match what:
        case "peer":
            frame.sink_ndjson(folder / "objects.ndjson", sync_on_close="all", mkdir=True)
        case "peer_packed":
            packed = folder / "objects.ndjson.gz"
            frame.sink_ndjson(packed, compression="gzip", sync_on_close="all", mkdir=True)
        case _:
            target = NdjsonTarget(directory=str(folder), is_gzip=what == "packed")
            target.publish_on_terms("objects", frame, TERMS)


def loop(frame: pl.LazyFrame, folder: Path) -> None:
    """Write a file a document as one would without a library."""
    import json

    folder.mkdir(exist_ok=True)
    for row in frame.collect().iter_rows(named=True):
        text = json.dumps(row, default=str, ensure_ascii=False)
        (folder / f"{row['id']}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
