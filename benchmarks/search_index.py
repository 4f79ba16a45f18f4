"""What 100,000 documents of about 2 kB cost their sender, and whether a million cost more memory.

Run: make bench ONLY=search_index

It starts the servers that the tests start, unless COLLECTIONFLOW_TEST_ELASTICSEARCH and
COLLECTIONFLOW_TEST_OPENSEARCH name others. The peer's client refuses OpenSearch.
"""

import json
import os
import random
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from _measure import compare, measure

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

DOCUMENTS = 100_000
DISTINCT = 10_000
ALIAS = "benchmark"


def main() -> None:
    """Print the comparison on each server, then the memory of a tenth and of the whole."""
    with tempfile.TemporaryDirectory() as folder, server("elasticsearch") as url:
        few, many = Path(folder, "few.parquet"), Path(folder, "many.parquet")
        # In processes of their own: what runs later is charged with the memory of its parent.
        for path, count in ((few, DOCUMENTS), (many, 10 * DOCUMENTS)):
            measure([sys.executable, __file__, "write", str(path), str(count)])
        found = compare(
            f"{DOCUMENTS:,} documents to Elasticsearch",
            {
                "ours": command("ours", url, few),
                "peer: elasticsearch.helpers.parallel_bulk": command("peer", url, few),
                "floor: our imports": [sys.executable, "-c", OUR_IMPORTS],
                "floor: the peer's imports": [sys.executable, "-c", PEER_IMPORTS],
            },
            limits="Limit: a quarter of the peer's CPU s with imports, its wall s.",
        )
        our, their, our_floor, their_floor = (each.cpu_seconds for each in found.values())
        print(f"CPU s: {our / their:.2f} of the peer's with imports,", end=" ")
        print(f"{(our - our_floor) / (their - their_floor):.2f} without")
        # The smaller one ends about when all that is read ahead of the server has been read.
        for each in (few, many):
            figures = measure(command("ours", url, each))
            size = f"{figures.peak_mib:,.0f} MiB, {figures.cpu_seconds:.1f} CPU s"
            print(f"{each.stem} documents: {size}, {figures.wall_seconds:.0f} s", flush=True)
        with server("opensearch") as other:
            compare(f"{DOCUMENTS:,} documents to OpenSearch", {"ours": command("ours", other, few)})


OUR_IMPORTS = "import collectionflow.output, collectionflow.output._search_publication"
PEER_IMPORTS = "import polars, elasticsearch.helpers"


def command(who: str, url: str, path: Path) -> list[str]:
    """Return the command that publishes a table as one of the two."""
    return [sys.executable, __file__, who, url, str(path)]


@contextmanager
def server(product: str) -> Generator[str]:
    """Yield the URL of a server."""
    named = os.environ.get(f"COLLECTIONFLOW_TEST_{product.upper()}")
    if named:
        yield named
        return
    from servers import elasticsearch, opensearch

    running = {"elasticsearch": elasticsearch.running, "opensearch": opensearch.running}
    with running[product]() as found:
        yield found.url


def ours(url: str, path: str) -> None:
    """Publish as a project does."""
    from collectionflow.output import SearchIndexTarget, document_id
    from collectionflow.output._target import Terms

    target = SearchIndexTarget(url=url, earlier_kept=0)
    found = target.publish_on_terms(
        ALIAS, pl.scan_parquet(path), Terms(metadata=document_id("id"), is_drop_allowed=True)
    )
    assert target.count(ALIAS) == found["documents"]


def peer(url: str, path: str) -> None:
    """Publish with the product's own client, to the same mapping, and swap the alias."""
    from elasticsearch import Elasticsearch
    from elasticsearch.helpers import parallel_bulk

    frame = pl.scan_parquet(path)
    client = Elasticsearch(url, request_timeout=120)
    index = f"{ALIAS}-peer"
    client.indices.delete(index=index, ignore_unavailable=True)
    client.indices.create(
        index=index,
        mappings=json.loads(Path(path).with_suffix(".json").read_text()),
        settings={"refresh_interval": "-1"},
    )
    for is_taken, item in parallel_bulk(client, actions(frame, index), thread_count=4):
        assert is_taken, item
    client.indices.refresh(index=index)
    assert client.count(index=index)["count"] == frame.select(pl.len()).collect().item()
    client.indices.update_aliases(actions=[{"add": {"index": index, "alias": f"{index}-alias"}}])


def actions(frame: pl.LazyFrame, index: str) -> Iterator[dict[str, Any]]:
    """Yield each row as the peer takes it."""
    for batch in frame.collect_batches(chunk_size=1_024, maintain_order=True):
        for row in batch.iter_rows(named=True):
            yield {"_index": index, "_id": row["id"], "_source": row}


def write(path: Path, count: int) -> None:
    """Write a table of nested records, each of about 2 kB as JSON, and its mapping."""
    from collectionflow.output._search_mapping import mapping_of

    dice = random.Random(1)  # noqa: S311 (nothing secret)
    words = [
        "".join(dice.choices("abcdefghijklmnopqrstuvwxyzéü", k=n % 9 + 2)) for n in range(8_000)
    ]
    text = dice.choices(words, weights=[1 / (n + 1) for n in range(8_000)], k=400_000)
    records = pl.DataFrame([record(dice, text) for _ in range(DISTINCT)], infer_schema_length=None)
    times = pl.LazyFrame({"time": range(count // DISTINCT)})
    repeated = times.join(records.lazy(), how="cross").drop("time").with_row_index("id")
    table = repeated.with_columns(pl.col("id").cast(pl.Int64))
    table.sink_parquet(path, row_group_size=15_360)
    path.with_suffix(".json").write_text(json.dumps(mapping_of(table.collect_schema(), {})))


def record(dice: random.Random, text: list[str]) -> dict[str, Any]:
    """Return one record."""

    def some(count: int) -> str:
        start = dice.randrange(len(text) - count)
        return " ".join(text[start : start + count])

    def person() -> dict[str, Any]:
        return {
            "id": dice.randrange(100_000),
            "name": some(3).title(),
            "credit": some(2),
            "fields": [some(2) for _ in range(dice.randint(0, 3))],
            "life": {"text": "1840-1902", "begin_year": 1840, "end_year": 1902},
        }

    return {
        "number": f"NPG.{dice.randrange(10_000)}",
        "title": some(6),
        "other_titles": [some(5) for _ in range(dice.randint(0, 2))],
        "description": some(130),
        "dimensions": "76.2 x 63.5 cm",
        "credit_line": some(9),
        "acquired": date(1900, 1, 1),
        "changed": datetime(2024, 5, 17, 9, 30),  # noqa: DTZ001 (a source's own)
        "is_portrait": True,
        "score": dice.random(),
        "sitters": [person() for _ in range(dice.randint(1, 3))],
        "artists": [person()],
        "image": {"url": "https://example.org/iiif/full/0/default.jpg", "rights": "CC0"},
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours", url, path]:
            ours(url, path)
        case ["peer", url, path]:
            peer(url, path)
        case ["write", path, count]:
            write(Path(path), int(count))
        case _:
            main()
