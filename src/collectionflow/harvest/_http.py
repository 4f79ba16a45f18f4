"""Polite, patient requests to one host that keep its credentials to that host."""

import math
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar
from urllib.parse import SplitResult, quote_plus, unquote_plus, urlencode, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, LocationValueError, SSLError

from collectionflow._patience import USER_AGENT, TransientError, retry_after
from collectionflow.errors import SourceError
from collectionflow.harvest._retry import retrying
from collectionflow.harvest.credentials import Credentials, Grant
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

T = TypeVar("T")
Response = urllib3.BaseHTTPResponse

MAX_BODY_BYTES: Final = 256 << 20
_MAX_REDIRECTS: Final = 10
_CHUNK_BYTES: Final = 1 << 20
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_NOT_MODIFIED: Final = 304
_UNAUTHORIZED: Final = 401
_TRANSIENT: Final = {408, 425, 429, 500, 502, 503, 504}
_SHOWN_CHARACTERS: Final = 200
# A token is renewed this long before it ends, so that it does not end on the way.
_MARGIN_SECONDS: Final = 30.0


class Http:
    """Requests to the host of `base_url`. Use it as a context manager; threads may share it.

    What waiting may cure is asked again. Credentials and `headers` go to the host of `base_url`
    only: a redirect to another host is followed without them.
    """

    def __init__(
        self,
        base_url: str,
        harvest: Harvest,
        notes: Notes,
        *,
        credentials: Credentials | None = None,
        headers: Mapping[str, str] | None = None,
        requests_per_second: float | None = None,
        timeout_seconds: float = 60.0,
        connections: int = 8,
    ) -> None:
        self._base = _split(base_url)
        self._harvest = harvest
        self._notes = notes
        self._credentials = credentials
        self._headers = dict(headers or {})
        self._pace = _Pace(requests_per_second)
        self._pool = _pool(self._base, connections, timeout_seconds)
        self._held = _HeldGrant()
        self._grant_lock = threading.Lock()

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._pool.clear()

    def get(
        self,
        url: str,
        read: Callable[[bytes, Mapping[str, str]], T],
        *,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T | None:
        """Return `read(body, headers)` of an answer; None where it has not changed (304).

        `read` raises a `TransientError` for a body that was cut off, which is asked for again.

        Raises:
            SourceError: where the host refuses, with what it said.
            SourceUnavailable: where it does not answer for ten minutes.
        """

        def once() -> T | None:
            with self.opened(with_parameters(url, parameters or {}), headers) as response:
                if response.status == _NOT_MODIFIED:
                    return None
                return read(_body(response, shown(url)), response.headers)

        return retrying(once, self._harvest, self._notes)

    @contextmanager
    def opened(self, url: str, headers: Mapping[str, str] | None = None) -> Generator[Response]:
        """Yield one answer as a stream, redirects followed, without asking again.

        Raises:
            TransientError: for what waiting may cure.
            SourceError: where the host refuses.
        """
        with _named_faults(url):
            response, held = self._follow(url, headers or {})
            try:
                self._check(response, url, held)
                yield response
            except BaseException:
                response.close()  # A connection with half an answer in it serves no one else.
                raise
            finally:
                # Its place in the pool is free again, closed or not.
                response.release_conn()

    def _follow(self, url: str, headers: Mapping[str, str]) -> "tuple[Response, _HeldGrant | None]":
        """Ask, and follow redirects; the secrets go to our own host only.

        The second of what is returned is the grant that was sent, None to another host.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            response, held = self._send(url, headers)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response, held
            response.drain_conn()
            response.release_conn()
            target = urljoin(url, location)
            if _split(target).scheme == "http" and _split(url).scheme == "https":
                message = f"'{shown(url)}' redirects to '{shown(target)}', which is not encrypted."
                raise SourceError(message)
            url = target
        message = f"'{shown(url)}' redirects more than {_MAX_REDIRECTS} times."
        raise SourceError(message)

    def _send(self, url: str, headers: Mapping[str, str]) -> "tuple[Response, _HeldGrant | None]":
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **headers}
        held = None
        if is_same_host(_split(url), self._base):
            held = self._current_grant()
            sent |= self._headers | dict(held.grant.headers)
            url = with_parameters(url, held.grant.parameters)
        self._pace.wait()
        response = self._pool.request(
            "GET", url, headers=sent, redirect=False, retries=False, preload_content=False
        )
        return response, held

    def _current_grant(self) -> "_HeldGrant":
        with self._grant_lock:
            if self._credentials is not None and self._held.ends < time.monotonic():
                self._held = _HeldGrant(self._credentials.grant(self._post))
            return self._held

    def _post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        """Send a form to the service that the configuration names; it is no link that was met."""

        def once() -> bytes:
            with _named_faults(url):
                response = self._pool.request(
                    "POST",
                    url,
                    body=urlencode(form),
                    headers={
                        "User-Agent": USER_AGENT,
                        "Content-Type": "application/x-www-form-urlencoded",
                        **headers,
                    },
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
                try:
                    return _granted(response, url)
                finally:
                    response.close()
                    response.release_conn()

        return retrying(once, self._harvest, self._notes)

    def _check(self, response: Response, url: str, held: "_HeldGrant | None") -> None:
        """Raise the error for an answer that is none."""
        if _is_success(response) or response.status == _NOT_MODIFIED:
            return
        if response.status in _TRANSIENT:
            raise _transient(response, url)
        if response.status == _UNAUTHORIZED and held is not None and self._is_outdated(held):
            message = f"'{shown(url)}' no longer takes the token."
            raise TransientError(message)
        start = response.read(_SHOWN_CHARACTERS * 4, decode_content=True).decode("utf-8", "replace")
        said = self.without_secrets(" ".join(start.split()))[:_SHOWN_CHARACTERS]
        advice = " Check the source's credentials." if response.status in {401, 403} else ""
        message = f"'{shown(url)}' answered {_status(response)}: '{said}'.{advice}"
        raise SourceError(message)

    def _is_outdated(self, held: "_HeldGrant") -> bool:
        """Return whether another grant than the one that was sent may help, and drop that one."""
        with self._grant_lock:
            if held is self._held and held.is_renewable():
                self._held = _HeldGrant()
            # Another thread, whose request was refused as well, may have been here before.
            return held is not self._held

    def without_secrets(self, text: str) -> str:
        """Blank out what was sent, should the host echo it."""
        grant = self._held.grant
        for value in (*self._headers.values(), *grant.headers.values(), *grant.parameters.values()):
            token = value.rpartition(" ")[2]
            for secret in (value, token, quote_plus(token)):
                text = text.replace(secret, "***") if secret else text
        return text


def is_same_host(one: SplitResult, base: SplitResult) -> bool:
    """Return whether secrets for `base` may go to `one`: the same host, encrypted no worse."""
    if one.hostname != base.hostname:
        return False
    if (one.scheme, _port(one)) == (base.scheme, _port(base)):
        return True
    return (base.scheme, _port(base), one.scheme, _port(one)) == ("http", 80, "https", 443)


def resolved_link(link: str, page: str, base_url: str) -> str:
    """Return a link of a page as an absolute URL of the source's own host.

    A host behind a proxy may write `http` of itself where it is asked by `https`: that is mended.

    Raises:
        SourceError: where the link leads to another host.
    """
    base, target = _split(base_url), _split(urljoin(page, link))
    if target.scheme == "http" and base.scheme == "https" and target.hostname == base.hostname:
        target = target._replace(scheme="https", netloc=base.netloc)
    if not is_same_host(target, base):
        message = (
            f"The source '{base.hostname}' links its next page to '{target.hostname}'. A link to "
            "another host is not followed: ask the source to mend it, or set the source's URL to "
            "that host."
        )
        raise SourceError(message)
    return target.geturl()


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """Return a URL with these query parameters, in the stead of those of the same name.

    A link to the next page may repeat what was sent, keys included.
    """
    if not parameters:
        return url
    parts = urlsplit(url)
    others = [
        each
        for each in parts.query.split("&")
        if each and unquote_plus(each.partition("=")[0]) not in parameters
    ]
    return parts._replace(query="&".join([*others, urlencode(parameters)])).geturl()


def shown(url: str) -> str:
    """Return a URL as errors and metadata may show it: without user, password and query."""
    parts = _split(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Is read when asked for, and may be no number.
    except ValueError as error:
        message = "A URL of the source cannot be read. Expected the form 'https://host/path'."
        raise SourceError(message) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = (
            f"A URL of the source is of the kind '{parts.scheme}'. Expected the form "
            "'https://host/path'."
        )
        raise SourceError(message)
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _pool(base: SplitResult, connections: int, timeout_seconds: float) -> urllib3.PoolManager:
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


@contextmanager
def _named_faults(url: str) -> Generator[None]:
    """Turn the errors of the connection into ours, with the URL but without its query."""
    try:
        yield
    except (LocationParseError, LocationValueError):
        message = f"'{shown(url)}' is no address that can be asked. Set the source's URL."
        raise SourceError(message) from None
    except SSLError as error:
        message = (
            f"The certificate of '{_split(url).hostname}' is not trusted ({error}). Ask the "
            "source to renew it; SSL_CERT_FILE names authorities of your own."
        )
        raise SourceError(message) from None
    except (HTTPError, OSError) as error:
        kind = type(error).__name__.removesuffix("Error")
        message = f"'{shown(url)}' does not answer in full ({kind})."
        raise TransientError(message) from error


def _granted(response: Response, url: str) -> bytes:
    """Return what a token service answered."""
    if response.status in _TRANSIENT:
        raise _transient(response, url)
    if not _is_success(response):
        message = (
            f"The token service '{shown(url)}' answered {_status(response)}. Check the source's "
            "credentials."
        )
        raise SourceError(message)
    return _body(response, shown(url))


def _transient(response: Response, url: str) -> TransientError:
    return TransientError(
        f"'{shown(url)}' answered {_status(response)}.",
        wait_seconds=retry_after(response.headers.get("Retry-After"), datetime.now(UTC)),
    )


def _status(response: Response) -> str:
    return f"{response.status} {response.reason or ''}".strip()


def _is_success(response: Response) -> bool:
    return response.status // 100 == 2  # noqa: PLR2004 (2xx)


def _body(response: Response, url: str) -> bytes:
    """Return the whole body, up to a size that no page has."""
    chunks, size = [], 0
    while chunk := response.read(_CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            message = (
                f"'{url}' sends more than {MAX_BODY_BYTES >> 20} MiB in one answer. Ask for "
                "smaller pages."
            )
            raise SourceError(message)
    return b"".join(chunks)


class _HeldGrant:
    """A grant, and until when it holds."""

    def __init__(self, grant: Grant | None = None) -> None:
        self.grant = grant or Grant()
        self._since = time.monotonic()
        seconds = self.grant.seconds - _MARGIN_SECONDS
        self.ends = -math.inf if grant is None else self._since + max(seconds, 1.0)

    def is_renewable(self) -> bool:
        """Return whether a new token may help: not where this one was fetched a moment ago."""
        return math.isfinite(self.grant.seconds) and time.monotonic() - self._since > 1.0


class _Pace:
    """Spaces requests evenly, over all threads."""

    def __init__(self, per_second: float | None) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._interval
        time.sleep(max(turn - time.monotonic(), 0.0))
