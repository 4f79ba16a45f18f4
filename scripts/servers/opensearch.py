"""A real OpenSearch on loopback, from Maven Central, with a life of its own.

Run: cd scripts && uv run python -m servers.opensearch, and stop it with Ctrl-C.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Final

from servers._maven import Artifact
from servers._process import running_in_new_folder, serve_until_interrupted
from servers._search import SearchServer

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


@dataclass
class Server(SearchServer):
    """An OpenSearch."""

    program: ClassVar[str] = "opensearch"
    version: ClassVar[str] = _VERSION
    archive: ClassVar[Artifact] = _ARCHIVE
    modules: ClassVar[Mapping[Artifact, str]] = {_ANALYSIS: _DESCRIPTION}


def running() -> AbstractContextManager[Server]:
    """Serve until the block ends.

    Raises:
        MissingServerError: where the machine has no Java that it runs on, or no way to fetch it.
    """
    return running_in_new_folder(Server)


if __name__ == "__main__":
    serve_until_interrupted(running())
