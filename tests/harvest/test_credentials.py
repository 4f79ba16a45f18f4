import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from collectionflow.errors import SourceError
from collectionflow.harvest import ApiKey, BasicAuth, BearerToken, ClientCredentials
from collectionflow.harvest.credentials import Credentials, Grant

# Dagster's own, of any resource that has another one in it.
pytestmark = pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run is deprecated")


def no_post(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
    raise AssertionError(url)


def test_a_bearer_token_is_a_header() -> None:
    assert BearerToken(token="t").grant(no_post) == Grant(headers={"Authorization": "Bearer t"})


def test_an_api_key_is_a_header_or_a_parameter() -> None:
    assert ApiKey(key="k").grant(no_post) == Grant(headers={"X-API-Key": "k"})
    assert ApiKey(key="k", header="Key").grant(no_post) == Grant(headers={"Key": "k"})
    assert ApiKey(key="k", parameter="key").grant(no_post) == Grant(parameters={"key": "k"})


def test_a_name_and_a_password_are_encoded() -> None:
    grant = BasicAuth(username="é", password="p:w").grant(no_post)
    encoded = grant.headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded).decode() == "é:p:w"
    assert grant.seconds == math.inf


CLIENT = ClientCredentials(token_url="https://x.org/token", client_id="id", client_secret="s3cret")


def test_client_credentials_fetch_a_token() -> None:
    asked: list[Any] = []

    def post(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        asked.append((url, form, headers))
        return json.dumps({"access_token": "t", "expires_in": "3600"}).encode()

    grant = CLIENT.grant(post)
    assert grant == Grant(headers={"Authorization": "Bearer t"}, seconds=3600.0)
    assert asked == [
        (
            "https://x.org/token",
            {"grant_type": "client_credentials"},
            {"Authorization": "Basic aWQ6czNjcmV0"},
        )
    ]


def test_client_credentials_may_ask_for_a_scope_and_a_token_that_does_not_end() -> None:
    forms = []

    def post(_url: str, form: Mapping[str, str], _headers: Mapping[str, str]) -> bytes:
        forms.append(form)
        return b'{"access_token": "t"}'

    scoped = ClientCredentials(
        token_url="https://x.org", client_id="id", client_secret="s", scope="read"
    )
    assert scoped.grant(post).seconds == math.inf
    assert forms == [{"grant_type": "client_credentials", "scope": "read"}]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"null", b'{"access_token": "t", "expires_in": "soon"}', b"\xff"]
)
def test_a_token_service_without_a_token_is_an_error_that_keeps_the_secret(body: bytes) -> None:
    with pytest.raises(SourceError, match="without an 'access_token'") as raised:
        CLIENT.grant(lambda *_: body)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "credentials",
    [
        BearerToken(token=dg.EnvVar("SECRET")),
        ApiKey(key=dg.EnvVar("SECRET")),
        BasicAuth(username="u", password=dg.EnvVar("SECRET")),
    ],
)
def test_a_secret_of_the_environment_is_read_when_the_run_starts(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")

    class Source(dg.ConfigurableResource[None]):
        credentials: Credentials

    @dg.asset
    def objects(source: Source) -> None:
        grant = source.credentials.grant(no_post)
        assert "s3cret" in str(grant) or "dTpzM2NyZXQ=" in str(grant)

    resources = {"source": Source(credentials=credentials)}
    assert dg.materialize([objects], resources=resources, instance=instance).success
