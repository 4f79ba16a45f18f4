"""What all tests share: no waiting, real servers, and the documentation's code as tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# Each page is read from top to bottom.
pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["docs/**/*.md", "README.md", "examples/*/README.md"],
    path=str(Path(__file__).parent),
).pytest()


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retry at once: a test of a source's faults need not wait for it to recover."""
    with stamina.set_testing(True, attempts=8):
        yield
