"""Translates fsspec's storage options into those that Polars' object store reader takes."""

from collections.abc import Mapping
from typing import Any

from upath import UPath

# fsspec's name: the object store's name. Sources: the documentation of s3fs, gcsfs and adlfs, and
# of the Rust crate object_store.
_S3 = {
    "key": "aws_access_key_id",
    "secret": "aws_secret_access_key",
    "token": "aws_session_token",
    "endpoint_url": "aws_endpoint_url",
}
_S3_CLIENT = {"region_name": "aws_region", "endpoint_url": "aws_endpoint_url"}
_AZURE = {
    "account_name": "azure_storage_account_name",
    "account_key": "azure_storage_account_key",
    "sas_token": "azure_storage_sas_key",
    "tenant_id": "azure_storage_tenant_id",
    "client_id": "azure_storage_client_id",
    "client_secret": "azure_storage_client_secret",
}
_GCS = {"token": "google_service_account"}


def polars_options(path: UPath) -> dict[str, Any] | None:
    """Return the options with which Polars reads `path`, None for a path of this machine.

    Raises:
        ValueError: for an option that has no counterpart, since ignoring it would read with
            other credentials than it writes.
    """
    options = dict(path.storage_options)
    match path.protocol:
        case "s3" | "s3a":
            client = options.pop("client_kwargs", {})
            found = _renamed(options, _S3) | _renamed(client, _S3_CLIENT)
            if found.get("aws_endpoint_url", "").startswith("http://"):
                found["aws_allow_http"] = "true"
            return found
        case "az" | "abfs" | "abfss":
            return _renamed(options, _AZURE)
        case "gs" | "gcs":
            return _renamed(options, _GCS)
        case _:
            return None


def _renamed(options: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    unknown = sorted(set(options) - set(names))
    if unknown:
        message = (
            f"Storage option '{unknown[0]}' has no counterpart in Polars. "
            f"Known here: {', '.join(repr(name) for name in sorted(names))}."
        )
        raise ValueError(message)
    return {names[name]: value for name, value in options.items() if value is not None}
