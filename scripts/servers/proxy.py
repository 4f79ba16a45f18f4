"""A real HTTP proxy on loopback in front of one server, which does with a request what a test says.

Whatever it is not told to spoil, it passes on and back as it is.
"""

import http.client
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from servers.web import Request, Response, serve

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
    requests: list[Request]
    cut_uploads: list[int]


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
    cut_uploads: list[int] = []

    def cut(path: str) -> int | None:
        return cut_uploads.pop() if cut_uploads and "/_bulk" in path else None

    def answer(request: Request) -> Response:
        return fault(request, lambda: _ask(upstream, request))

    with serve(answer, tls=tls, cut=cut) as site:
        yield Proxy(url=site.url, requests=site.requests, cut_uploads=cut_uploads)


def _ask(upstream: str, request: Request) -> Response:
    """Ask the server itself; a server that is down answers 503 through a proxy."""
    connection = http.client.HTTPConnection(str(urlsplit(upstream).netloc), timeout=120)
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    try:
        connection.request(request.method, request.target, request.body or None, headers)
        answer = connection.getresponse()
        body = answer.read()
    except OSError:
        return Response(status=503, body=b"The server is down.")
    finally:
        connection.close()
    kind = answer.headers.get("Content-Type", "application/json")
    return Response(status=answer.status, body=body, headers={"Content-Type": kind})
