"""Spark as the engine of a stage, on a cluster: what storage promises for Polars holds for it."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandera.polars as pa
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

pytest.importorskip("pyspark", reason="Spark's client is installed by the group 'spark'.")

from pyspark.sql import functions as f
from servers import spark
from servers._process import MissingServerError

from collectionflow import CollectionflowError, Frame, Refused, StopRun
from collectionflow.contract import contract_of
from collectionflow.storage import _files
from collectionflow.storage.engines._engine import NESTED_ROW_GROUP_ROWS
from collectionflow.storage.engines.duckdb import DuckDB, Relation
from collectionflow.storage.engines.spark import SparkCluster, SparkFrame
from collectionflow.storage.publication import publish_frame
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import StoredTable, rollback, versions


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


class Titles(pa.DataFrameModel):
    title: str = pa.Field(nullable=True)
    note: str | None = pa.Field(nullable=True)


TABLE = pl.DataFrame({"object_id": [1, 2, 3], "title": ["Sitter", "Hat", None]})


@pytest.fixture(scope="module")
def cluster(spark_remote: str) -> Iterator[SparkCluster]:
    with dg.build_resources({"spark": SparkCluster(remote=spark_remote)}) as resources:
        yield resources.spark


@pytest.fixture
def engines(spark_remote: str) -> dict[str, Any]:
    return {"spark": SparkCluster(remote=spark_remote), "duckdb": DuckDB()}


@pytest.fixture
def table(tmp_path: Path) -> StoredTable:
    return StoredTable(base=UPath(tmp_path), name="objects")


@dg.asset
def objects() -> Frame[Objects]:
    return TABLE.lazy()


def in_spark(change: Callable[[Any], Any]) -> dg.AssetsDefinition:
    @dg.asset
    def selected(objects: SparkFrame[Objects]) -> SparkFrame[Objects]:
        return change(objects)

    return selected


def test_each_engine_reads_what_the_others_wrote(
    run: Callable[..., Any], engines: dict[str, Any]
) -> None:
    @dg.asset
    def in_sql(selected: Relation[Objects]) -> Relation[Objects]:
        return duckdb.sql("SELECT * FROM selected ORDER BY object_id")  # ty: ignore[invalid-explicit-return]

    @dg.asset
    def again(in_sql: SparkFrame[Objects]) -> SparkFrame[Objects]:
        return in_sql.orderBy("object_id")

    @dg.asset
    def last(again: Frame[Objects], selected: Frame[Objects]) -> Frame[Objects]:
        return again.join(selected, on=["object_id", "title"], nulls_equal=True)

    plus_ten = in_spark(lambda frame: frame.withColumn("object_id", frame.object_id + 10))
    result = run(objects, plus_ten, in_sql, again, last, resources=engines)
    assert result.is_success
    expected = TABLE.with_columns(pl.col("object_id") + 10)
    assert_frame_equal(result.stored("last").sort("object_id"), expected)
    assert result.metadata("selected")["dagster/row_count"] == 3
    assert result.metadata("selected")["dagster/size_bytes"] > 0
    assert (result.folder / "selected.parquet").is_symlink()
    assert result.leftovers() == []


def test_what_breaks_the_contract_is_refused_with_its_rows(
    run: Callable[..., Any], engines: dict[str, Any]
) -> None:
    run(objects, in_spark(lambda frame: frame), resources=engines)
    bad = in_spark(lambda frame: frame.withColumn("object_id", f.lit(1).cast("bigint")))
    result = run(objects, bad, resources=engines)
    assert "'selected' breaks its contract Objects. The last good version" in result.reason()
    assert "| 1         |" in result.failure().metadata["'object_id' must be unique"].value
    published = UPath(result.folder / "selected.parquet")
    assert_frame_equal(_files.scan(published).collect(), TABLE)
    refused = UPath(result.folder / ".collectionflow" / "refused" / "selected.parquet")
    assert _files.scan(refused).collect().height == 3
    assert result.leftovers() == []


def publish(frame: Any, table: StoredTable, cluster: SparkCluster, schema: Any = None) -> None:
    contract = contract_of(schema) if schema else None
    publish_frame(frame, table, Terms(contract=contract, engine=cluster))


def stored(table: StoredTable) -> pl.DataFrame:
    return _files.scan(table.path).collect()


def test_a_wrong_type_is_refused_before_it_is_computed(
    table: StoredTable, cluster: SparkCluster
) -> None:
    frame = cluster.session.sql("SELECT 1 AS object_id, raise_error('computed') AS title")
    with pytest.raises(Refused, match=r"Column 'object_id' is Int32, expected Int64\."):
        publish(frame.withColumn("title", f.col("title").cast("string")), table, cluster, Objects)


def test_a_type_that_no_other_engine_has_is_refused(
    table: StoredTable, cluster: SparkCluster
) -> None:
    frame = cluster.session.sql("SELECT INTERVAL '3' DAY AS object_id, 'Hat' AS title")
    with pytest.raises(Refused, match=r"Column 'object_id' is Unknown, expected Int64\."):
        publish(frame, table, cluster, Objects)


def test_rows_are_in_the_order_of_the_frame_over_all_parts(
    table: StoredTable, cluster: SparkCluster
) -> None:
    frame = cluster.session.range(5_000).repartition(4).orderBy("id")
    cluster.session.conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    publish(frame, table, cluster)
    cluster.session.conf.unset("spark.sql.adaptive.coalescePartitions.enabled")
    assert len(_files.files(table.path)) > 1
    assert stored(table)["id"].to_list() == list(range(5_000))


def test_files_are_as_those_of_polars(table: StoredTable, cluster: SparkCluster) -> None:
    rows = NESTED_ROW_GROUP_ROWS + 1
    publish(cluster.session.range(rows).selectExpr("array(id) AS ids").coalesce(1), table, cluster)
    (part,) = _files.files(table.path)
    file = pq.ParquetFile(part.path).metadata
    assert file.row_group(0).num_rows == NESTED_ROW_GROUP_ROWS
    assert file.row_group(0).column(0).compression == "ZSTD"
    assert file.row_group(0).column(0).statistics.min == 0


def test_versions_are_kept_and_rolled_back(table: StoredTable, cluster: SparkCluster) -> None:
    for number in (1, 2, 3):
        publish(cluster.session.range(number, number + 1), table, cluster)
    assert len(versions(table)) == 3
    rollback(table)
    assert stored(table).item() == 2


class Cast(pa.DataFrameModel):
    object_id: int
    year: pl.Int16 = pa.Field(nullable=True)

    class Config:
        coerce = True


def test_casts_are_as_strict_as_those_of_polars(table: StoredTable, cluster: SparkCluster) -> None:
    rows = "SELECT 1L AS object_id, explode(array({})) AS year"
    publish(cluster.session.sql(rows.format("'1984', ' '")), table, cluster, Cast)
    assert stored(table).rows() == [(1, 1984), (1, None)]
    with pytest.raises(Refused, match=r"(?s)'year' must be Int16: 1 of 2 rows.*99999"):
        publish(cluster.session.sql(rows.format("'1984', '99999'")), table, cluster, Cast)


EVERY_TYPE = pl.DataFrame(
    {
        "flag": [True, None],
        "small": pl.Series([1, -2], dtype=pl.Int16),
        "year": pl.Series([1984, None], dtype=pl.Int32),
        "price": pl.Series([Decimal("1.50"), None], dtype=pl.Decimal(10, 2)),
        "height": [1.5, None],
        "day": [date(1066, 10, 14), None],
        "at": [datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), None],
        "naive": [datetime(1500, 1, 2, 3, 4, 5), None],
        "raw": [b"\x00\xff", None],
        "terms": [["a", None], []],
        "person": [{"id": 1, "names": ["Ida"]}, {"id": None, "names": None}],
        "people": [[{"id": 1, "name": "Zoë"}], None],
    }
)


def test_every_type_goes_to_spark_and_back(table: StoredTable, cluster: SparkCluster) -> None:
    publish_frame(EVERY_TYPE.lazy(), table, Terms())
    copied = StoredTable(base=table.base, name="copied")
    publish(cluster.scan([table.path], None), copied, cluster)
    found = stored(copied)
    assert_frame_equal(found, EVERY_TYPE)
    assert cluster.describe(cluster.scan([table.path], None)) == EVERY_TYPE.schema


def test_an_input_has_exactly_the_columns_of_its_contract(
    table: StoredTable, cluster: SparkCluster
) -> None:
    publish_frame(pl.LazyFrame({"a `b`": [1], "b.c": [2], "d": [3]}), table, Terms())
    assert cluster.scan([table.path], ["b.c", "a `b`"]).collect() == [(2, 1)]


def test_tables_that_lack_an_optional_column_have_no_value_there(
    table: StoredTable, cluster: SparkCluster
) -> None:
    other = StoredTable(base=table.base, name="other")
    publish_frame(pl.LazyFrame({"title": ["Hat"]}), table, Terms())
    publish_frame(pl.LazyFrame({"title": ["Dog"], "note": ["a"]}), other, Terms())
    found = cluster.scan([table.path, other.path], ["title", "note"]).collect()
    assert sorted(tuple(row) for row in found) == [("Dog", "a"), ("Hat", None)]


def test_an_object_store_is_no_shared_file_system(cluster: SparkCluster) -> None:
    expected = "'memory://tables/objects.parquet' lies in an object store. Spark's workers read"
    with pytest.raises(StopRun, match=expected):
        cluster.scan([UPath("memory://tables/objects.parquet")], None)


def test_where_no_cluster_answers_it_is_said_at_once_and_no_token_is_shown() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        host, port = silent.getsockname()
        engine = SparkCluster(remote=f"sc://{host}:{port}/;token=hidden")
        with pytest.raises(
            CollectionflowError, match=f"No Spark Connect .* '{host}:{port}'"
        ) as error:
            _ = engine.session
    assert "hidden" not in str(error.value)


def test_a_local_cluster_is_not_to_be_had_with_the_client_alone() -> None:
    with pytest.raises(
        CollectionflowError, match=r"Put the package pyspark\[connect\] in the place"
    ):
        _ = SparkCluster(remote="local[2]").session


def test_a_local_cluster_starts_where_all_of_spark_is_installed() -> None:
    try:
        environment = {"PYTHONPATH": str(spark.installed()), "JAVA_HOME": str(spark.java_home())}
    except MissingServerError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))
    code = """
