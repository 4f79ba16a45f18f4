"""Connections to a host: as many as are allowed, no faster than is wished, and their faults."""

import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, LocationValueError, SSLError

from collectionflow._patience import TransientError
from collectionflow.errors import SourceError
from collectionflow.harvest._url import shown, split_url


def connections_to(
    base: SplitResult, connections: int, timeout_seconds: float
) -> urllib3.PoolManager:
    """Return a pool of connections, through the proxy that the environment names."""
    timeout = urllib3.Timeout(connect=min(timeout_seconds, 30.0), read=timeout_seconds)
    options: dict[str, Any] = {"maxsize": connections, "block": True, "timeout": timeout}
    # The bundled authorities, beside those of the machine, which a slim container may lack.
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    proxy = getproxies().get(base.scheme)
    if proxy and not proxy_bypass(str(base.hostname)):
        return urllib3.ProxyManager(proxy, ssl_context=context, **options)
    return urllib3.PoolManager(ssl_context=context, **options)


class Pace:
    """Spaces requests evenly, over all threads."""

    def __init__(self, per_second: float | None) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for the next turn."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._interval
        time.sleep(max(turn - time.monotonic(), 0.0))


@contextmanager
def named_faults(url: str) -> Generator[None]:
    """Turn the errors of the connection into ours, with the URL but without its query."""
    try:
        yield
    except (LocationParseError, LocationValueError):
        message = f"'{shown(url)}' is no address that can be asked. Set the source's URL."
        raise SourceError(message) from None
    except SSLError as error:
        message = (
            f"The certificate of '{split_url(url).hostname}' is not trusted ({error}). Ask the "
            "source to renew it; SSL_CERT_FILE names authorities of your own."
        )
        raise SourceError(message) from None
    except (HTTPError, OSError) as error:
        kind = type(error).__name__.removesuffix("Error")
        message = f"'{shown(url)}' does not answer in full ({kind})."
        raise TransientError(message) from error
