"""How a source's requests say who asks. Each kind is a resource, so its secrets can be EnvVars."""

import json
import math
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import dagster as dg
from pydantic import Field

from collectionflow.errors import SourceError

# Sends a form to a URL, with headers, and returns the body of the answer.
Post = Callable[[str, Mapping[str, str], Mapping[str, str]], bytes]


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What is added to each request to the source's own host, and for how many seconds it holds."""

    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    seconds: float = math.inf


class Credentials(dg.ConfigurableResource[None], ABC):
    """Says who asks, to the source's own host and to no other."""

    @abstractmethod
    def grant(self, post: Post) -> Grant:
        """Return what is added to requests; `post` is there for schemes that fetch a token."""


class BearerToken(Credentials):
    """A token in the Authorization header.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow.harvest import BearerToken
        >>> credentials = BearerToken(token=dg.EnvVar("API_TOKEN"))
    """

    token: str = Field(description="The token, as an EnvVar.")

    def grant(self, post: Post) -> Grant:  # noqa: ARG002 (nothing to fetch)
        """Return the Authorization header."""
        return Grant(headers={"Authorization": f"Bearer {self.token}"})


class ApiKey(Credentials):
    """A key in a header, or in a query parameter where `parameter` names one.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow.harvest import ApiKey
        >>> in_header = ApiKey(key=dg.EnvVar("API_KEY"))
        >>> in_query = ApiKey(key=dg.EnvVar("API_KEY"), parameter="apikey")
    """

    key: str = Field(description="The key, as an EnvVar.")
    header: str = Field(default="X-API-Key", description="The header that carries the key.")
    parameter: str | None = Field(
        default=None, description="The query parameter that carries it in the header's stead."
    )

    def grant(self, post: Post) -> Grant:  # noqa: ARG002 (nothing to fetch)
        """Return the header, or the parameter."""
        if self.parameter:
            return Grant(parameters={self.parameter: self.key})
        return Grant(headers={self.header: self.key})


class BasicAuth(Credentials):
    """A name and a password, by HTTP's basic scheme.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow.harvest import BasicAuth
        >>> credentials = BasicAuth(username="harvester", password=dg.EnvVar("API_PASSWORD"))
    """

    username: str = Field(description="The name of the account.")
    password: str = Field(description="Its password, as an EnvVar.")

    def grant(self, post: Post) -> Grant:  # noqa: ARG002 (nothing to fetch)
        """Return the Authorization header."""
        return Grant(headers={"Authorization": _basic(self.username, self.password)})


class ClientCredentials(Credentials):
    """OAuth 2.0 client credentials (RFC 6749, section 4.4): a token, fetched anew as it expires.

    Examples:
        >>> import dagster as dg
        >>> from collectionflow.harvest import ClientCredentials
        >>> credentials = ClientCredentials(
        ...     token_url="https://login.example.org/token",
        ...     client_id="harvester",
        ...     client_secret=dg.EnvVar("API_CLIENT_SECRET"),
        ... )
    """

    token_url: str = Field(description="Where the token is fetched.")
    client_id: str = Field(description="The name of the account.")
    client_secret: str = Field(description="Its secret, as an EnvVar.")
    scope: str | None = Field(default=None, description="What the token shall allow.")

    def grant(self, post: Post) -> Grant:
        """Fetch a token and return it as the Authorization header.

        Raises:
            SourceError: where the answer holds no token.
        """
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        headers = {"Authorization": _basic(self.client_id, self.client_secret)}
        try:
            answer = json.loads(post(self.token_url, form, headers))
            token, seconds = answer["access_token"], float(answer.get("expires_in", math.inf))
        except (ValueError, TypeError, KeyError):
            message = (
                f"The token service '{self.token_url}' answered without an 'access_token'. Check "
                "the source's token_url, client_id and client_secret."
            )
            raise SourceError(message) from None
        return Grant(headers={"Authorization": f"Bearer {token}"}, seconds=seconds)


def _basic(username: str, password: str) -> str:
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"
