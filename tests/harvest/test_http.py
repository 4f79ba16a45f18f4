import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from servers.web import Request, Response, Site, serve

from collectionflow._patience import TransientError, retry_after
from collectionflow.errors import SourceError, SourceUnavailable
from collectionflow.harvest import ApiKey, BasicAuth, BearerToken, ClientCredentials
from collectionflow.harvest._http import Http
from collectionflow.harvest._http_answer import MAX_BODY_BYTES
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

Headers = Mapping[str, str]


@contextmanager
def session(url: str, **options: Any) -> Generator[Http]:
    with Http(url, Harvest(table="objects", source=url), Notes(), **options) as http:
        yield http


def body(content: bytes, _headers: Headers) -> bytes:
    return content


def get(url: str, **options: Any) -> bytes | None:
    with session(url, **options) as http:
        return http.get(url, body)


def failing(times: int, answer: Response, then: bytes = b"ok") -> Callable[[Request], Response]:
    """Return an answer that is another one at first, as often as is said."""
    left = iter([answer] * times)
    return lambda _request: next(left, Response(then))


def told(error: BaseException | None) -> str:
    """Return all that a log would show of an error, its causes included."""
    if error is None:
        return ""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{error!r} {error}\n{told(cause)}"


def test_a_request_says_who_asks() -> None:
    with serve(lambda _: Response(b"ok")) as site, session(site.url, headers={"X-A": "1"}) as http:
        assert http.get(f"{site.url}/a?b=1", body, parameters={"c": "é"}, headers={"X-B": "2"})
    (request,) = site.requests
    assert (request.path, request.query) == ("/a", {"b": "1", "c": "é"})
    assert request.headers["user-agent"].startswith("collectionflow/")
    assert (request.headers["x-a"], request.headers["x-b"]) == ("1", "2")


def test_what_is_compressed_is_unpacked() -> None:
    packed = Response(gzip.compress(b"ok"), headers={"Content-Encoding": "gzip"})
    with serve(lambda _: packed) as site:
        assert get(site.url) == b"ok"
        assert site.requests[0].headers["accept-encoding"] == "gzip"


def test_what_has_not_changed_is_none() -> None:
    with serve(lambda _: Response(status=304)) as site:
        assert get(site.url) is None


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_waiting_may_cure_is_asked_again(status: int) -> None:
    harvest = Harvest(table="objects", source="a test")
    answer = failing(2, Response(status=status, headers={"Retry-After": "0"}))
    with serve(answer) as site, Http(site.url, harvest, Notes()) as http:
        assert http.get(site.url, body) == b"ok"
    assert (len(site.requests), harvest.retries) == (3, 2)


def test_an_answer_that_is_cut_off_is_asked_for_again() -> None:
    with serve(failing(1, Response(b"cut off here", cut_after=3))) as site:
        assert get(site.url) == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        Response(b"later", status=503),
        Response(b"cut off here", cut_after=3),
        Response(b"ok", delay_seconds=0.3),
        Response(b"moved", status=302, headers={"Location": "/"}),
    ],
)
def test_a_fault_gives_its_connection_back(answer: Response) -> None:
    with (
        serve(failing(6, answer)) as site,
        session(site.url, connections=1, timeout_seconds=0.1) as http,
    ):
        assert http.get(site.url, body) == b"ok"


def test_a_refusal_gives_its_connection_back() -> None:
    service = TokenService(refusals=6)
    with (
        serve(failing(1, Response(b"no" * 100_000, status=403))) as site,
        serve(service) as tokens,
        session(site.url, connections=1, credentials=service.credentials(tokens)) as http,
    ):
        with pytest.raises(SourceError):
            http.get(site.url, body)
        assert http.get(site.url, body) == b"ok"


def test_an_answer_whose_reader_calls_it_cut_off_is_asked_for_again() -> None:
    def read(content: bytes, _headers: Headers) -> bytes:
        if content == b"cut":
            raise TransientError(str(content))
        return content

    with serve(failing(1, Response(b"cut"))) as site, session(site.url) as http:
        assert http.get(site.url, read) == b"ok"


def test_an_error_of_a_reader_is_raised_and_the_session_goes_on() -> None:
    def read(content: bytes, _headers: Headers) -> bytes:
        raise SourceError(str(len(content)))

    with serve(lambda _: Response(b"ok")) as site, session(site.url, connections=1) as http:
        with pytest.raises(SourceError, match="2"):
            http.get(site.url, read)
        assert http.get(site.url, body) == b"ok"


def test_a_host_that_does_not_answer_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/objects"
        with pytest.raises(SourceUnavailable) as raised:
            get(f"{url}?key=s3cret", credentials=ApiKey(key="s3cret", parameter="apikey"))
    assert f"'{url}' does not answer in full" in str(raised.value)
    assert "s3cret" not in told(raised.value)


