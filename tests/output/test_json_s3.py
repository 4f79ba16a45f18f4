"""Documents and sitemaps in a bucket: a real server that speaks S3, on this machine."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from collectionflow.output import NdjsonTarget, SitemapTarget

REGION = "eu-west-2"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """Serve a bucket to whoever has its credentials from the environment, as on a real machine."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDENTIFIES")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        location = {"LocationConstraint": REGION}
        client.create_bucket(Bucket="website", CreateBucketConfiguration=location)
        yield client
    server.stop()


def keys(bucket: Any) -> list[str]:
    return sorted(each["Key"] for each in bucket.list_objects_v2(Bucket="website")["Contents"])


def test_documents_are_published_counted_and_rolled_back_in_a_bucket(bucket: Any) -> None:
    target = NdjsonTarget(directory="s3://website/json", is_gzip=True)
    for last in (3, 4, 5):
        target.publish("objects", pl.LazyFrame({"id": range(last)}))
    assert target.count("objects") == 5
    found = [key for key in keys(bucket) if key.startswith("json/")]
    assert found[2:] == ["json/objects.index.json", "json/objects.ndjson.gz"]
    assert len(found) == 4
    target.rollback("objects")
    assert target.count("objects") == 4
    index = bucket.get_object(Bucket="website", Key="json/objects.index.json")["Body"].read()
    assert json.loads(index)["documents"] == 4


def test_a_sitemap_is_published_in_a_bucket(bucket: Any) -> None:
    target = SitemapTarget(directory="s3://website/map", base_url="https://example.org")
    for number in (1, 2, 3):
        target.publish("objects", pl.LazyFrame({"loc": [f"https://example.org/{number}"]}))
    assert target.count("objects") == 1
    assert len([key for key in keys(bucket) if key.startswith("map/objects-1-")]) == 2
