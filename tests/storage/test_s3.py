"""Tables in a bucket: a real server that speaks S3, on this machine."""

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from uuid import uuid4

import boto3
import dagster as dg
import duckdb
import pandera.polars as pa
import polars as pl
import pytest
from moto.server import ThreadedMotoServer
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow import Frame, ParquetIOManager, in_buckets
from collectionflow.storage.engines.duckdb import DuckDB, Relation
from collectionflow.storage.versions import StoredTable, find_version, rollback, versions

KEY, SECRET = "AKIDENTIFIES", "hidden/from+everyone"


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


TABLE = pl.DataFrame({"object_id": [1, 2, 3], "title": ["Sitter", "Hat", None]})
BAD = pl.DataFrame({"object_id": [1, 1, 3], "title": ["Sitter", "Hat", None]})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Bucket:
    """A bucket, and the runs that store tables in it."""

    def __init__(self, endpoint: str, name: str, instance: dg.DagsterInstance) -> None:
        self.client_options = {"endpoint_url": endpoint, "region_name": "eu-west-2"}
        self.client = boto3.client(
            "s3", aws_access_key_id=KEY, aws_secret_access_key=SECRET, **self.client_options
        )
        self.name = name
        self.instance = instance
        location = {"LocationConstraint": "eu-west-2"}
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration=location)

    def objects(self) -> list[str]:
        """Return all that is there but the counts of versions."""
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(each["Key"] for each in found if "/measured/" not in each["Key"])

    def stored(self, key: str) -> pl.DataFrame:
        body = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return pl.read_parquet(BytesIO(body))

    def table(self, name: str = "objects") -> StoredTable:
        base = UPath(
            f"s3://{self.name}/live", key=KEY, secret=SECRET, client_kwargs=self.client_options
        )
        return StoredTable(base=base, name=name)

    def run(self, *assets: Any, **options: Any) -> dg.ExecuteInProcessResult:
        storage = ParquetIOManager(
            base_dir=f"s3://{self.name}/live",
            storage_options={
                "key": dg.EnvVar("TABLES_KEY"),
                "secret": dg.EnvVar("TABLES_SECRET"),
                "client_kwargs": {
                    "endpoint_url": dg.EnvVar("TABLES_ENDPOINT"),
                    "region_name": "eu-west-2",
                },
            },
        )
        resources = {"io_manager": storage, "duckdb": DuckDB()}
        return dg.materialize(
            assets, resources=resources, instance=self.instance, raise_on_error=False, **options
        )


