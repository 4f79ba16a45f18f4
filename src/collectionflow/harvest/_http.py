"""Polite, patient requests to one host that keep its credentials to that host."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, Self, TypeVar
from urllib.parse import quote_plus, urlencode, urljoin

from collectionflow._patience import USER_AGENT, TransientError
from collectionflow.errors import SourceError
from collectionflow.harvest._http_answer import (
    Response,
    body_of,
    granted,
    is_success,
    is_transient,
    status_of,
    transient,
)
from collectionflow.harvest._http_connection import Pace, connections_to, named_faults
from collectionflow.harvest._http_grant import Grants, HeldGrant
from collectionflow.harvest._retry import retrying
from collectionflow.harvest._url import is_same_host, shown, split_url, with_parameters
from collectionflow.harvest.credentials import Credentials
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

T = TypeVar("T")

_MAX_REDIRECTS: Final = 10
_REDIRECTS: Final = {301, 302, 303, 307, 308}
_NOT_MODIFIED: Final = 304
_UNAUTHORIZED: Final = 401
_SHOWN_CHARACTERS: Final = 200


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
        self._base = split_url(base_url)
        self._harvest = harvest
        self._notes = notes
        self._headers = dict(headers or {})
        self._pace = Pace(requests_per_second)
        self._pool = connections_to(self._base, connections, timeout_seconds)
        self._grants = Grants(credentials, self._post)

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
                body = body_of(response, url)
            # The connection is free for the next request while the body is read.
            return read(body, response.headers)

        return retrying(once, self._harvest, self._notes)

    @contextmanager
    def opened(self, url: str, headers: Mapping[str, str] | None = None) -> Generator[Response]:
        """Yield one answer as a stream, redirects followed, without asking again.

        Raises:
            TransientError: for what waiting may cure.
            SourceError: where the host refuses.
        """
        with named_faults(url):
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

    def _follow(self, url: str, headers: Mapping[str, str]) -> tuple[Response, HeldGrant | None]:
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
            if split_url(target).scheme == "http" and split_url(url).scheme == "https":
                message = f"'{shown(url)}' redirects to '{shown(target)}', which is not encrypted."
                raise SourceError(message)
            url = target
        message = f"'{shown(url)}' redirects more than {_MAX_REDIRECTS} times."
        raise SourceError(message)

    def _send(self, url: str, headers: Mapping[str, str]) -> tuple[Response, HeldGrant | None]:
        sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **headers}
        held = None
        if is_same_host(split_url(url), self._base):
            held = self._grants.current()
            sent |= self._headers | dict(held.grant.headers)
            url = with_parameters(url, held.grant.parameters)
        self._pace.wait()
        response = self._pool.request(
            "GET", url, headers=sent, redirect=False, retries=False, preload_content=False
        )
        return response, held

    def _post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        """Send a form to the service that the configuration names; it is no link that was met."""

        def once() -> bytes:
            with named_faults(url):
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
                    return granted(response, url)
                finally:
                    response.close()
                    response.release_conn()

        return retrying(once, self._harvest, self._notes)

    def _check(self, response: Response, url: str, held: HeldGrant | None) -> None:
        """Raise the error for an answer that is none."""
        if is_success(response) or response.status == _NOT_MODIFIED:
            return
        if is_transient(response):
            raise transient(response, url)
        if response.status == _UNAUTHORIZED and held is not None and self._grants.is_outdated(held):
            message = f"'{shown(url)}' no longer takes the token."
            raise TransientError(message)
        start = response.read(_SHOWN_CHARACTERS * 4, decode_content=True).decode("utf-8", "replace")
        said = self.without_secrets(" ".join(start.split()))[:_SHOWN_CHARACTERS]
        advice = " Check the source's credentials." if response.status in {401, 403} else ""
        message = f"'{shown(url)}' answered {status_of(response)}: '{said}'.{advice}"
        raise SourceError(message)

    def without_secrets(self, text: str) -> str:
        """Blank out what was sent, should the host echo it."""
        grant = self._grants.held.grant
        for value in (*self._headers.values(), *grant.headers.values(), *grant.parameters.values()):
            token = value.rpartition(" ")[2]
            for secret in (value, token, quote_plus(token)):
                text = text.replace(secret, "***") if secret else text
        return text
