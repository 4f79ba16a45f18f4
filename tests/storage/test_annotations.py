"""What an asset's annotations ask of storage, seen from the asset."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow import Frame


class Objects(pa.DataFrameModel):
    object_id: int


class Titles(pa.DataFrameModel):
    title: str
    note: str | None = pa.Field(nullable=True)


TABLE = pl.DataFrame({"object_id": [1, 2], "title": ["Sitter", "Hat"]})
IDS = TABLE.select("object_id")
UNANNOTATED = object()

MONTHS = dg.StaticPartitionsDefinition(["2020-01", "2020-02", "2020-03"])


@dg.asset
def objects() -> pl.DataFrame:
    return TABLE


@dg.asset(partitions_def=MONTHS)
def loans(context: dg.AssetExecutionContext) -> pl.DataFrame:
    month = int(context.partition_key[-1])
    return pl.DataFrame({"object_id": [month, month * 10], "month": [context.partition_key] * 2})


def loaned(*months: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "object_id": [number for month in months for number in (month, month * 10)],
            "month": [f"2020-0{month}" for month in months for _ in range(2)],
        }
    )


def reader(name: str, annotation: Any, **options: Any) -> tuple[dg.AssetsDefinition, list[Any]]:
    """Return an asset that takes `name` by this annotation, and the list it puts it in."""
    received: list[Any] = []
    namespace: dict[str, Any] = {"received": received}
    exec(f"def reading({name}): received.append({name})", namespace)  # noqa: S102 (a name)
    function = namespace["reading"]
    function.__annotations__ = {"return": None}
    if annotation is not UNANNOTATED:
        function.__annotations__[name] = annotation
    return dg.asset(**options)(function), received


def read(run: Callable[..., Any], upstream: Any, annotation: Any, **options: Any) -> Any:
    """Return what an asset receives that takes `upstream`, which is stored, by this annotation."""
    partition = options.pop("partition", None)
    asset, received = reader(upstream.key.path[-1], annotation, **options)
    assert run(upstream, asset, selection=[asset], partition=partition).is_success
    (value,) = received
    return value


def store_loans(run: Callable[..., Any], *months: int) -> None:
    for month in months:
        assert run(loans, partition=f"2020-0{month}").is_success


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (pl.LazyFrame, TABLE.lazy()),
        (Optional[pl.LazyFrame], TABLE.lazy()),
        (pl.LazyFrame | None, TABLE.lazy()),
        (Frame, TABLE.lazy()),
        (Frame[Objects], IDS.lazy()),
        (Optional[Frame[Objects]], IDS.lazy()),
        (Frame[Objects] | None, IDS.lazy()),
        (pl.DataFrame, TABLE),
        (pl.DataFrame | None, TABLE),
        (Any, TABLE),
        (UNANNOTATED, TABLE),
    ],
)
def test_an_input_is_what_its_annotation_says(
    run: Callable[..., Any], annotation: Any, expected: pl.DataFrame | pl.LazyFrame
) -> None:
    run(objects)
    found = read(run, objects, annotation)
    assert isinstance(found, type(expected))
    assert_frame_equal(found, expected)


def test_a_contract_on_an_input_reads_its_columns_only(run: Callable[..., Any]) -> None:
    run(objects)
    plan = read(run, objects, Frame[Titles]).explain()
    assert "PROJECT 1/2 COLUMNS" in plan


def test_the_columns_of_an_input_may_be_chosen_by_metadata(run: Callable[..., Any]) -> None:
    run(objects)
    chosen = {"objects": dg.AssetIn(metadata={"columns": ["title"]})}
    for annotation in (pl.LazyFrame, pl.DataFrame):
        found = read(run, objects, annotation, ins=chosen)
        assert_frame_equal(found.lazy().collect(), TABLE.select("title"))


def failed(run: Callable[..., Any], upstream: Any, annotation: Any, **options: Any) -> Any:
    partition = options.pop("partition", None)
    asset, _ = reader(upstream.key.path[-1], annotation, **options)
    result = run(upstream, asset, selection=[asset], partition=partition)
    assert not result.is_success
    return result


def test_a_stored_table_that_lacks_what_an_input_needs_stops_the_run(
    run: Callable[..., Any],
) -> None:
    class Changed(pa.DataFrameModel):
        title: int
        maker: str

    run(objects)
    assert failed(run, objects, Frame[Changed]).reason() == (
        "'objects' is not what 'objects' needs by Changed. Materialize it again, or change the "
        "contract.\n"
        "- Columns missing: 'maker'. There are: 'object_id', 'title'.\n"
        "- Column 'title' is String, expected Int64."
    )


def test_a_column_that_is_chosen_but_not_there_stops_the_run(run: Callable[..., Any]) -> None:
    run(objects)
    chosen = {"objects": dg.AssetIn(metadata={"columns": ["title", "maker"]})}
    assert "Columns missing: 'maker'. There are: 'object_id', 'title'." in (
        failed(run, objects, pl.LazyFrame, ins=chosen).reason()
    )


def error_of(result: Any) -> str:
    """Return the whole chain of what went wrong in the only step that failed."""
    (event,) = [each for each in result.result.all_events if each.is_step_failure]
    return event.step_failure_data.error.to_string()


@pytest.mark.parametrize("annotation", [pl.LazyFrame, pl.DataFrame, Frame[Objects], UNANNOTATED])
def test_an_input_that_was_never_written_says_what_to_do(
    run: Callable[..., Any], annotation: Any
) -> None:
    error = error_of(failed(run, objects, annotation))
    assert "FileNotFoundError: There is no table at" in error
    assert "objects.parquet'. Materialize the asset that writes it first." in error


@pytest.mark.parametrize(
    "annotation", [Optional[pl.LazyFrame], Optional[pl.DataFrame], Frame[Objects] | None]
)
def test_an_optional_input_that_was_never_written_is_none(
    run: Callable[..., Any], annotation: Any
) -> None:
    assert read(run, objects, annotation) is None


EVERY_MONTH = {f"2020-0{month}": loaned(month) for month in (1, 2, 3)}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (pl.LazyFrame, loaned(1, 2, 3).lazy()),
        (pl.LazyFrame | None, loaned(1, 2, 3).lazy()),
        (Frame[Objects], loaned(1, 2, 3).select("object_id").lazy()),
        (pl.DataFrame, loaned(1, 2, 3)),
        (pl.DataFrame | None, loaned(1, 2, 3)),
    ],
)
def test_all_partitions_are_one_frame_in_their_order(
    run: Callable[..., Any], annotation: Any, expected: pl.DataFrame | pl.LazyFrame
) -> None:
    store_loans(run, 3, 1, 2)
    found = read(run, loans, annotation)
    assert isinstance(found, type(expected))
    assert_frame_equal(found, expected)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (dict[str, pl.LazyFrame], pl.LazyFrame),
        (Mapping[str, pl.LazyFrame], pl.LazyFrame),
        (dict[str, Frame[Objects]], pl.LazyFrame),
        (dict[str, pl.DataFrame], pl.DataFrame),
        (dict, pl.DataFrame),
        (UNANNOTATED, pl.DataFrame),
    ],
)
def test_all_partitions_are_a_dict_by_key(
    run: Callable[..., Any], annotation: Any, kind: type
) -> None:
    store_loans(run, 1, 2, 3)
    found = read(run, loans, annotation)
    assert {type(frame) for frame in found.values()} == {kind}
    assert list(found) == list(EVERY_MONTH)
    for key, frame in found.items():
        stored = frame.lazy().collect()
        assert_frame_equal(stored, EVERY_MONTH[key].select(stored.columns))


def test_a_dict_of_contracts_holds_their_columns_only(run: Callable[..., Any]) -> None:
    store_loans(run, 1, 2, 3)
    found = read(run, loans, dict[str, Frame[Objects]])
    assert found["2020-02"].collect_schema().names() == ["object_id"]


SOME = {
    "loans": dg.AssetIn(
        partition_mapping=dg.SpecificPartitionsPartitionMapping(["2020-01", "2020-03"])
    )
}
ONE = {"loans": dg.AssetIn(partition_mapping=dg.SpecificPartitionsPartitionMapping(["2020-02"]))}


def test_several_partitions_are_read_and_the_others_need_not_be_there(
    run: Callable[..., Any],
) -> None:
    store_loans(run, 1, 3)
    assert_frame_equal(read(run, loans, pl.DataFrame, ins=SOME), loaned(1, 3))
    assert list(read(run, loans, dict[str, pl.LazyFrame], ins=SOME)) == ["2020-01", "2020-03"]
    assert list(read(run, loans, UNANNOTATED, ins=SOME)) == ["2020-01", "2020-03"]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (pl.LazyFrame, loaned(2).lazy()),
        (Frame[Objects], loaned(2).select("object_id").lazy()),
        (pl.DataFrame, loaned(2)),
        (UNANNOTATED, loaned(2)),
    ],
)
@pytest.mark.parametrize(
    "options", [{"ins": ONE}, {"partitions_def": MONTHS, "partition": "2020-02"}]
)
def test_one_partition_is_a_frame(
    run: Callable[..., Any],
    annotation: Any,
    expected: pl.DataFrame | pl.LazyFrame,
    options: dict[str, Any],
) -> None:
    store_loans(run, 2)
    found = read(run, loans, annotation, **options)
    assert isinstance(found, type(expected))
    assert_frame_equal(found, expected)


def test_one_partition_is_a_dict_where_a_dict_is_asked_for(run: Callable[..., Any]) -> None:
    store_loans(run, 2)
    found = read(run, loans, dict[str, pl.DataFrame], ins=ONE)
    assert list(found) == ["2020-02"]
    assert_frame_equal(found["2020-02"], loaned(2))


@pytest.mark.parametrize(
    "annotation", [pl.LazyFrame, pl.DataFrame, Frame[Objects], dict[str, pl.LazyFrame], UNANNOTATED]
)
def test_a_missing_partition_stops_the_run(run: Callable[..., Any], annotation: Any) -> None:
    store_loans(run, 1, 2)
    error = error_of(failed(run, loans, annotation))
    assert "FileNotFoundError: There is no table at" in error
    assert "loans/2020-03.parquet" in error


def missing_allowed(mapping: Any = None) -> dict[str, dg.AssetIn]:
    metadata = {"allow_missing_partitions": True}
    return {"loans": dg.AssetIn(metadata=metadata, partition_mapping=mapping)}


def test_partitions_may_be_missing_where_that_is_said(run: Callable[..., Any]) -> None:
    store_loans(run, 3)
    ins = missing_allowed()
    assert_frame_equal(read(run, loans, pl.DataFrame, ins=ins), loaned(3))
    assert_frame_equal(read(run, loans, pl.LazyFrame, ins=ins).collect(), loaned(3))
    assert list(read(run, loans, dict[str, pl.LazyFrame], ins=ins)) == ["2020-03"]
    assert list(read(run, loans, UNANNOTATED, ins=ins)) == ["2020-03"]


def test_without_any_partition_a_contract_still_gives_its_columns(
    run: Callable[..., Any],
) -> None:
    found = read(run, loans, Frame[Titles], ins=missing_allowed())
    expected = pl.LazyFrame(schema={"title": pl.String, "note": pl.String})
    assert_frame_equal(found, expected)


def test_without_any_partition_a_dict_is_empty(run: Callable[..., Any]) -> None:
    assert read(run, loans, dict[str, pl.LazyFrame], ins=missing_allowed()) == {}
    one = missing_allowed(dg.SpecificPartitionsPartitionMapping(["2020-02"]))
    assert read(run, loans, dict[str, pl.LazyFrame], ins=one) == {}


@pytest.mark.parametrize(
    "annotation", [pl.LazyFrame | None, pl.DataFrame | None, Frame[Objects] | None]
)
def test_an_optional_input_skips_partitions_that_are_missing(
    run: Callable[..., Any], annotation: Any
) -> None:
    assert read(run, loans, annotation) is None
    store_loans(run, 3)
    found = read(run, loans, annotation).lazy().select("object_id").collect()
    assert_frame_equal(found, loaned(3).select("object_id"))


def test_without_any_partition_a_plain_frame_cannot_be_made(run: Callable[..., Any]) -> None:
    error = error_of(failed(run, loans, pl.LazyFrame, ins=missing_allowed()))
    assert "Type check failed for step input" in error


def test_no_partition_at_all_is_an_empty_dict(run: Callable[..., Any]) -> None:
    none = {"loans": dg.AssetIn(partition_mapping=dg.SpecificPartitionsPartitionMapping([]))}
    assert read(run, loans, dict[str, pl.LazyFrame], ins=none) == {}
    assert read(run, loans, UNANNOTATED, ins=none) is None


@dg.asset(partitions_def=MONTHS)
def titles(context: dg.AssetExecutionContext) -> Frame[Titles]:
    with_note = context.partition_key == "2020-02"
    return pl.LazyFrame({"title": ["Hat"]} | ({"note": ["a"]} if with_note else {}))


def test_an_optional_column_that_some_partitions_lack_is_null_there(
    run: Callable[..., Any],
) -> None:
    for month in MONTHS.get_partition_keys():
        assert run(titles, partition=month).is_success
    found = read(run, titles, Frame[Titles])
    expected = pl.LazyFrame({"title": ["Hat"] * 3, "note": [None, "a", None]})
    assert_frame_equal(found, expected)


@pytest.mark.parametrize(
    ("annotation", "value", "contract"),
    [
        (pl.LazyFrame, TABLE.lazy(), None),
        (pl.DataFrame, TABLE, None),
        (Optional[pl.LazyFrame], TABLE.lazy(), None),
        (Frame, TABLE.lazy(), None),
        (Frame[Objects], TABLE.lazy(), "Objects"),
        (Frame[Objects], TABLE, "Objects"),
        (Optional[Frame[Objects]], TABLE.lazy(), "Objects"),
        (Frame[Objects] | None, TABLE.lazy(), "Objects"),
        (dg.MaterializeResult, dg.MaterializeResult(value=TABLE.lazy()), None),
        (
            dg.MaterializeResult[Frame[Objects]],
            dg.MaterializeResult(value=TABLE.lazy()),
            "Objects",
        ),
        (dg.Output[Frame[Objects]], dg.Output(TABLE.lazy()), "Objects"),
        (Any, TABLE, None),
        (UNANNOTATED, TABLE.lazy(), None),
    ],
)
def test_an_output_is_stored_and_judged_by_its_annotation(
    run: Callable[..., Any], annotation: Any, value: Any, contract: str | None
) -> None:
    def made() -> Any:
        return value

    made.__annotations__ = {} if annotation is UNANNOTATED else {"return": annotation}
    result = run(dg.asset(made))
    assert result.is_success
    assert_frame_equal(result.stored("made"), TABLE)
    assert result.metadata("made").get("contract") == contract
    assert result.metadata("made")["dagster/row_count"] == 2


@pytest.mark.parametrize(
    "annotation", [Frame[Titles], dg.MaterializeResult[Frame[Titles]], Frame[Titles] | None]
)
def test_every_way_to_write_a_contract_is_a_gate(run: Callable[..., Any], annotation: Any) -> None:
    def made() -> Any:
        bare = annotation is not dg.MaterializeResult[Frame[Titles]]
        return IDS.lazy() if bare else dg.MaterializeResult(value=IDS.lazy())

    made.__annotations__ = {"return": annotation}
    assert "'made' breaks its contract Titles" in run(dg.asset(made)).reason()


def test_each_output_of_a_multi_asset_has_its_own_contract(run: Callable[..., Any]) -> None:
    @dg.multi_asset(outs={"ids": dg.AssetOut(), "titles": dg.AssetOut()})
    def both() -> tuple[Frame[Objects], Frame[Titles]]:
        return IDS.lazy(), TABLE.select("title").lazy()

    result = run(both)
    assert result.is_success
    assert_frame_equal(result.stored("ids"), IDS)
    assert_frame_equal(result.stored("titles"), TABLE.select("title"))


def test_a_refused_output_of_a_multi_asset_leaves_the_others(run: Callable[..., Any]) -> None:
    @dg.multi_asset(outs={"ids": dg.AssetOut(dagster_type=Frame[Objects]), "titles": dg.AssetOut()})
    def both() -> Iterator[dg.Output[Any]]:
        yield dg.Output(TABLE.lazy(), "titles")
        yield dg.Output(TABLE.select("title").lazy(), "ids")

    result = run(both)
    assert "'ids' breaks its contract Objects" in result.reason()
    assert_frame_equal(result.stored("titles"), TABLE)


def test_the_outputs_of_ops_are_stored_and_judged_too(run: Callable[..., Any]) -> None:
    @dg.op
    def harvest() -> Frame[Objects]:
        return TABLE.lazy()

    @dg.op
    def clean(harvested: Frame[Objects]) -> pl.DataFrame:
        return harvested.collect()

    @dg.graph_asset
    def cleaned() -> pl.DataFrame:
        return clean(harvest())

    result = run(cleaned)
    assert result.is_success
    assert_frame_equal(result.stored("cleaned"), IDS)
    run_id = result.result.run_id
    assert_frame_equal(result.stored(f"{run_id}/cleaned.harvest/result"), TABLE)


def test_two_schemas_of_one_name_live_in_one_job(run: Callable[..., Any]) -> None:
    def other() -> type[pa.DataFrameModel]:
        return type("Objects", (pa.DataFrameModel,), {"__annotations__": {"title": str}})

    @dg.asset
    def first() -> Frame[Objects]:
        return TABLE.lazy()

    def second(first: Any) -> Any:
        return first.select(title=pl.col("object_id").cast(pl.String))

    second.__annotations__ = {"first": Frame[Objects], "return": Frame[other()]}
    result = run(first, dg.asset(second))
    assert_frame_equal(result.stored("second"), pl.DataFrame({"title": ["1", "2"]}))
