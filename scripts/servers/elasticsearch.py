"""A real Elasticsearch on loopback, from Maven Central, with a life of its own.

It comes with few modules: no analysis filters, and no answer to `GET /`.

Run: cd scripts && uv run python -m servers.elasticsearch, and stop it with Ctrl-C.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from servers._search import Artifact, Server, serve_until_interrupted, unpacked

_VERSION: Final = "9.2.0"
_ARCHIVE: Final = Artifact(
    path=(
        "org/elasticsearch/distribution/integ-test-zip/elasticsearch/"
        f"{_VERSION}/elasticsearch-{_VERSION}.zip"
    ),
    sha256="bf44938a0490ba2a303d39c9cb64b38963dd08c812ce93e10816e878585bcb6b",
)
_SETTINGS: Final[dict[str, Any]] = {"xpack.security.enabled": False}


@contextmanager
def running() -> Generator[Server]:
    """Serve from a new folder until the block ends; then nothing is left of it.

    Raises:
        MissingServerError: where the machine has no JDK that it runs on.
    """
    with unpacked(_ARCHIVE, "elasticsearch", _SETTINGS, {}) as server:
        server.start()
        yield server


@contextmanager
def serve() -> Generator[str]:
    """Serve until the block ends, and yield the URL."""
    with running() as server:
        yield server.url


if __name__ == "__main__":
    with unpacked(_ARCHIVE, "elasticsearch", _SETTINGS, {}) as started:
        serve_until_interrupted(started)
