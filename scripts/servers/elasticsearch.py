"""A real Elasticsearch on loopback, from Maven Central, with a life of its own.

It comes with few modules: no analysis filters, and no answer to `GET /`.

Run: cd scripts && uv run python -m servers.elasticsearch, and stop it with Ctrl-C.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from servers._maven import Artifact
from servers._process import running_in_new_folder, serve_until_interrupted
from servers._search import SearchServer

_VERSION: Final = "9.2.0"
_ARCHIVE: Final = Artifact(
    path=(
        "org/elasticsearch/distribution/integ-test-zip/elasticsearch/"
        f"{_VERSION}/elasticsearch-{_VERSION}.zip"
    ),
    sha256="bf44938a0490ba2a303d39c9cb64b38963dd08c812ce93e10816e878585bcb6b",
)


@dataclass
class Server(SearchServer):
    """An Elasticsearch."""

    program: ClassVar[str] = "elasticsearch"
    version: ClassVar[str] = _VERSION
    archive: ClassVar[Artifact] = _ARCHIVE
    settings: ClassVar[Mapping[str, Any]] = {"xpack.security.enabled": False}


def running() -> AbstractContextManager[Server]:
    """Serve until the block ends.

    Raises:
        MissingServerError: where the machine has no Java that it runs on, or no way to fetch it.
    """
    return running_in_new_folder(Server)


if __name__ == "__main__":
    serve_until_interrupted(running())
