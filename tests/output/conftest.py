"""Search servers, and what lies in them."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3


@dataclass(frozen=True)
class Search:
    """A real search server, and a name that no other test uses."""

    url: str
    name: str
    pool: urllib3.PoolManager

    def ask(self, method: str, path: str, body: Any = None, lines: str | None = None) -> Any:
        """Send a request past our own code, and return what the server answers."""
        kind = "application/x-ndjson" if lines else "application/json"
        content = lines or (None if body is None else json.dumps(body))
        answer = self.pool.request(
            method, f"{self.url}{path}", body=content, headers={"Content-Type": kind}
        )
        assert answer.status < 400, answer.data
        return answer.json()

    def indexes(self) -> list[str]:
        """Return the names of all indexes whose names begin as the test's, oldest first."""
        return sorted(self.ask("GET", f"/{self.name}*"))

    def live(self) -> list[str]:
        """Return the indexes that the alias points to."""
        found = self.ask("GET", f"/{self.name}*/_alias")
        return [name for name, each in found.items() if self.name in each["aliases"]]

    def documents(self, index: str | None = None) -> dict[str, Any]:
        """Return what a search behind the alias finds, by id."""
        path = f"/{index or self.name}/_search?size=1000"
        return {hit["_id"]: hit["_source"] for hit in self.ask("GET", path)["hits"]["hits"]}

    def mapping(self) -> dict[str, Any]:
        """Return the properties of the live index."""
        (index,) = self.ask("GET", f"/{self.name}/_mapping").values()
        return index["mappings"]["properties"]


def _search(url: str) -> Iterator[Search]:
    search = Search(url, f"t{secrets.token_hex(4)}", urllib3.PoolManager(retries=False, timeout=60))
    yield search
    for index in search.indexes():
        search.ask("DELETE", f"/{index}")
    search.pool.clear()


@pytest.fixture(params=["opensearch_url", "elasticsearch_url"])
def search(request: pytest.FixtureRequest) -> Iterator[Search]:
    """Each of the servers in turn."""
    yield from _search(request.getfixturevalue(request.param))


@pytest.fixture
def opensearch(opensearch_url: str) -> Iterator[Search]:
    """OpenSearch alone: for what does not depend on the product."""
    yield from _search(opensearch_url)
