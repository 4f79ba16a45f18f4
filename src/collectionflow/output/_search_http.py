"""Patient requests to one search server, as whoever may write there."""

import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar
from urllib.parse import SplitResult, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import stamina
import urllib3
from urllib3.exceptions import HTTPError, SSLError

from collectionflow._patience import USER_AGENT, TransientError, retry_after
from collectionflow.errors import StopRun, TargetUnavailable
from collectionflow.output._search_login import Login, login_of, signer

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 600.0
# Not 500: these servers mean by it that they will never do what was asked.
_TRANSIENT: Final = {408, 425, 429, 502, 503, 504}
_FIRST_ERROR: Final = 400
_SHOWN_CHARACTERS: Final = 500


class ServerRefusedError(StopRun):
    """The server answered that it will not do what it was asked. `kind` is its name for why."""

    def __init__(self, message: str, status: int, kind: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class SearchServer:
    """One server or cluster. Use it as a context manager; threads may share it."""

    def __init__(
        self,
        url: str,
        login: Login,
        *,
        ca_file: str | None = None,
        log: Callable[[str], None] = print,
        connections: int = 4,
        timeout_seconds: float = 120.0,
    ) -> None:
        self._base = _split(url)
        self._login = login_of(self._base, login)
        self._sign = signer(login.aws_region) if login.aws_region else None
        self._log = log
        self._pool = _pool(self._base, ca_file, connections, timeout_seconds)
        self.shown = _shown(self._base)

    def __enter__(self) -> Self:
        """Return the server itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._pool.clear()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON that the server answers with; what waiting may cure is asked again.

        Raises:
            ServerRefusedError: where the server refuses, with what it said.
            TargetUnavailable: where it does not answer for ten minutes.
        """
        return self.patiently(lambda: self.ask_once(method, path, body, parameters))

    def ask_once(
        self,
        method: str,
        path: str,
        body: Any = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON that the server answers with, without asking again."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if content else {}
        answer = self.send(method, path, content, headers, parameters)
        return json.loads(answer) if answer else None

    def send(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str],
        parameters: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and return the body of its answer.

        Raises:
            TransientError: for what waiting may cure.
            ServerRefusedError: where the server refuses.
        """
        query = f"?{urlencode(parameters)}" if parameters else ""
        url = f"{self.shown}{path}{query}"
        every = {"User-Agent": USER_AGENT, **headers, **self._login.headers()}
        if self._sign:
            every |= self._sign(method, url, every, content)
        try:
            response = self._pool.request(
                method, url, body=content, headers=every, redirect=False, retries=False
            )
        except SSLError as error:
            raise StopRun(self._untrusted(error)) from None
        except (HTTPError, OSError) as error:
            kind = type(error).__name__.removesuffix("Error")
            message = f"The search server '{self.shown}' does not answer in full ({kind})."
            raise TransientError(message) from error
        if response.status >= _FIRST_ERROR:
            raise self._fault(response, f"{method} {path}")
        return response.data

    def patiently(self, call: Callable[[], T]) -> T:
        """Return what `call()` returns; while it raises a `TransientError`, wait and call again.

        Raises:
            TargetUnavailable: where it still fails after ten minutes.
        """

        def wait(error: Exception) -> bool | float:
            if not isinstance(error, TransientError):
                return False
            self._log(f"{error} Trying again.")
            return True if error.wait_seconds is None else min(error.wait_seconds, TIMEOUT_SECONDS)

        caller = stamina.RetryingCaller(
            attempts=None, timeout=TIMEOUT_SECONDS, wait_initial=0.5, wait_max=30.0
        )
        try:
            return caller(wait, call)
        except TransientError as error:
            message = (
                f"{error} It was asked for {TIMEOUT_SECONDS / 60:.0f} minutes. What was live stays "
                "live. Run again when it answers."
            )
            raise TargetUnavailable(message) from error

    def _fault(self, response: urllib3.BaseHTTPResponse, what: str) -> Exception:
        """Return the error for an answer that is none."""
        kind, reason = _reason(response.data)
        said = self._without_secrets(reason)[:_SHOWN_CHARACTERS]
        status = f"{response.status} {response.reason or ''}".strip()
        message = f"The search server '{self.shown}' answered {status} to {what}: '{said}'."
        if response.status in _TRANSIENT:
            wait = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
            return TransientError(message, wait)
        advice = _ADVICE.get(response.status, "")
        return ServerRefusedError(f"{message}{advice}", response.status, kind)

    def _untrusted(self, error: SSLError) -> str:
        return (
            f"The certificate of '{self.shown}' is not trusted ({error}). Set the target's ca_file "
            "to the file of the authority that signed it."
        )

    def _without_secrets(self, text: str) -> str:
        """Blank out what was sent, should the server echo it."""
        for secret in self._login.secrets():
            text = text.replace(secret, "***")
        return text


_ADVICE: Final = {
    401: " Check the target's API key, or its user name and password.",
    403: " Ask for the right to create, write, manage and delete the indexes of this alias.",
    413: " One document is larger than the server takes in one request.",
}


def _reason(body: bytes) -> tuple[str, str]:
    """Return the server's name for an error, and its words."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        error = json.loads(body)["error"]
        return (error["type"], error["reason"]) if isinstance(error, dict) else ("", error)
    return "", " ".join(body.decode("utf-8", "replace").split())


def _split(url: str) -> SplitResult:
    with suppress(ValueError):
        parts = urlsplit(url)
        _ = parts.port  # Is read when asked for, and may be no number.
        if parts.scheme in {"http", "https"} and parts.hostname:
            return parts
    message = (
        "The URL of the search server cannot be read. Expected the form 'https://host:9200', with "
        "the password in the target's password and not in the URL."
    )
    raise StopRun(message)


def _shown(base: SplitResult) -> str:
    """Return the URL as errors and metadata may show it, and as paths are put behind it."""
    host = f"[{base.hostname}]" if ":" in str(base.hostname) else base.hostname
    port = f":{base.port}" if base.port else ""
    return f"{base.scheme}://{host}{port}{base.path.rstrip('/')}"


def _pool(
    base: SplitResult, ca_file: str | None, connections: int, timeout_seconds: float
) -> urllib3.PoolManager:
    timeout = urllib3.Timeout(connect=min(timeout_seconds, 30.0), read=timeout_seconds)
    options: dict[str, Any] = {"maxsize": connections, "block": True, "timeout": timeout}
    if base.scheme == "https":
        options["ssl_context"] = _trusting(ca_file)
    proxy = getproxies().get(base.scheme)
    if proxy and not proxy_bypass(str(base.hostname)):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    # The bundled authorities, beside those of the machine, which a slim container may lack.
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            message = f"The target's ca_file '{ca_file}' cannot be read as certificates ({error})."
            raise StopRun(message) from error
    return context
