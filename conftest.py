"""What all tests share: no waiting, real servers, and the documentation's code as tests."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
import stamina
from servers import elasticsearch, mariadb, opensearch, postgresql, spark
from servers._process import Addressed, MissingServerError
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# Each page is read from top to bottom.
pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["docs/**/*.md", "README.md", "examples/*/README.md"],
    path=str(Path(__file__).parent),
).pytest()


# Spark's client brings pandas, which every start would pay for: an environment of its own has it.
_NEEDS_SPARK = [
    "docs/how-to/use-spark.md",
    "examples/portrait_gallery/src/portrait_gallery/engines/spark.py",
    "src/collectionflow/storage/engines/spark.py",
]
collect_ignore = [] if find_spec("pyspark") else _NEEDS_SPARK


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retry at once: a test of a source's faults need not wait for it to recover."""
    with stamina.set_testing(True, attempts=8):
        yield


def _server(product: str, running: Callable[[], AbstractContextManager[Addressed]]) -> object:
    """Return a fixture that is a server's URL. Where it cannot be had, CI fails, a laptop skips."""
    variable = f"COLLECTIONFLOW_TEST_{product}"

    @pytest.fixture(scope="session")
    def url() -> Iterator[str]:
        if named := os.environ.get(variable):
            yield named
            return
        with ExitStack() as stack:
            try:
                server = stack.enter_context(running())
            except MissingServerError as error:
                if os.environ.get("CI"):
                    raise
                pytest.skip(f"{error} Or set {variable} to the URL of one.")
            yield server.url

    return url


postgresql_url = _server("POSTGRESQL", postgresql.running)
mariadb_url = _server("MARIADB", mariadb.running)
opensearch_url = _server("OPENSEARCH", opensearch.running)
elasticsearch_url = _server("ELASTICSEARCH", elasticsearch.running)
spark_remote = _server("SPARK", spark.running)
