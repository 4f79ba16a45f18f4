"""A real OpenSearch on loopback, from Maven Central, with a life of its own.

Run: cd scripts && uv run python -m servers.opensearch, and stop it with Ctrl-C.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from servers._search import Artifact, Server, serve_until_interrupted, unpacked

_VERSION: Final = "3.4.0"
_ARCHIVE: Final = Artifact(
    path=(
        "org/opensearch/distribution/integ-test-zip/opensearch/"
        f"{_VERSION}/opensearch-{_VERSION}.zip"
    ),
    sha256="6540e95fe8bfaedc3eb1c58e829912ea2203af2ac1f88f76411c20a2fc5254a6",
)
# The archive comes without analysis filters such as asciifolding.
_ANALYSIS: Final = Artifact(
    path=f"org/opensearch/plugin/analysis-common/{_VERSION}/analysis-common-{_VERSION}.jar",
    sha256="4c2207ac94d242f35a0d83576c79744b8bbbc6142ef253f9ca81163e1605a944",
)
_DESCRIPTION: Final = f"""\
description=Analysis filters
name=analysis-common
version={_VERSION}
opensearch.version={_VERSION}
java.version=21
classname=org.opensearch.analysis.common.CommonAnalysisModulePlugin
"""


@contextmanager
def running() -> Generator[Server]:
    """Serve from a new folder until the block ends; then nothing is left of it.

    Raises:
        MissingServerError: where the machine has no JDK that it runs on.
    """
    with unpacked(_ARCHIVE, "opensearch", {}, {_ANALYSIS: _DESCRIPTION}) as server:
        server.start()
        yield server


@contextmanager
def serve() -> Generator[str]:
    """Serve until the block ends, and yield the URL."""
    with running() as server:
        yield server.url


if __name__ == "__main__":
    with unpacked(_ARCHIVE, "opensearch", {}, {_ANALYSIS: _DESCRIPTION}) as started:
        serve_until_interrupted(started)
