"""Answers to requests: whether they are what was asked for, and their bodies."""

from datetime import UTC, datetime
from typing import Final

import urllib3

from collectionflow._patience import TransientError, retry_after
from collectionflow.errors import SourceError
from collectionflow.harvest._url import shown

Response = urllib3.BaseHTTPResponse

MAX_BODY_BYTES: Final = 256 << 20
_CHUNK_BYTES: Final = 1 << 20
_TRANSIENT: Final = {408, 425, 429, 500, 502, 503, 504}


def is_success(response: Response) -> bool:
    """Return whether an answer is what was asked for."""
    return response.status // 100 == 2  # noqa: PLR2004 (2xx)


def is_transient(response: Response) -> bool:
    """Return whether waiting may cure what an answer complains of."""
    return response.status in _TRANSIENT


def transient(response: Response, url: str) -> TransientError:
    """Return the error for an answer that waiting may cure."""
    return TransientError(
        f"'{shown(url)}' answered {status_of(response)}.",
        wait_seconds=retry_after(response.headers.get("Retry-After"), datetime.now(UTC)),
    )


def status_of(response: Response) -> str:
    """Return the status of an answer, as errors show it."""
    return f"{response.status} {response.reason or ''}".strip()


def body_of(response: Response, url: str) -> bytes:
    """Return the whole body, up to a size that no page has.

    Raises:
        SourceError: where it is larger.
    """
    chunks, size = [], 0
    while chunk := response.read(_CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            message = (
                f"'{shown(url)}' sends more than {MAX_BODY_BYTES >> 20} MiB in one answer. Ask for "
                "smaller pages."
            )
            raise SourceError(message)
    return b"".join(chunks)


def granted(response: Response, url: str) -> bytes:
    """Return what a token service answered.

    Raises:
        TransientError: for what waiting may cure.
        SourceError: where it refuses.
    """
    if is_transient(response):
        raise transient(response, url)
    if not is_success(response):
        message = (
            f"The token service '{shown(url)}' answered {status_of(response)}. Check the source's "
            "credentials."
        )
        raise SourceError(message)
    return body_of(response, url)
