"""A real HTTP server on loopback that answers as a function says, faults included."""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it came. `headers` have lower-case names."""

    method: str
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


@contextmanager
def serve(answer: Answer) -> Generator[Site]:
    """Serve on a free port of loopback until the block ends."""
    site = Site(url="")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer, site))
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(answer: Answer, site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def _respond(self) -> None:
            parts = urlsplit(self.path)
            request = Request(
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            )
            site.requests.append(request)
            response = answer(request)
            sleep(response.delay_seconds)
            with suppress(ConnectionError):  # A client that was killed waits for no answer.
                self._send(response)

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            headers = {"Content-Length": str(len(response.body)), **response.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body[: response.cut_after])
            self.close_connection = self.close_connection or response.cut_after is not None

        def log_message(self, *_: object) -> None:
            """Say nothing: the tests look at `requests`."""

    return Handler