def test_a_host_that_is_too_slow_is_unavailable() -> None:
    with (
        serve(lambda _: Response(b"ok", delay_seconds=0.2)) as site,
        pytest.raises(SourceUnavailable, match="ReadTimeout") as raised,
    ):
        get(site.url, timeout_seconds=0.01, credentials=ApiKey(key="s3cret", parameter="apikey"))
    assert "s3cret" not in told(raised.value)


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "credentials"), (403, "credentials"), (404, "gone"), (400, "gone"), (302, "gone")],
)
def test_a_refusal_is_raised_at_once_with_what_was_said(status: int, advice: str) -> None:
    with (
        serve(lambda _: Response(b"It is\n gone.", status=status)) as site,
        pytest.raises(SourceError, match=f"answered {status} ") as raised,
    ):
        get(site.url)
    assert "'It is gone.'" in str(raised.value)
    assert advice in str(raised.value)
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "credentials",
    [
        BearerToken(token="s3cret/+"),
        ApiKey(key="s3cret/+"),
        ApiKey(key="s3cret/+", parameter="apikey"),
        BasicAuth(username="u", password="s3cret/+"),
    ],
)
def test_a_refusal_that_echoes_a_secret_does_not_tell_it(credentials: Any) -> None:
    def echo(request: Request) -> Response:
        sent = f"{request.query} ?{urlencode(request.query)} {request.headers}"
        return Response(sent.encode(), status=403)

    with serve(echo) as site, pytest.raises(SourceError) as raised:
        get(f"{site.url}/objects", credentials=credentials, headers={"Cookie": "s3cret-cookie"})
    message = told(raised.value)
    assert "***" in message
    assert "s3cret" not in message
    assert "czNjcmV0" not in message  # In base64.


def test_an_answer_without_an_end_is_refused() -> None:
    packed = gzip.compress(bytes(MAX_BODY_BYTES + 1), compresslevel=1)
    answer = Response(packed, headers={"Content-Encoding": "gzip"})
    with serve(lambda _: answer) as site, pytest.raises(SourceError, match="more than 256 MiB"):
        get(site.url)


def test_each_kind_of_credentials_is_sent() -> None:
    kinds = [
        BearerToken(token="t"),
        ApiKey(key="k"),
        ApiKey(key="k", parameter="apikey"),
        BasicAuth(username="u", password="p"),
    ]
    with serve(lambda _: Response(b"ok")) as site:
        for credentials in kinds:
            get(f"{site.url}/a?apikey=old", credentials=credentials)
    bearer, header, parameter, basic = site.requests
    assert bearer.headers["authorization"] == "Bearer t"
    assert header.headers["x-api-key"] == "k"
    assert parameter.query == {"apikey": "k"}
    assert basic.headers["authorization"] == "Basic dTpw"


CREDENTIALS = [
    BearerToken(token="s3cret"),
    ApiKey(key="s3cret"),
    ApiKey(key="s3cret", parameter="apikey"),
    BasicAuth(username="u", password="s3cret"),
]


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_followed_without_secrets(
    credentials: Any, status: int
) -> None:
    with serve(lambda _: Response(b"ok")) as other:
        moved = Response(b"moved", status=status, headers={"Location": f"{other.url}/b?c=1"})
        with serve(lambda _: moved) as site:
            found = get(site.url, credentials=credentials, headers={"Cookie": "s3cret"})
    assert found == b"ok"
    (request,) = other.requests
    assert request.query == {"c": "1"}
    assert not {"authorization", "x-api-key", "cookie"} & set(request.headers)
    assert "s3cret" not in str(request)


def test_a_redirect_on_the_same_host_keeps_the_secrets() -> None:
    def answer(request: Request) -> Response:
        if request.path == "/a":
            return Response(status=302, headers={"Location": "/b?apikey=s3cret"})
        return Response(b"ok")

    with serve(answer) as site:
        get(f"{site.url}/a", credentials=ApiKey(key="s3cret", parameter="apikey"))
    assert site.requests[1].query == {"apikey": "s3cret"}


def test_a_refusal_by_another_host_does_not_ask_for_a_new_token() -> None:
    with serve(lambda _: Response(b"who?", status=401)) as other:
        moved = Response(status=302, headers={"Location": other.url})
        with serve(lambda _: moved) as site, pytest.raises(SourceError, match="answered 401"):
            get(site.url, credentials=BearerToken(token="t"))


def test_redirects_in_a_circle_are_refused() -> None:
    moved = Response(status=302, headers={"Location": "/a"})
    with (
        serve(lambda _: moved) as site,
        pytest.raises(SourceError, match="redirects more than 10 times"),
    ):
        get(site.url)


