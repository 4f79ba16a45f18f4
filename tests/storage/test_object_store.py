from typing import Any

import pytest
from upath import UPath

from collectionflow.storage._object_store import polars_options


@pytest.mark.parametrize("protocol", ["s3", "s3a"])
def test_s3_options_are_translated(protocol: str) -> None:
    path = UPath(
        f"{protocol}://tables/live",
        key="id",
        secret="hidden",
        token="brief",
        client_kwargs={"region_name": "eu-west-2", "endpoint_url": "https://store.example"},
    )
    assert polars_options(path) == {
        "aws_access_key_id": "id",
        "aws_secret_access_key": "hidden",
        "aws_session_token": "brief",
        "aws_region": "eu-west-2",
        "aws_endpoint_url": "https://store.example",
    }


def test_a_store_without_tls_is_allowed_where_it_is_named() -> None:
    path = UPath("s3://tables", endpoint_url="http://127.0.0.1:5000")
    assert polars_options(path) == {
        "aws_endpoint_url": "http://127.0.0.1:5000",
        "aws_allow_http": "true",
    }


@pytest.mark.parametrize("protocol", ["az", "abfs", "abfss"])
def test_azure_options_are_translated(protocol: str) -> None:
    path = UPath(f"{protocol}://tables/live", account_name="museum", sas_token="?sig")
    assert polars_options(path) == {
        "azure_storage_account_name": "museum",
        "azure_storage_sas_key": "?sig",
    }


@pytest.mark.parametrize("protocol", ["gs", "gcs"])
def test_google_options_are_translated(protocol: str) -> None:
    path = UPath(f"{protocol}://tables/live", token="/secrets/key.json")
    assert polars_options(path) == {"google_service_account": "/secrets/key.json"}


def test_an_option_that_is_not_set_is_left_to_the_store() -> None:
    assert polars_options(UPath("s3://tables", key=None, secret=None)) == {}


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("s3://t", {"anon": True}, "'anon' has no counterpart in Polars. Known here: 'endpoint_"),
        ("s3://t", {"client_kwargs": {"verify": False}}, "'verify' has no counterpart"),
        ("az://t", {"connection_string": "x"}, "'connection_string' has no counterpart"),
        ("gs://t", {"project": "x"}, "'project' has no counterpart in Polars. Known here: 'token'"),
    ],
)
def test_an_option_without_a_counterpart_is_refused(
    url: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        polars_options(UPath(url, **options))


@pytest.mark.parametrize("url", ["/data", "file:///data", "memory://data"])
def test_a_path_outside_a_store_has_no_options(url: str) -> None:
    assert polars_options(UPath(url)) is None
