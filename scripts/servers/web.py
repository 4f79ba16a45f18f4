"""A real HTTP server on loopback that answers as a function says, faults included."""

import ssl
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it came: `target` is path and query. `headers` have lower-case names."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """One answer. `cut_after` closes the connection after so many bytes of the body."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    delay_seconds: float = 0.0


@dataclass
class Site:
    """A running server: its URL, and the requests that it has had so far."""

    url: str
    requests: list[Request] = field(default_factory=list)


Answer = Callable[[Request], Response]
Cut = Callable[[str], int | None]


@contextmanager
def serve(
    answer: Answer, *, tls: ssl.SSLContext | None = None, cut: Cut = lambda _path: None
) -> Generator[Site]:
    """Serve on a free port of loopback until the block ends.

    `cut(path)` says after how many bytes of its body a request is cut off, None for not at all.
    """
    site = Site(url="")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, site, answer, cut))
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, site: Site, answer: Answer, cut: Cut, *connection: Any) -> None:
        self.site, self.answer, self.cut = site, answer, cut
        super().__init__(*connection)  # This hears the requests.

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        cut_after = self.cut(self.path)
        body = self.rfile.read(length if cut_after is None else min(cut_after, length))
        if cut_after is not None:
            self.close_connection = True
            return
        request = self._request(body)
        self.site.requests.append(request)
        response = self.answer(request)
        sleep(response.delay_seconds)
        with suppress(OSError):  # A client that was killed waits for no answer.
            self._send(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _respond  # noqa: N815 (so they are called)

    def _request(self, body: bytes) -> Request:
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            # Whoever takes it for the proxy of a network names the host too.
            target=parts._replace(scheme="", netloc="").geturl(),
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        headers = {"Content-Length": str(len(response.body)), **response.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body[: response.cut_after])
        self.close_connection = self.close_connection or response.cut_after is not None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (so it is called)
        """Say nothing: the tests look at `requests`."""