class TokenService:
    """A host that gives tokens which end, and counts who asks with which."""

    def __init__(self, *, uses: int = 1_000, seconds: float = 3600, refusals: int = 0) -> None:
        self.uses, self.seconds, self.refusals = uses, seconds, refusals
        self.tokens: dict[str, int] = {}
        self.lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        with self.lock:
            if request.method == "POST":
                return self._token()
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            self.tokens[token] = self.tokens.get(token, 0) + 1
            is_good = token in list(self.tokens)[-1:] and self.tokens[token] <= self.uses
            return Response(b"ok") if is_good else Response(b"token?", status=401)

    def _token(self) -> Response:
        if self.refusals:
            self.refusals -= 1
            return Response(status=503)
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = 0
        answer = {"access_token": token, "expires_in": self.seconds}
        return Response(json.dumps(answer).encode())

    def credentials(self, site: Site) -> ClientCredentials:
        return ClientCredentials(
            token_url=f"{site.url}/token", client_id="id", client_secret="s3cret"
        )


def test_a_token_is_fetched_once_for_all_threads() -> None:
    service = TokenService(refusals=2)
    with (
        serve(service) as site,
        session(site.url, credentials=service.credentials(site)) as http,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(lambda _: http.get(site.url, body), range(50)))
    assert service.tokens == {"token-0": 50}
    (form, *_) = [each for each in site.requests if each.method == "POST"]
    assert form.body == b"grant_type=client_credentials"
    assert form.headers["authorization"] == "Basic aWQ6czNjcmV0"


def test_a_token_is_fetched_anew_before_it_ends() -> None:
    service = TokenService(seconds=31)
    with serve(service) as site, session(site.url, credentials=service.credentials(site)) as http:
        http.get(site.url, body)
        time.sleep(1.1)
        http.get(site.url, body)
    assert service.tokens == {"token-0": 1, "token-1": 1}


def test_a_token_that_is_no_longer_taken_is_fetched_anew_by_one_thread_of_many() -> None:
    service = TokenService(uses=10)
    with (
        serve(service) as site,
        session(site.url, credentials=service.credentials(site)) as http,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(lambda _: http.get(site.url, body), range(10)))
        time.sleep(1.1)
        assert list(pool.map(lambda _: http.get(site.url, body), range(8))) == [b"ok"] * 8
    assert list(service.tokens) == ["token-0", "token-1"]


def test_a_token_that_is_refused_at_once_is_no_use_to_fetch_anew() -> None:
    service = TokenService(uses=0)
    with (
        serve(service) as site,
        pytest.raises(SourceError, match="answered 401"),
    ):
        get(site.url, credentials=service.credentials(site))
    assert len(site.requests) == 2


def test_a_token_service_that_refuses_is_named_without_the_secret() -> None:
    with (
        serve(lambda _: Response(b"s3cret?", status=400)) as site,
        pytest.raises(SourceError, match=r"The token service .* answered 400") as raised,
    ):
        get(site.url, credentials=TokenService().credentials(site))
    assert "s3cret" not in told(raised.value)


def test_requests_keep_their_pace_over_all_threads() -> None:
    with (
        serve(lambda _: Response(b"ok")) as site,
        session(site.url, requests_per_second=50) as http,
        ThreadPoolExecutor(4) as pool,
    ):
        started = time.monotonic()
        list(pool.map(lambda _: http.get(site.url, body), range(11)))
        assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(other, raising=False)
    with serve(lambda request: Response(request.headers["host"].encode())) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert get("http://museum.invalid/objects") == b"museum.invalid"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert get(f"{proxy.url}/objects") == proxy.url.removeprefix("http://").encode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for localhost that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def serve_encrypted(certificate: Path, location: str) -> Generator[str]:
    """Serve over TLS: `ok` at /, and a redirect to `location` everywhere else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 302)
            self.send_header("Location", location)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 (its name)
            """Say nothing."""

    class Server(HTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a client that hangs up on an untrusted certificate."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_certificate_that_nobody_trusts_is_refused_at_once(certificate: Path) -> None:
    with (
        serve_encrypted(certificate, "/") as url,
        pytest.raises(SourceError, match="The certificate of 'localhost' is not trusted") as raised,
    ):
        get(url)
    assert "SSL_CERT_FILE" in str(raised.value)


def test_a_certificate_of_ones_own_authority_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serve_encrypted(certificate, "/") as url:
        assert get(url) == b"ok"


def test_a_redirect_that_gives_up_encryption_is_refused(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        serve_encrypted(certificate, "http://localhost/?key=s3cret") as url,
        pytest.raises(SourceError, match="'http://localhost/', which is not encrypted"),
    ):
        get(f"{url}elsewhere")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://example.org/s3cret", "of the kind 'ftp'"),
        ("example.org", "of the kind ''"),
        ("https:///objects", "Expected the form 'https://host/path'"),
        ("https://example.org:port/", "cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("http://exa..mple.org/?key=s3cret", "is no address that can be asked"),
    ],
)
def test_what_is_no_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(SourceError) as raised:
        get(url)
    assert message in str(raised.value)
    assert "s3cret" not in told(raised.value)


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("-5", 0.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2025 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 00:01:00", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