@pytest.fixture
def bucket(
    endpoint: str,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> Bucket:
    monkeypatch.setenv("TABLES_KEY", KEY)
    monkeypatch.setenv("TABLES_SECRET", SECRET)
    monkeypatch.setenv("TABLES_ENDPOINT", endpoint)
    return Bucket(endpoint, f"tables-{uuid4().hex}", instance)


def asset_of(table: pl.DataFrame) -> dg.AssetsDefinition:
    @dg.asset
    def objects() -> Frame[Objects]:
        return table.lazy()

    return objects


def reader() -> tuple[dg.AssetsDefinition, list[pl.DataFrame]]:
    received: list[pl.DataFrame] = []

    @dg.asset
    def report(objects: Frame[Objects]) -> None:
        received.append(objects.collect())

    return report, received


def test_a_table_is_written_to_a_bucket_and_read_back(bucket: Bucket) -> None:
    report, received = reader()
    result = bucket.run(asset_of(TABLE), report)
    assert result.success
    assert bucket.objects() == ["live/objects.parquet"]
    assert_frame_equal(bucket.stored("live/objects.parquet"), TABLE)
    assert_frame_equal(received[0], TABLE)
    (event,) = result.asset_materializations_for_node("objects")
    assert event.metadata["dagster/uri"].value == f"s3://{bucket.name}/live/objects.parquet"
    assert event.metadata["dagster/row_count"].value == 3


def test_a_refused_table_leaves_the_published_one_in_the_bucket(bucket: Bucket) -> None:
    bucket.run(asset_of(TABLE))
    result = bucket.run(asset_of(BAD))
    assert not result.success
    (event,) = [each for each in result.all_events if each.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    reason = failure.description
    assert reason is not None
    refused = "live/.collectionflow/refused/objects.parquet"
    assert "'object_id' must be unique: 1 of 3 rows break this" in reason
    assert f"The refused table is kept at 's3://{bucket.name}/{refused}'" in reason
    assert bucket.objects() == [refused, "live/objects.parquet"]
    assert_frame_equal(bucket.stored("live/objects.parquet"), TABLE)
    assert_frame_equal(bucket.stored(refused), BAD)


def test_a_missing_table_says_so(bucket: Bucket) -> None:
    report, _ = reader()
    result = bucket.run(asset_of(TABLE), report, selection=[report])
    (event,) = [each for each in result.all_events if each.is_step_failure]
    expected = f"There is no table at 's3://{bucket.name}/live/objects.parquet'"
    error = event.step_failure_data.error
    assert error is not None
    assert expected in error.to_string()


def numbered(number: int) -> pl.DataFrame:
    return TABLE.with_columns(title=pl.lit(f"Title {number}"))


def test_versions_in_a_bucket_are_kept_pruned_and_rolled_back(bucket: Bucket) -> None:
    for number in range(5):
        assert bucket.run(asset_of(numbered(number))).success
    table = bucket.table()
    names = [version.name for version in versions(table)]
    assert len(names) == 3
    assert len(bucket.objects()) == 3
    rollback(table)
    assert_frame_equal(bucket.stored("live/objects.parquet"), numbered(3))
    assert [version.is_published for version in versions(table)] == [False, True, False]
    rollback(table, find_version(table, names[0]).name)
    assert_frame_equal(bucket.stored("live/objects.parquet"), numbered(4))
    assert [version.name for version in versions(table)] == names


def test_what_another_tool_put_in_the_bucket_is_a_version_too(bucket: Bucket) -> None:
    body = BytesIO()
    numbered(0).write_parquet(body)
    key = "live/objects.parquet"
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=body.getvalue())
    put_at = bucket.client.head_object(Bucket=bucket.name, Key=key)["LastModified"]
    (foreign,) = versions(bucket.table())
    assert foreign.written_at == put_at
    assert bucket.run(asset_of(numbered(1))).success
    assert [version.name for version in versions(bucket.table())][1:] == [foreign.name]
    rollback(bucket.table(), foreign.name)
    assert_frame_equal(bucket.stored("live/objects.parquet"), numbered(0))


STRANGE = ["2020-01", "/absolute", "../up", "a/b", "with space", "50%", "a#b", "what?", "é*[1]+"]


def test_partitions_in_a_bucket_keep_their_keys(bucket: Bucket) -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(STRANGE))
    def loans(context: dg.AssetExecutionContext) -> pl.LazyFrame:
        return pl.LazyFrame({"key": [context.partition_key]})

    received: list[pl.DataFrame] = []

    @dg.asset
    def report(loans: pl.DataFrame) -> None:
        received.append(loans)

    for key in STRANGE:
        assert bucket.run(loans, partition_key=key).success
    assert bucket.run(loans, report, selection=[report]).success
    assert received[0]["key"].to_list() == sorted(STRANGE)
    assert "live/loans/%2E%2E/up.parquet" in bucket.objects()
    assert "live/loans/%2Fabsolute.parquet" in bucket.objects()


def told(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> str:
    """Return everything that Dagster keeps of a run."""
    run = instance.get_run_by_id(result.run_id)
    return str(run) + "".join(map(str, instance.all_logs(result.run_id)))


@pytest.mark.parametrize("table", [TABLE, BAD])
def test_secrets_appear_in_no_message_and_no_metadata(
    bucket: Bucket, table: pl.DataFrame, capfd: pytest.CaptureFixture[str]
) -> None:
    report, _ = reader()
    result = bucket.run(asset_of(table), report)
    everything = told(result, bucket.instance) + "".join(capfd.readouterr())
    assert "objects.parquet" in everything
    assert SECRET not in everything
    assert KEY not in everything


def test_secrets_appear_in_no_error_of_a_store_that_refuses(
    bucket: Bucket, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TABLES_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = bucket.run(asset_of(TABLE))
    assert not result.success
    everything = told(result, bucket.instance) + "".join(capfd.readouterr())
    assert "127.0.0.1:9" in everything
    assert SECRET not in everything
    assert KEY not in everything


def test_a_run_leaves_nothing_on_this_machine(
    bucket: Bucket, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(here))
    bucket.run(asset_of(TABLE))
    bucket.run(asset_of(BAD))
    assert list(here.rglob("*.parquet")) == []


def test_a_stage_in_sql_reads_and_writes_in_a_bucket(bucket: Bucket) -> None:
    @dg.asset
    def selected(objects: Relation[Objects]) -> Relation[Objects]:
        return duckdb.sql("SELECT * FROM objects ORDER BY object_id")  # ty: ignore[invalid-explicit-return]

    assert bucket.run(asset_of(TABLE), selected).success
    assert_frame_equal(bucket.stored("live/selected.parquet"), TABLE)


def test_key_buckets_are_one_object(bucket: Bucket) -> None:
    @dg.asset
    def selected(objects: Frame[Objects]) -> Frame[Objects]:
        return in_buckets(key="object_id", rows=1)(lambda frame: frame)(objects)

    assert bucket.run(asset_of(TABLE), selected).success
    assert bucket.objects() == ["live/objects.parquet", "live/selected.parquet"]
    assert_frame_equal(bucket.stored("live/selected.parquet"), TABLE)
