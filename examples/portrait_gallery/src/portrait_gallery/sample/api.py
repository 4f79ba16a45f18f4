"""The sample as a JSON API, a page of records at a time: `/objects?page=2&size=100`."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import polars as pl

from portrait_gallery.sample.files import tables
from portrait_gallery.sample.missing import blank_as_null

MAX_SIZE: Final = 1_000
_PATH: Final = re.compile(r"/([a-z_]+)")

Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


def api(object_count: int, seed: int) -> Application:
    """Return a WSGI application that serves the sample's tables, each kept in memory.

    A page is `{"total": 500, "records": [...]}`; what is missing is null, and numbers are numbers.
    """
    kept = {
        name: blank_as_null(table).collect() for name, table in tables(object_count, seed).items()
    }

    def application(environment: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        match = _PATH.fullmatch(environment["PATH_INFO"])
        table = kept.get(match[1]) if match else None
        if table is None:
            return _answer(start_response, "404 Not Found", {"tables": sorted(kept)})
        query = parse_qs(environment.get("QUERY_STRING", ""))
        return _answer(start_response, "200 OK", _page(table, query))

    return application


def _page(table: pl.DataFrame, query: dict[str, list[str]]) -> dict[str, Any]:
    size = min(int(query.get("size", ["100"])[0]), MAX_SIZE)
    number = int(query.get("page", ["1"])[0])
    records = table.slice((number - 1) * size, size).to_dicts()
    return {"total": table.height, "records": records}


def _answer(start_response: StartResponse, status: str, content: dict[str, Any]) -> list[bytes]:
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
