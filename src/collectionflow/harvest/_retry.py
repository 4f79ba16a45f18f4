"""The one place where a source tries again what waiting may cure."""

from collections.abc import Callable
from typing import Final, TypeVar

import stamina

from collectionflow._patience import TransientError
from collectionflow.errors import SourceUnavailable
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

T = TypeVar("T")

ATTEMPTS: Final = 8
TIMEOUT_SECONDS: Final = 600.0


def retrying(call: Callable[[], T], harvest: Harvest, notes: Notes) -> T:
    """Return what `call()` returns; while it raises a `TransientError`, wait and call it again.

    Raises:
        SourceUnavailable: where it still fails after eight attempts or ten minutes. The run
            may be tried again; what was spooled is not asked for twice.
    """

    def wait(error: Exception) -> bool | float:
        if not isinstance(error, TransientError):
            return False
        harvest.count(retries=1)
        notes.log.info("%s Trying again.", error)
        return True if error.wait_seconds is None else min(error.wait_seconds, TIMEOUT_SECONDS)

    caller = stamina.RetryingCaller(
        attempts=ATTEMPTS, timeout=TIMEOUT_SECONDS, wait_initial=0.5, wait_max=60.0
    )
    try:
        return caller(wait, call)
    except TransientError as error:
        message = f"{error} It was asked {ATTEMPTS} times. Run again when it answers."
        raise SourceUnavailable(message) from error
