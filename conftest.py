"""Fixtures for all tests of the repository: those of the library and those of the example."""

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retry at once: a test of a source's faults need not wait for it to recover."""
    with stamina.set_testing(True, attempts=8):
        yield
