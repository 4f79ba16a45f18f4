"""DuckDB as the engine of a stage: what storage promises for Polars holds for it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import dagster as dg
import duckdb
import pandera.polars as pa
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow import Frame, Refused
from collectionflow.contract import contract_of
from collectionflow.storage import _files
from collectionflow.storage.engines._engine import NESTED_ROW_GROUP_ROWS, ROW_GROUP_ROWS
from collectionflow.storage.engines.duckdb import DuckDB, Relation
from collectionflow.storage.publication import Publication, publish_frame
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import VERSION_KEY, StoredTable, rollback, versions


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


class Titles(pa.DataFrameModel):
    title: str = pa.Field(nullable=True)
    note: str | None = pa.Field(nullable=True)


TABLE = pl.DataFrame({"object_id": [1, 2, 3], "title": ["Sitter", "Hat", None]})
ENGINE = {"duckdb": DuckDB()}
SAME = "SELECT * FROM objects ORDER BY object_id"


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    yield
    duckdb.execute("RESET memory_limit").fetchall()
    duckdb.execute("RESET threads").fetchall()


@dg.asset
def objects() -> Frame[Objects]:
    return TABLE.lazy()


def in_sql(sql: str) -> dg.AssetsDefinition:
    @dg.asset
    def selected(objects: Relation[Objects]) -> Relation[Objects]:
        return duckdb.sql(sql)  # ty: ignore[invalid-explicit-return]

    return selected


def test_a_stage_in_sql_reads_and_writes_what_polars_does(run: Callable[..., Any]) -> None:
    @dg.asset
    def again(selected: Frame[Objects]) -> Frame[Objects]:
        return selected

    sql = "SELECT object_id + 10 AS object_id, title FROM objects ORDER BY 1"
    result = run(objects, in_sql(sql), again, resources=ENGINE)
    assert result.is_success
    assert_frame_equal(result.stored("again"), TABLE.with_columns(pl.col("object_id") + 10))
    metadata = result.metadata("selected")
    assert metadata["dagster/row_count"] == 3
    assert metadata["contract"] == "Objects"
    assert metadata["dagster/size_bytes"] > 0
    assert result.leftovers() == []


def test_what_breaks_the_contract_is_refused_with_its_rows(run: Callable[..., Any]) -> None:
    run(objects, in_sql(SAME), resources=ENGINE)
    result = run(
        objects, in_sql("SELECT 1::BIGINT AS object_id, title FROM objects"), resources=ENGINE
    )
    assert "'selected' breaks its contract Objects. The last good version" in result.reason()
    assert "| 1   | 1         |" in result.failure().metadata["'object_id' must be unique"].value
    assert_frame_equal(result.stored("selected"), TABLE)
    assert result.stored(".collectionflow/refused/selected").height == 3
    assert result.leftovers() == []


def test_a_great_loss_is_refused(run: Callable[..., Any]) -> None:
    run(objects, in_sql(SAME), resources=ENGINE)
    result = run(objects, in_sql(f"{SAME} LIMIT 1"), resources=ENGINE)
    assert "lost too much since the published version" in result.reason()
    assert_frame_equal(result.stored("selected"), TABLE)


def test_an_error_in_the_sql_leaves_what_is_published(run: Callable[..., Any]) -> None:
    run(objects, in_sql(SAME), resources=ENGINE)
    sql = "SELECT object_id, error('no such thing') AS title FROM objects"
    assert not run(objects, in_sql(sql), resources=ENGINE).is_success
    result = run(objects, resources=ENGINE)
    assert_frame_equal(result.stored("selected"), TABLE)
    assert result.leftovers() == []


def test_a_type_that_parquet_would_hold_otherwise_is_refused_before_it_is_computed(
    run: Callable[..., Any],
) -> None:
    sql = "SELECT sum(object_id) AS object_id, error('computed') AS title FROM objects"
    result = run(objects, in_sql(sql), resources=ENGINE)
    assert "Column 'object_id' is Float64, expected Int64." in result.reason()


def test_a_project_without_the_engine_is_told_so_before_it_runs() -> None:
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"'duckdb' required by type 'Rel"):
        dg.Definitions([objects, in_sql(SAME)]).resolve_implicit_global_asset_job_def()


def test_another_resource_under_the_engines_key_is_no_engine(run: Callable[..., Any]) -> None:
    result = run(objects, in_sql(SAME), resources={"duckdb": 1})
    assert "no resource 'duckdb' is at hand" in error_of(result)


def test_another_value_than_a_relation_is_refused(run: Callable[..., Any]) -> None:
    @dg.asset
    def selected(objects: Relation[Objects]) -> Relation[Objects]:
        return objects.fetchall()  # ty: ignore[invalid-explicit-return]

    result = run(objects, selected, resources=ENGINE)
    assert "Expected Relation[Objects], found a value of type 'list'." in error_of(result)


def error_of(result: Any) -> str:
    (event,) = [each for each in result.result.all_events if each.is_step_failure]
    return event.step_failure_data.error.to_string()


def received(run: Callable[..., Any], annotation: Any, **options: Any) -> Any:
    """Return what an asset gets that takes `objects`, which is stored, by this annotation."""
    found: list[Any] = []

    def reading(objects: Any) -> None:
        found.append(objects)

    reading.__annotations__ = {"objects": annotation, "return": None}
    asset = dg.asset(required_resource_keys={"duckdb"}, **options)(reading)
    assert run(objects, asset, selection=[asset], resources=ENGINE).is_success
    return found[0]


def test_an_input_has_exactly_the_columns_of_its_contract(run: Callable[..., Any]) -> None:
    run(objects)
    relation = received(run, Relation[Titles])
    assert relation.columns == ["title"]
    assert relation.fetchall() == [("Sitter",), ("Hat",), (None,)]
    assert received(run, Relation).columns == ["object_id", "title"]


def test_an_optional_input_is_a_relation_or_none(run: Callable[..., Any]) -> None:
    assert received(run, Optional[Relation[Objects]]) is None
    run(objects)
    assert received(run, Optional[Relation[Objects]]).columns == ["object_id", "title"]


MONTHS = dg.StaticPartitionsDefinition(["2020-01", "2020-02"])


@dg.asset(partitions_def=MONTHS)
def loans(context: dg.AssetExecutionContext) -> Frame[Titles]:
    note = {"note": ["a"]} if context.partition_key == "2020-02" else {}
    return pl.LazyFrame({"title": [context.partition_key]} | note)


def read_loans(run: Callable[..., Any], annotation: Any, ins: Any = None) -> Any:
    found: list[Any] = []

    def reading(loans: Any) -> None:
        found.append(loans)

    reading.__annotations__ = {"loans": annotation, "return": None}
    asset = dg.asset(required_resource_keys={"duckdb"}, ins=ins)(reading)
    result = run(loans, asset, selection=[asset], resources=ENGINE)
    return found[0] if result.is_success else error_of(result)


def test_all_partitions_are_one_relation_or_a_dict_of_them(run: Callable[..., Any]) -> None:
    for month in MONTHS.get_partition_keys():
        run(loans, partition=month)
    whole = read_loans(run, Relation[Titles])
    assert whole.fetchall() == [("2020-01", None), ("2020-02", "a")]
    by_month = read_loans(run, dict[str, Relation[Titles]])
    assert list(by_month) == ["2020-01", "2020-02"]
    assert by_month["2020-01"].fetchall() == [("2020-01",)]


def test_without_any_partition_there_is_no_relation(run: Callable[..., Any]) -> None:
    ins = {"loans": dg.AssetIn(metadata={"allow_missing_partitions": True})}
    assert "Expected Relation[Titles], found" in read_loans(run, Relation[Titles], ins)


@pytest.fixture
def table(tmp_path: Path) -> StoredTable:
    return StoredTable(base=UPath(tmp_path), name="objects")


def publish(sql: str, table: StoredTable, schema: Any = None, **terms: Any) -> Publication:
    contract = contract_of(schema) if schema else None
    agreed = Terms(contract=contract, engine=DuckDB(), **terms)
    return publish_frame(duckdb.sql(sql), table, agreed)


def stored(table: StoredTable) -> pl.DataFrame:
    return _files.scan(table.path).collect()


def test_files_are_as_those_of_polars(table: StoredTable) -> None:
    rows = ROW_GROUP_ROWS + 1
    publication = publish(f"SELECT i AS id FROM range({rows}) t(i) ORDER BY i", table)
    file = pq.ParquetFile(table.path.path)
    assert file.metadata.num_row_groups == 2
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.metadata.row_group(0).column(0).statistics.min == 0
    assert file.metadata.metadata[VERSION_KEY.encode()].decode() == publication.version
    assert stored(table)["id"].is_sorted()


def test_nested_rows_lie_in_smaller_groups(table: StoredTable) -> None:
    publish(f"SELECT [i] AS ids FROM range({2 * NESTED_ROW_GROUP_ROWS}) t(i)", table)
    groups = pq.ParquetFile(table.path.path).metadata.num_row_groups
    assert groups == 2
    assert stored(table).schema == {"ids": pl.List(pl.Int64)}


def test_versions_are_kept_and_rolled_back(table: StoredTable) -> None:
    for number in (1, 2, 3):
        publish(f"SELECT {number}::BIGINT AS id", table)
    assert len(versions(table)) == 3
    rollback(table)
    assert stored(table).item() == 2


class Cast(pa.DataFrameModel):
    object_id: int
    year: pl.Int16 = pa.Field(nullable=True)

    class Config:
        coerce = True


def test_casts_are_as_strict_as_those_of_polars(table: StoredTable) -> None:
    publish("SELECT 1::BIGINT AS object_id, unnest(['1984', ' ']) AS year", table, Cast)
    assert_frame_equal(
        stored(table),
        pl.DataFrame(
            {"object_id": [1, 1], "year": [1984, None]}, schema_overrides={"year": pl.Int16}
        ),
    )
    with pytest.raises(Refused, match=r"(?s)'year' must be Int16: 1 of 2 rows.*99999"):
        publish("SELECT 1::BIGINT AS object_id, unnest(['1984', '99999']) AS year", table, Cast)
    assert list(Path(table.base.path, ".collectionflow", "partial").iterdir()) == []


def test_unexpected_columns_are_dropped_where_the_contract_says_so(table: StoredTable) -> None:
    class Filtered(Titles):
        class Config:
            strict = "filter"

    publish("SELECT 1 AS id, 'Hat' AS title", table, Filtered)
    assert stored(table).columns == ["title"]


def test_names_and_values_with_quotes_are_taken_literally(tmp_path: Path) -> None:
    table = StoredTable(base=UPath(tmp_path / "o'clock [1]"), name="objects*")
    publish('SELECT 1::BIGINT AS "a ""b"" \'c\'"', table)
    assert stored(table).columns == ["a \"b\" 'c'"]
    relation = DuckDB().scan([table.path], ["a \"b\" 'c'"])
    assert relation.fetchall() == [(1,)]


def set_up(**options: Any) -> dict[str, str]:
    with dg.build_resources({"duckdb": DuckDB(**options)}):
        rows = duckdb.execute("SELECT name, value FROM duckdb_settings()").fetchall()
    return dict(rows)


def test_memory_threads_and_spilling_are_as_configured(tmp_path: Path) -> None:
    settings = set_up(memory_limit="1GiB", threads=1, temp_directory=str(tmp_path))
    assert (settings["memory_limit"], settings["threads"]) == ("1.0 GiB", "1")
    assert settings["temp_directory"].startswith(f"{tmp_path}/duckdb-")
    assert settings["preserve_insertion_order"] == "true"
    assert settings["TimeZone"] == "UTC"


def test_setting_up_twice_changes_nothing(tmp_path: Path) -> None:
    assert set_up(temp_directory=str(tmp_path)) == set_up(temp_directory=str(tmp_path))


def test_without_duckdb_the_extra_and_its_command_are_named() -> None:
    code = "import sys; sys.modules['duckdb'] = None; import collectionflow.storage.engines.duckdb"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.stderr.strip().splitlines()[-1].partition(": ")[2] == (
        "`Relation` needs DuckDB. Install it with `uv add 'collectionflow[duckdb]'`, or "
        "`pip install 'collectionflow[duckdb]'`."
    )


def test_the_library_itself_needs_no_engines_product() -> None:
    code = (
        "import sys; import collectionflow, collectionflow.storage.parquet; "
        "print(sorted({'duckdb', 'pyspark'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stdout == "[]\n"
