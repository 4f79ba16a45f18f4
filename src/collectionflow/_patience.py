"""What a patient client needs of HTTP, whether it harvests or publishes."""

import math
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final

USER_AGENT: Final = f"collectionflow/{version('collectionflow')} (museum data pipelines)"


class TransientError(Exception):
    """Something that waiting may cure. The message has no secrets: it is logged.

    `wait_seconds` is how long the server asked to wait, where it did.
    """

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for: a number, or a date.

    Examples:
        >>> from datetime import UTC, datetime
        >>> from collectionflow._patience import retry_after
        >>> now = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)
        >>> retry_after("120", now), retry_after("Sun, 17 May 2026 09:31:00 GMT", now)
        (120.0, 60.0)
        >>> retry_after("soon", now), retry_after(None, now)
        (None, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
