"""What it takes to harvest a JSON API: 100,000 nested objects, 100 a page, each answer after 20 ms.

Run: make bench ONLY=json_api
Memory: uv run python benchmarks/json_api.py --objects 400000 --only ours
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from _measure import compare

PAGE = 100
LATENCY_SECONDS = 0.02
IN_FLIGHT = 8
MARK = "@@@@"


def main() -> None:
    """Serve the objects and print what each way of reading them takes."""
    options = arguments()
    if options.way:
        WAYS[options.way](options.url, Path(options.folder))
        return
    with tempfile.TemporaryDirectory() as folder, serving(options.objects) as url:
        command = [sys.executable, __file__, "--url", url, "--folder", folder, "--way"]
        ways = {name: way for name, way in NAMES.items() if options.only in {None, way}}
        found = compare(
            f"{options.objects:,} objects of a JSON API",
            {name: [*command, way] for name, way in ways.items()},
            runs=options.runs,
            limits="Limit: ours at most 2 x merely fetching, and 1/8 of dlt, in wall seconds.",
        )
        wall = {ways[name]: figures.wall_seconds for name, figures in found.items()}
        for other in ("fetch", "dlt"):
            if other in wall and "ours" in wall:
                print(f"ours / {other}: {wall['ours'] / wall[other]:.2f}")


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=[*WAYS])
    parser.add_argument("--way", choices=[*WAYS])
    parser.add_argument("--url")
    parser.add_argument("--folder")
    return parser.parse_args()


def ours(url: str, folder: Path) -> None:
    """Harvest through storage: checked against a contract, written and published."""
    from upath import UPath

    from collectionflow.contract import contract_of
    from collectionflow.harvest.json_api import JsonApiSource
    from collectionflow.harvest.paging import PageNumbers
    from collectionflow.notes import Notes
    from collectionflow.storage.publication import publish_frame
    from collectionflow.storage.terms import Terms
    from collectionflow.storage.versions import StoredTable

    source = JsonApiSource(
        base_url=url,
        records="objects",
        total="total",
        paging=PageNumbers(),
        in_flight=IN_FLIGHT,
    )
    contract = contract_of(objects_schema())
    notes = Notes()
    frame = source.scan("objects", contract, notes)
    # As the peer: nothing is published yet, so that there is nothing to compare with.
    with tempfile.TemporaryDirectory(dir=folder) as own:
        table = StoredTable(base=UPath(own), name="objects")
        publication = publish_frame(frame, table, Terms(contract=contract))
    assert publication.measurement.rows == notes.harvests[0].expected


def objects_schema() -> Any:
    """Return what an object has, as a project declares it."""
    import pandera.polars as pa
    import polars as pl

    maker = {"id": pl.Int64, "role": pl.String, "name": pl.String, "gender": pl.String}
    sizes = pl.Struct({"height": pl.Float64, "width": pl.Float64})

    class Objects(pa.DataFrameModel):
        id: int = pa.Field(unique=True)
        number: str
        title: str
        is_highlight: bool
        height: float
        begin: int
        end: int
        medium: str
        credit: str
        culture: str
        changed: str
        url: str
        description: str
        rights: str
        makers: pl.List = pa.Field(dtype_kwargs={"inner": pl.Struct(maker)})
        measurements: pl.List = pa.Field(
            dtype_kwargs={"inner": pl.Struct({"name": pl.String, "sizes": sizes})}
        )
        tags: pl.List = pa.Field(dtype_kwargs={"inner": pl.String})

    return Objects


def fetch(url: str, _folder: Path) -> None:
    """Fetch all pages and throw them away: the limit."""
    from concurrent.futures import ThreadPoolExecutor

    import urllib3

    pool = urllib3.PoolManager(maxsize=IN_FLIGHT, block=True)

    def page(number: int) -> bytes:
        return pool.request("GET", f"{url}/objects?page={number}").data

    pages = -(-json.loads(page(1))["total"] // PAGE)
    with ThreadPoolExecutor(IN_FLIGHT) as executor:
        assert all(executor.map(page, range(2, pages + 1)))


def dlt(url: str, folder: Path) -> None:
    """Harvest by the REST source of dlt into Parquet files."""
    import dlt as peer
    from dlt.sources.rest_api import rest_api_source

    config: Any = {
        "client": {
            "base_url": url,
            "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
        },
        "resources": [{"name": "objects", "endpoint": {"data_selector": "objects"}}],
    }
    with tempfile.TemporaryDirectory(dir=folder) as own:
        target = peer.destinations.filesystem(bucket_url=f"{own}/tables")
        pipeline = peer.pipeline("objects", pipelines_dir=f"{own}/state", destination=target)
        pipeline.run(
            rest_api_source(config), loader_file_format="parquet", write_disposition="replace"
        )


def serve(url: str, _folder: Path) -> None:
    """Answer on the port of `url`; its query says how many objects there are."""
    parts = urlsplit(url)
    objects = int(parse_qs(parts.query)["objects"][0])
    asyncio.run(answer(int(parts.port or 0), objects))


async def answer(port: int, objects: int) -> None:
    """Serve pages until the process ends; the port is told on standard output."""
    halves = [rendered(number).split(MARK.encode()) for number in range(997)]

    def page(number: int) -> bytes:
        first = (number - 1) * PAGE
        numbers = range(first, min(first + PAGE, objects))
        records = b", ".join(str(each).encode().join(halves[each % 997]) for each in numbers)
        return b'{"total": %d, "objects": [%b]}' % (objects, records)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await asyncio.sleep(LATENCY_SECONDS)
            target = head.split(b" ", 2)[1].decode()
            body = page(int(parse_qs(urlsplit(target).query).get("page", ["1"])[0]))
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(body)
            )
            writer.write(body)
            await writer.drain()

    async def handle_until_closed(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle_until_closed, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def rendered(number: int) -> bytes:
    """Return an object of about 1.4 kB as JSON, with a mark where its identifier is."""
    makers = [
        {"id": number * 3 + each, "role": "Artist", "name": f"Jérôme Sitter {each}", "gender": None}
        for each in range(3)
    ]
    record = {
        "id": MARK,
        "number": f"NPG.{number}",
        "title": "Portrait of a sitter " + str(number) * 5,
        "is_highlight": number % 5 == 0,
        "height": number * 0.37,
        "begin": 1905,
        "end": 1905,
        "medium": "Oil on canvas",
        "credit": "Gift of the founders " * 5,
        "culture": "American",
        "changed": "2025-02-03T04:05:06.12Z",
        "url": f"https://example.org/objects/{number}",
        "description": "A sitter before a landscape. " * 20,
        "rights": "CC0",
        "makers": makers,
        "measurements": [{"name": "Overall", "sizes": {"height": number * 0.1, "width": 20.3}}],
        "tags": ["portrait", "oil", "landscape"],
    }
    return json.dumps(record, ensure_ascii=False).replace(f'"{MARK}"', MARK).encode()


@contextmanager
def serving(objects: int) -> Generator[str]:
    """Run the server in a process of its own and give its URL."""
    command = [sys.executable, __file__, "--way", "serve", "--folder", "."]
    address = f"http://127.0.0.1:0/?objects={objects}"
    with subprocess.Popen([*command, "--url", address], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


WAYS: dict[str, Callable[[str, Path], None]] = {
    "ours": ours,
    "fetch": fetch,
    "dlt": dlt,
    "serve": serve,
}
NAMES = {
    "ours: harvested, checked, published": "ours",
    "limit: merely fetched, 8 in flight": "fetch",
    "peer: dlt rest_api, to Parquet": "dlt",
}

if __name__ == "__main__":
    main()
