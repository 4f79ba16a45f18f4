import logging
from collections.abc import Iterator
from itertools import count

import pytest
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from collectionflow._patience import TransientError
from collectionflow.errors import SourceUnavailable
from collectionflow.harvest._retry import retrying
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

BUSY = "'x' answered 503."


def harvest() -> Harvest:
    return Harvest(table="objects", source="a test")


def test_what_works_is_returned_at_once() -> None:
    counts = harvest()
    assert retrying(lambda: 7, counts, Notes()) == 7
    assert counts.retries == 0


def test_what_waiting_cures_is_tried_again_and_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    numbers, counts = count(1), harvest()

    def call() -> int:
        number = next(numbers)
        if number < 3:
            raise TransientError(BUSY)
        return number

    assert retrying(call, counts, Notes()) == 3
    assert counts.retries == 2
    assert "'x' answered 503. Trying again." in caplog.text


def test_what_waiting_does_not_cure_is_unavailable() -> None:
    counts = harvest()

    def call() -> None:
        raise TransientError(BUSY)

    with pytest.raises(SourceUnavailable, match=r"'x' answered 503\. It was asked 8 times"):
        retrying(call, counts, Notes())


def test_any_other_error_is_raised_at_once() -> None:
    numbers = count()

    def call() -> None:
        next(numbers)
        raise KeyError

    with pytest.raises(KeyError):
        retrying(call, harvest(), Notes())
    assert next(numbers) == 1


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """Hear how long each wait is to be, without waiting."""
    heard: list[float] = []

    def hear(details: RetryDetails) -> None:
        heard.append(details.wait_for)

    set_on_retry_hooks([hear])
    yield heard
    set_on_retry_hooks(None)


@pytest.mark.parametrize(("asked", "longest"), [(0.0, 0.0), (0.01, 0.01)])
def test_the_wait_that_a_source_asks_for_is_kept(
    asked: float, longest: float, waits: list[float]
) -> None:
    numbers = count()

    def call() -> None:
        if not next(numbers):
            raise TransientError(BUSY, wait_seconds=asked)

    with stamina.set_testing(False):
        retrying(call, harvest(), Notes())
    assert waits == [pytest.approx(longest)]