from collectionflow.storage.engines.spark import SparkCluster
for _ in range(2):
    cluster = SparkCluster(remote="local[1]")
    print(cluster.session.range(3).count())
    cluster.teardown_after_execution(None)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert result.stdout.split() == ["3", "3"], result.stderr


def test_a_run_that_uses_no_frame_of_spark_asks_for_no_cluster() -> None:
    with dg.build_resources({"spark": SparkCluster(remote="sc://nowhere.invalid")}) as resources:
        assert resources.spark.remote == "sc://nowhere.invalid"


def test_without_spark_the_extra_and_its_command_are_named() -> None:
    assert import_without("pyspark", "spark") == (
        "`SparkFrame` needs Spark's client. Install it with `uv add 'collectionflow[spark]'`, or "
        "`pip install 'collectionflow[spark]'`."
    )


def import_without(product: str, engine: str) -> str:
    """Return what the import of an engine says in an environment that has not its product."""
    code = f"import sys; sys.modules[{product!r}] = None; import collectionflow.storage.engines.{engine}"
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    return result.stderr.strip().splitlines()[-1].partition(": ")[2]


EXAMPLE = Path(__file__).parents[3] / "examples" / "portrait_gallery"


def test_the_examples_enrich_and_reshape_stages_run_on_the_cluster(spark_remote: str) -> None:
    tests = [str(EXAMPLE / "tests" / "test_engines.py"), "-k", "cluster", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *tests],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PORTRAIT_GALLERY_SPARK": spark_remote},
        cwd=EXAMPLE,
    )
    expected = 2 if "NPG_EXPORT" in os.environ else 1
    assert f"{expected} passed" in result.stdout, result.stdout
