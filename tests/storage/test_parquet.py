from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pydantic
import pytest
from dagster_polars import PolarsParquetIOManager
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow import CollectionflowError, Frame, ParquetIOManager, drop_guard
from collectionflow.storage.versions import StoredTable, rollback, versions


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


TABLE = pl.DataFrame({"object_id": [1, 2, 3], "title": ["Sitter", "Hat", None]})
BAD = pl.DataFrame({"object_id": [1, 1, 3], "title": ["Sitter", "Hat", None]})


def asset_of(table: pl.DataFrame, name: str = "objects", **options: Any) -> dg.AssetsDefinition:
    @dg.asset(name=name, **options)
    def made() -> Frame[Objects]:
        return table.lazy()

    return made


def files(folder: Path) -> list[str]:
    """Return the published files below a folder."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != ".collectionflow")


def test_an_asset_lies_at_its_key(run: Callable[..., Any]) -> None:
    assert run(asset_of(TABLE), asset_of(TABLE, key_prefix=["museum", "clean"])).is_success
    result = run(asset_of(TABLE, "v1.2_objects".replace(".", "_")))
    assert files(result.folder) == [
        "museum/clean/objects.parquet",
        "objects.parquet",
        "v1_2_objects.parquet",
    ]
    assert_frame_equal(result.stored("museum/clean/objects"), TABLE)
    assert result.leftovers() == []


def test_a_refused_table_leaves_the_published_one(run: Callable[..., Any]) -> None:
    run(asset_of(TABLE))
    result = run(asset_of(BAD))
    assert not result.is_success
    assert "'objects' breaks its contract Objects. The last good version stays" in result.reason()
    assert_frame_equal(result.stored("objects"), TABLE)
    assert_frame_equal(result.stored(".collectionflow/refused/objects"), BAD)
    assert result.leftovers() == []


def test_a_refusal_shows_rows_and_where_the_table_is_kept(run: Callable[..., Any]) -> None:
    failure = run(asset_of(BAD)).failure()
    rows = failure.metadata["'object_id' must be unique"].value
    assert (
        rows == "| row | object_id |\n|-----|-----------|\n| 1   | 1         |\n| 2   | 1         |"
    )
    assert failure.metadata["refused table"].value.endswith("/refused/objects.parquet")


def test_nothing_downstream_runs_after_a_refusal(run: Callable[..., Any]) -> None:
    @dg.asset
    def documents(objects: Frame[Objects]) -> pl.LazyFrame:
        return objects

    result = run(asset_of(BAD), documents)
    assert not result.is_success
    assert files(result.folder) == []


def test_a_great_loss_is_refused_and_a_run_tag_lets_it_pass_once(run: Callable[..., Any]) -> None:
    run(asset_of(TABLE))
    small = asset_of(TABLE.head(1))
    result = run(small)
    assert "lost too much since the published version" in result.reason()
    assert_frame_equal(result.stored("objects"), TABLE)
    assert not run(small, tags={"collectionflow/allow_drop": "other"}).is_success
    result = run(small, tags={"collectionflow/allow_drop": "objects"})
    assert result.is_success
    assert_frame_equal(result.stored("objects"), TABLE.head(1))


def test_the_key_with_its_prefix_names_an_asset_in_the_run_tag(run: Callable[..., Any]) -> None:
    run(asset_of(TABLE, key_prefix="clean"))
    small = asset_of(TABLE.head(1), key_prefix="clean")
    assert not run(small, tags={"collectionflow/allow_drop": "objects"}).is_success
    assert run(small, tags={"collectionflow/allow_drop": "clean/objects"}).is_success


def test_an_asset_sets_its_own_thresholds(run: Callable[..., Any]) -> None:
    bold = drop_guard(warn=0.8, stop=0.9)
    run(asset_of(TABLE, metadata=bold))
    result = run(asset_of(TABLE.head(1), metadata=bold))
    assert result.is_success
    assert "warnings" not in result.metadata("objects")
    strict = drop_guard(warn=0.01, stop=0.02, allow_empty=True)
    run(asset_of(TABLE.fill_null("Dog"), metadata=strict))
    assert "Rows fell from 3 to 2" in run(asset_of(TABLE.head(2), metadata=strict)).reason()


def test_an_asset_that_may_be_empty_says_so(run: Callable[..., Any]) -> None:
    assert "'objects' is empty" in run(asset_of(TABLE.clear())).reason()
    may_be_empty = drop_guard(allow_empty=True)
    result = run(asset_of(TABLE.clear(), metadata=may_be_empty))
    assert result.is_success
    assert_frame_equal(result.stored("objects"), TABLE.clear())


def test_versions_are_kept_and_rolled_back(run: Callable[..., Any]) -> None:
    for number in range(4):
        result = run(asset_of(TABLE.with_columns(title=pl.lit(f"Title {number}"))), versions_kept=2)
    table = StoredTable(base=UPath(result.folder), name="objects")
    assert len(versions(table)) == 2
    assert versions(table)[0].name == result.metadata("objects")["version"]
    rollback(table)
    assert result.stored("objects")["title"].to_list() == ["Title 2"] * 3


def test_at_least_the_published_version_is_kept() -> None:
    with pytest.raises(pydantic.ValidationError, match="greater than or equal to 1"):
        ParquetIOManager(versions_kept=0)


def test_what_is_no_frame_is_refused(run: Callable[..., Any]) -> None:
    @dg.asset
    def objects() -> Any:
        return {"object_id": [1]}

    assert run(objects).reason() == (
        "'objects' returned a value of type 'dict'. Expected a Polars LazyFrame or DataFrame: "
        "return one, or give the asset another IO manager."
    )


def test_an_asset_that_returns_nothing_stores_nothing_and_says_so(run: Callable[..., Any]) -> None:
    run(asset_of(TABLE))

    @dg.asset
    def objects() -> Frame[Objects] | None:
        return None

    result = run(objects)
    assert result.is_success
    assert_frame_equal(result.stored("objects"), TABLE)
    assert result.metadata("objects") == {
        "warnings": "- The asset returned nothing, so nothing was stored."
    }


def test_an_asset_annotated_with_none_never_meets_storage(run: Callable[..., Any]) -> None:
    @dg.asset
    def objects() -> None:
        return None

    result = run(objects)
    assert result.is_success
    assert not result.folder.exists()


def test_a_folder_called_like_a_hive_partition_adds_no_column(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    received = []

    @dg.asset
    def copy(objects: pl.DataFrame) -> None:
        received.append(objects)

    storage = ParquetIOManager(base_dir=str(tmp_path / "env=prod" / "year=2020"))
    dg.materialize([asset_of(TABLE), copy], resources={"io_manager": storage}, instance=instance)
    assert_frame_equal(received[0], TABLE)


def test_without_a_folder_tables_lie_in_dagsters_own(instance: dg.DagsterInstance) -> None:
    resources = {"io_manager": ParquetIOManager()}
    dg.materialize([asset_of(TABLE, "homeless")], resources=resources, instance=instance)
    stored = Path(instance.storage_directory()) / "homeless.parquet"
    assert_frame_equal(pl.read_parquet(stored), TABLE)


def test_a_relative_folder_lies_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, base in enumerate((".", "data", "data/./deep/")):
        asset = asset_of(TABLE, f"objects{number}", key_prefix="clean")
        storage = ParquetIOManager(base_dir=base)
        dg.materialize([asset], resources={"io_manager": storage}, instance=instance)
    assert [path for path in files(tmp_path) if ".collectionflow" not in path] == [
        "clean/objects0.parquet",
        "data/clean/objects1.parquet",
        "data/deep/clean/objects2.parquet",
    ]


def test_a_storage_option_whose_variable_is_not_set_is_refused(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    monkeypatch.delenv("TABLES_KEY", raising=False)
    storage = ParquetIOManager(
        base_dir="s3://tables", storage_options={"key": dg.EnvVar("TABLES_KEY")}
    )
    with pytest.raises(dg.DagsterResourceFunctionError) as raised:
        dg.materialize([asset_of(TABLE)], resources={"io_manager": storage}, instance=instance)
    assert isinstance(raised.value.user_exception, CollectionflowError)
    assert str(raised.value.user_exception) == (
        "Storage option 'key' is in the environment variable 'TABLES_KEY', which is not set. Set "
        "it, or leave the option out."
    )


def partitioned(partitions: Any) -> dg.AssetsDefinition:
    @dg.asset(partitions_def=partitions)
    def loans(context: dg.AssetExecutionContext) -> pl.LazyFrame:
        return pl.LazyFrame({"key": [context.partition_key]})

    return loans


def reader_of_loans(**options: Any) -> tuple[dg.AssetsDefinition, list[pl.DataFrame]]:
    received: list[pl.DataFrame] = []

    @dg.asset(**options)
    def report(loans: pl.DataFrame) -> None:
        received.append(loans)

    return report, received


STRANGE = ["/absolute", "../up", "a/../b", "a/b", "with space", "50%", "a#b", "what?", "é*[1]"]


def test_a_partition_stays_in_the_assets_folder_whatever_its_key(run: Callable[..., Any]) -> None:
    loans = partitioned(dg.StaticPartitionsDefinition(STRANGE))
    for key in STRANGE:
        result = run(loans, partition=key)
        assert result.is_success
    assert files(result.folder) == sorted(
        f"loans/{name}.parquet"
        for name in (
            "%2Fabsolute",
            "%2E%2E/up",
            "a/%2E%2E/b",
            "a/b",
            "with space",
            "50%",
            "a#b",
            "what?",
            "é*[1]",
        )
    )
    report, received = reader_of_loans()
    assert run(loans, report, selection=[report]).is_success
    assert received[0]["key"].to_list() == sorted(STRANGE)


def test_a_partition_has_versions_a_refusal_and_a_guard_of_its_own(
    run: Callable[..., Any],
) -> None:
    rows = {"2020": TABLE, "2021": TABLE.head(2)}

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2020", "2021"]))
    def loans(context: dg.AssetExecutionContext) -> Frame[Objects]:
        return rows[context.partition_key].lazy()

    for year in rows:
        assert run(loans, partition=year).is_success
    rows["2020"] = BAD
    result = run(loans, partition="2020")
    assert "'loans/2020' breaks its contract Objects. The last good version" in result.reason()
    assert_frame_equal(result.stored("loans/2020"), TABLE)
    assert_frame_equal(result.stored(".collectionflow/refused/loans/2020"), BAD)
    rows["2021"] = TABLE.head(1)
    assert "Rows fell from 2 to 1" in run(loans, partition="2021").reason()
    assert run(loans, partition="2021", tags={"collectionflow/allow_drop": "loans"}).is_success
    assert len(versions(StoredTable(base=UPath(result.folder), name="loans/2021"))) == 2


def test_the_rows_of_a_partition_are_told_as_such(run: Callable[..., Any]) -> None:
    loans = partitioned(dg.StaticPartitionsDefinition(["2020"]))
    metadata = run(loans, partition="2020").metadata("loans")
    assert metadata["dagster/partition_row_count"] == 1
    assert "dagster/row_count" not in metadata


DAYS = dg.DailyPartitionsDefinition("2020-01-01", end_date="2020-01-15")
WEEKS = dg.WeeklyPartitionsDefinition("2020-01-05", end_date="2020-01-12")


def test_a_week_reads_its_days_in_order(run: Callable[..., Any]) -> None:
    loans = partitioned(DAYS)
    for day in range(12, 4, -1):
        assert run(loans, partition=f"2020-01-{day:02}").is_success
    report, received = reader_of_loans(partitions_def=WEEKS)
    assert run(loans, report, selection=[report], partition="2020-01-05").is_success
    assert received[0]["key"].to_list() == [f"2020-01-{day:02}" for day in range(5, 12)]


def test_the_dimensions_of_a_partition_are_folders(run: Callable[..., Any]) -> None:
    dimensions = dg.MultiPartitionsDefinition(
        {
            "year": dg.StaticPartitionsDefinition(["2020", "2021"]),
            "department": dg.StaticPartitionsDefinition(["prints", "paintings"]),
        }
    )
    loans = partitioned(dimensions)
    for key in dimensions.get_partition_keys():
        result = run(loans, partition=key)
        assert result.is_success
    assert files(result.folder) == [
        "loans/paintings/2020.parquet",
        "loans/paintings/2021.parquet",
        "loans/prints/2020.parquet",
        "loans/prints/2021.parquet",
    ]
    report, received = reader_of_loans(partitions_def=dimensions)
    assert run(loans, report, selection=[report], partition="prints|2021").is_success
    everything, all_received = reader_of_loans()
    assert run(loans, everything, selection=[everything]).is_success
    assert received[0]["key"].to_list() == ["prints|2021"]
    assert all_received[0]["key"].to_list() == sorted(dimensions.get_partition_keys())


def test_one_dimension_of_several_is_read_as_one_frame(run: Callable[..., Any]) -> None:
    years = dg.StaticPartitionsDefinition(["2020", "2021"])
    departments = dg.StaticPartitionsDefinition(["prints", "paintings"])
    loans = partitioned(dg.MultiPartitionsDefinition({"year": years, "department": departments}))
    for department in departments.get_partition_keys():
        assert run(loans, partition=f"{department}|2021").is_success
    report, received = reader_of_loans(partitions_def=years)
    assert run(loans, report, selection=[report], partition="2021").is_success
    assert received[0]["key"].to_list() == ["paintings|2021", "prints|2021"]


def test_an_asset_that_became_partitioned_leaves_its_old_table(run: Callable[..., Any]) -> None:
    run(asset_of(TABLE, "loans"))
    result = run(partitioned(dg.StaticPartitionsDefinition(["2020"])), partition="2020")
    assert result.is_success
    assert files(result.folder) == ["loans.parquet", "loans/2020.parquet"]


def written_by(storage: dg.ConfigurableIOManager, instance: dg.DagsterInstance) -> None:
    """Write a plain, a prefixed and two partitioned assets, lazy and eager."""

    @dg.asset
    def lazy() -> pl.LazyFrame:
        return TABLE.lazy()

    @dg.asset(key_prefix=["museum", "clean"])
    def eager() -> pl.DataFrame:
        return TABLE

    dimensions = dg.MultiPartitionsDefinition(
        {
            "year": dg.StaticPartitionsDefinition(["2020"]),
            "department": dg.StaticPartitionsDefinition(["prints"]),
        }
    )
    resources = {"io_manager": storage}
    dg.materialize([lazy, eager], resources=resources, instance=instance)
    for definition, key in (
        (dg.StaticPartitionsDefinition(["/a/b c"]), "/a/b c"),
        (dg.DailyPartitionsDefinition("2020-01-01"), "2020-01-01"),
        (dimensions, "prints|2020"),
    ):
        dg.materialize(
            [partitioned(definition)], resources=resources, partition_key=key, instance=instance
        )


def test_files_lie_where_dagster_polars_puts_them(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    written_by(PolarsParquetIOManager(base_dir=str(tmp_path / "theirs")), instance)
    written_by(ParquetIOManager(base_dir=str(tmp_path / "ours")), instance)
    ours = files(tmp_path / "ours")
    assert ours == files(tmp_path / "theirs")
    assert len(ours) == 5
    for path in ours:
        theirs = pl.read_parquet(tmp_path / "theirs" / path, hive_partitioning=False)
        assert_frame_equal(
            pl.read_parquet(tmp_path / "ours" / path, hive_partitioning=False), theirs
        )


def test_what_dagster_polars_wrote_is_read_and_kept_as_a_version(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    theirs = PolarsParquetIOManager(base_dir=str(tmp_path))
    ours = ParquetIOManager(base_dir=str(tmp_path))
    received = []

    @dg.asset
    def report(objects: Frame[Objects]) -> None:
        received.append(objects.collect())

    objects = asset_of(TABLE)
    plain = asset_of(TABLE.reverse())

    @dg.asset(name="objects")
    def written() -> pl.LazyFrame:
        return TABLE.lazy()

    dg.materialize([written], resources={"io_manager": theirs}, instance=instance)
    dg.materialize(
        [objects, report], selection=[report], resources={"io_manager": ours}, instance=instance
    )
    assert_frame_equal(received[0], TABLE)
    dg.materialize([plain], resources={"io_manager": ours}, instance=instance)
    table = StoredTable(base=UPath(tmp_path), name="objects")
    assert len(versions(table)) == 2
    rollback(table)
    assert_frame_equal(pl.read_parquet(tmp_path / "objects.parquet"), TABLE)
