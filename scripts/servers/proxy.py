"""A real HTTP proxy on loopback in front of one server, which does with a request what a test says.

Whatever it is not told to spoil, it passes on and back as it is.
"""

import http.client
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from urllib.parse import parse_qsl, urlsplit

from servers.web import Request, Response

Forward = Callable[[], Response]
Fault = Callable[[Request, Forward], Response]

# An answer of which the client sees its length and nothing more.
CUT = Response(body=b"cut", cut_after=0)


@dataclass
class Proxy:
    """A running proxy: its URL, and the requests that it has had so far.

    `cut_uploads` says after how many bytes of its body each of the next bulk requests is cut off.
    """

    url: str
    requests: list[Request] = field(default_factory=list)
    cut_uploads: list[int] = field(default_factory=list)


def no_fault(_request: Request, forward: Forward) -> Response:
    """Pass every request on."""
    return forward()


@contextmanager
def before(
    upstream: str, fault: Fault = no_fault, *, tls: ssl.SSLContext | None = None
) -> Generator[Proxy]:
    """Stand before the server at `upstream` until the block ends.

    `fault(request, forward)` returns the answer to a request; `forward()` asks the server.
    """
    proxy = Proxy(url="")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(upstream, fault, proxy))
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    proxy.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(upstream: str, fault: Fault, proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _respond(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if "/_bulk" in self.path and proxy.cut_uploads:
                self.rfile.read(min(proxy.cut_uploads.pop(), length))
                self.close_connection = True
                return
            parts = urlsplit(self.path)
            request = Request(
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(length),
            )
            proxy.requests.append(request)
            # Whoever takes it for the proxy of a network names the host too.
            path = parts._replace(scheme="", netloc="").geturl()
            response = fault(request, lambda: _ask(upstream, path, request))
            sleep(response.delay_seconds)
            with suppress(OSError):  # A client that was killed waits for no answer.
                self._send(response)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _respond  # noqa: N815 (so they are called)

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            headers = {"Content-Length": str(len(response.body)), **response.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body[: response.cut_after])
            self.close_connection = self.close_connection or response.cut_after is not None

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing: the tests look at `requests`."""

    return Handler


def _ask(upstream: str, path: str, request: Request) -> Response:
    """Ask the server itself; a server that is down answers 503 through a proxy."""
    connection = http.client.HTTPConnection(str(urlsplit(upstream).netloc), timeout=120)
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    try:
        connection.request(request.method, path, request.body or None, headers)
        answer = connection.getresponse()
        body = answer.read()
    except OSError:
        return Response(status=503, body=b"The server is down.")
    finally:
        connection.close()
    kind = answer.headers.get("Content-Type", "application/json")
    return Response(status=answer.status, body=body, headers={"Content-Type": kind})
