"""As whom a search server is asked."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote

from collectionflow.errors import StopRun

Sign = Callable[[str, str, Mapping[str, str], bytes | None], dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Login:
    """As whom the server is asked: an API key, a name and password, or AWS's own way."""

    api_key: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    aws_region: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers that say so, none where each request is signed."""
        if self.api_key:
            return {"Authorization": f"ApiKey {self.api_key}"}
        if self.username is not None:
            pair = f"{self.username}:{self.password or ''}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return {}

    def secrets(self) -> list[str]:
        """Return what must not be shown."""
        sent = [value.rpartition(" ")[2] for value in self.headers().values()]
        return [each for each in (self.api_key, self.password, *sent) if each]


def login_of(base: SplitResult, login: Login) -> Login:
    """Return the login, from the URL where it holds a user and nothing else says who asks."""
    ways = [login.api_key, login.username, login.aws_region, base.username]
    if sum(way is not None for way in ways) > 1:
        message = (
            "The search server is to be asked in several ways. Set one of api_key, username with "
            "password, and aws_region."
        )
        raise StopRun(message)
    if base.username is None:
        return login
    return Login(username=unquote(base.username), password=unquote(base.password or ""))


def signer(region: str) -> Sign:
    """Return a function that signs a request with the machine's AWS credentials (SigV4)."""
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.session import Session
    except ImportError as error:
        message = "Signing for AWS needs an extra. Run: uv add 'collectionflow[aws]'"
        raise StopRun(message) from error
    credentials = Session().get_credentials()
    if credentials is None:
        message = (
            "There are no AWS credentials to sign with. Give the run a role, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
        raise StopRun(message)

    def sign(
        method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> dict[str, str]:
        request = AWSRequest(method=method, url=url, data=content, headers=dict(headers))
        # Frozen anew for each request, since those of a role end within hours.
        SigV4Auth(credentials.get_frozen_credentials(), "es", region).add_auth(request)
        return dict(request.headers.items())

    return sign
