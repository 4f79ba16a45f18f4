"""What all tests share: no waiting, real servers, and the documentation's code as tests."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
import stamina
from servers import elasticsearch, mariadb, opensearch, postgresql, spark
from servers._process import MissingServerError
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


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Serve PostgreSQL, unless COLLECTIONFLOW_TEST_POSTGRESQL names a server that runs."""
    yield from _database("COLLECTIONFLOW_TEST_POSTGRESQL", postgresql.serve)


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """Serve MariaDB, unless COLLECTIONFLOW_TEST_MARIADB names a server that runs."""
    yield from _database("COLLECTIONFLOW_TEST_MARIADB", mariadb.serve)


@pytest.fixture(scope="session")
def opensearch_url() -> Iterator[str]:
    """Serve OpenSearch, unless COLLECTIONFLOW_TEST_OPENSEARCH names a server that runs."""
    yield from _database("COLLECTIONFLOW_TEST_OPENSEARCH", opensearch.serve)


@pytest.fixture(scope="session")
def elasticsearch_url() -> Iterator[str]:
    """Serve Elasticsearch, unless COLLECTIONFLOW_TEST_ELASTICSEARCH names a server that runs."""
    yield from _database("COLLECTIONFLOW_TEST_ELASTICSEARCH", elasticsearch.serve)


@pytest.fixture(scope="session")
def spark_remote() -> Iterator[str]:
    """Serve a Spark cluster, unless COLLECTIONFLOW_TEST_SPARK names one that runs."""
    yield from _database("COLLECTIONFLOW_TEST_SPARK", spark.serve)


def _database(variable: str, serve: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Yield a server's URL. Where it cannot be had, CI fails and a laptop skips."""
    if url := os.environ.get(variable):
        yield url
        return
    with ExitStack() as stack:
        try:
            url = stack.enter_context(serve())
        except MissingServerError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"{error} Or set {variable} to the URL of one.")
        yield url
