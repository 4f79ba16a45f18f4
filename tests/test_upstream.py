"""What we rely on in Dagster, Polars, Pandera and others, though nobody promised it.

Where one of these fails, a new release has changed its ways: look for what relied on them.
"""

import fcntl
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import dagster as dg
import pandera.polars as pa
import pandera.typing.polars
import polars as pl
import pytest
from dagster_polars import PolarsParquetIOManager
from lxml import etree  # ty: ignore[missing-module-member]
from pandera.api.checks import Check
from pandera.api.polars.types import PolarsData
from pandera.backends.polars.register import register_polars_backends
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal

from collectionflow import Frame


class Objects(pa.DataFrameModel):
    object_id: int


TABLE = pl.DataFrame({"object_id": [1, 2, 3]})


class Spy(dg.IOManager):
    """Keeps what Dagster tells an IO manager of its outputs and inputs."""

    def __init__(self) -> None:
        self.outputs: dict[str, Any] = {}
        self.inputs: dict[str, Any] = {}
        self.steps: list[Any] = []
        self.values: dict[str, Any] = {}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        name = context.asset_key.to_user_string() if context.has_asset_key else context.name
        self.outputs[name] = context.dagster_type.typing_type
        self.steps.append(context.step_context)
        self.values[name] = obj

    def load_input(self, context: dg.InputContext) -> Any:
        self.inputs[context.name] = context.dagster_type.typing_type
        return self.values[context.asset_key.to_user_string()]


@pytest.fixture
def spy() -> Spy:
    return Spy()


def materialize(spy: Spy, instance: dg.DagsterInstance, *assets: Any) -> Any:
    return dg.materialize(assets, resources={"io_manager": spy}, instance=instance)


def test_an_asset_and_its_io_manager_see_the_same_step(
    spy: Spy, instance: dg.DagsterInstance
) -> None:
    seen = []

    @dg.asset
    def objects() -> pl.DataFrame:
        seen.append(dg.AssetExecutionContext.get().get_step_execution_context())
        return TABLE

    materialize(spy, instance, objects)
    assert seen[0] is spy.steps[0]


def test_a_step_is_hashable_and_weakly_referable(spy: Spy, instance: dg.DagsterInstance) -> None:
    @dg.asset
    def objects() -> pl.DataFrame:
        return TABLE

    materialize(spy, instance, objects)
    (step,) = spy.steps
    assert weakref.WeakKeyDictionary({step: "notes"})[step] == "notes"


def test_outside_a_run_there_is_no_context() -> None:
    with pytest.raises(dg.DagsterInvariantViolationError):
        dg.AssetExecutionContext.get()


def test_an_instance_tells_a_listener_of_a_runs_events(
    spy: Spy, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def objects() -> pl.DataFrame:
        return TABLE

    told: list[str] = []

    def listen(entry: dg.EventLogEntry) -> None:
        if entry.dagster_event is not None:
            told.append(entry.dagster_event.event_type_value)

    run_id = "0" * 8 + "-0000-4000-8000-" + "0" * 12
    instance.add_event_listener(run_id, listen)
    definitions = dg.Definitions([objects], resources={"io_manager": spy})
    job = definitions.resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance, run_id=run_id)
    steps = ("STEP_START", "STEP_OUTPUT", "ASSET_MATERIALIZATION", "STEP_SUCCESS")
    assert [each for each in told if each in steps] == list(steps)


def test_an_annotation_reaches_the_io_manager_as_it_was_written(
    spy: Spy, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def bare() -> Frame[Objects]:
        return TABLE.lazy()

    @dg.asset
    def optional() -> Optional[Frame[Objects]]:
        return TABLE.lazy()

    @dg.asset
    def wrapped() -> dg.MaterializeResult[Frame[Objects]]:
        return dg.MaterializeResult(value=TABLE.lazy())

    @dg.asset
    def told() -> dg.Output[Frame[Objects]]:
        return dg.Output(TABLE.lazy())

    @dg.asset
    def unannotated():  # noqa: ANN202 (that is the case)
        return TABLE

    @dg.asset
    def reader(
        bare: Frame[Objects],
        optional: Frame[Objects] | None,
        wrapped: pl.LazyFrame,
        unannotated,  # noqa: ANN001 (that is the case)
    ) -> None: ...

    materialize(spy, instance, bare, optional, wrapped, told, unannotated, reader)
    assert spy.outputs == {
        "bare": Frame[Objects],
        "optional": Optional[Frame[Objects]],
        "wrapped": Frame[Objects],
        "told": Frame[Objects],
        "unannotated": Any,
    }
    assert spy.inputs == {
        "bare": Frame[Objects],
        "optional": Optional[Frame[Objects]],
        "wrapped": pl.LazyFrame,
        "unannotated": Any,
    }


def test_an_output_annotated_with_none_never_reaches_the_io_manager(
    spy: Spy, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def objects() -> None: ...

    materialize(spy, instance, objects)
    assert spy.outputs == {}


def test_dagster_refuses_panderas_own_annotation_of_a_lazy_frame() -> None:
    def objects() -> Any: ...

    theirs: Any = pandera.typing.polars
    objects.__annotations__ = {"return": theirs.LazyFrame[Objects]}
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        dg.asset(objects)


def test_an_env_var_inside_a_mapping_arrives_unread(
    monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    seen = []

    class Options(dg.ConfigurableResource[None]):
        options: dict[str, Any]

    @dg.asset
    def objects(options: Options) -> None:
        seen.append(options.options)

    monkeypatch.setenv("TABLES_KEY", "id")
    resource = Options(options={"key": dg.EnvVar("TABLES_KEY")})
    dg.materialize([objects], resources={"options": resource}, instance=instance)
    assert seen == [{"key": {"env": "TABLES_KEY"}}]


def test_storage_beats_the_asset_where_both_set_one_metadata_key(
    instance: dg.DagsterInstance,
) -> None:
    class Telling(Spy):
        def handle_output(self, context: dg.OutputContext, obj: Any) -> None:  # noqa: ARG002
            context.add_output_metadata({"rows": "storage"})

    @dg.asset
    def objects() -> dg.MaterializeResult[pl.DataFrame]:
        return dg.MaterializeResult(value=TABLE, metadata={"rows": "asset", "own": "asset"})

    result = materialize(Telling(), instance, objects)
    (event,) = result.asset_materializations_for_node("objects")
    assert {name: value.value for name, value in event.metadata.items()} == {
        "rows": "storage",
        "own": "asset",
    }


def test_dagster_polars_still_cannot_read_under_polars_2(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    @dg.asset
    def objects() -> pl.LazyFrame:
        return TABLE.lazy()

    @dg.asset
    def copy(objects: pl.LazyFrame) -> None: ...

    storage = {"io_manager": PolarsParquetIOManager(base_dir=str(tmp_path))}
    assert dg.materialize([objects], resources=storage, instance=instance).success
    with pytest.raises(TypeError, match="'rechunk' for 'scan_parquet' has been removed"):
        dg.materialize([objects, copy], selection=[copy], resources=storage, instance=instance)


def test_a_sink_keeps_the_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "objects.parquet"
    path.write_bytes(b"")
    number = path.stat().st_ino
    TABLE.lazy().sink_parquet(path)
    assert path.stat().st_ino == number


def test_a_sink_writes_into_a_file_that_this_process_has_locked(tmp_path: Path) -> None:
    path = tmp_path / "objects.parquet"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    TABLE.lazy().sink_parquet(path)
    other = os.open(path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    os.close(descriptor)
    assert_frame_equal(pl.read_parquet(path), TABLE)


class OwnError(Exception):
    """An error that Polars has never heard of."""


@pytest.mark.parametrize("error", [OwnError("own"), pl.exceptions.ComputeError("theirs")])
def test_an_error_in_a_streamed_batch_comes_out_of_the_sink_as_it_is(
    tmp_path: Path, error: Exception
) -> None:
    def fail(_: pl.DataFrame) -> pl.DataFrame:
        raise error

    frame = TABLE.lazy().map_batches(fail, streamable=True)
    with pytest.raises(type(error), match=str(error)):
        frame.sink_parquet(tmp_path / "objects.parquet")


def test_an_error_in_an_io_source_comes_out_of_the_sink_as_it_is(tmp_path: Path) -> None:
    def source(*_: Any) -> Iterator[pl.DataFrame]:
        yield TABLE
        raise OwnError

    frame = register_io_source(source, schema=TABLE.schema)
    with pytest.raises(OwnError):
        frame.sink_parquet(tmp_path / "objects.parquet")


def test_streamed_batches_keep_columns_that_are_dropped_later_and_are_put_in_order(
    tmp_path: Path,
) -> None:
    seen: list[list[str]] = []

    def look(batch: pl.DataFrame) -> pl.DataFrame:
        seen.append(batch.columns)
        return batch

    frame = pl.LazyFrame({"object_id": range(500_000)}).with_columns(extra=pl.lit(1))
    path = tmp_path / "objects.parquet"
    frame.map_batches(look, streamable=True).drop("extra").sink_parquet(path)
    assert len(seen) > 1
    assert all(columns == ["object_id", "extra"] for columns in seen)
    assert pl.read_parquet(path).to_dict(as_series=False) == {"object_id": list(range(500_000))}


def test_a_scan_leaves_directory_names_and_wildcards_alone_when_told(tmp_path: Path) -> None:
    path = tmp_path / "env=prod" / "all*.parquet"
    TABLE.write_parquet(path, mkdir=True)
    TABLE.write_parquet(path.with_name("all2.parquet"))
    found = pl.scan_parquet(path, hive_partitioning=False, glob=False)
    assert_frame_equal(found, TABLE.lazy())


def test_metadata_of_a_sink_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "objects.parquet"
    TABLE.lazy().sink_parquet(path, metadata={"collectionflow.version": "1"})
    assert pl.read_parquet_metadata(path)["collectionflow.version"] == "1"


def test_null_hashes_to_a_value_and_nested_values_hash_by_content() -> None:
    values = pl.DataFrame({"terms": [["a"], ["a"], ["b"], [], None]})
    hashes = values.select(pl.col("terms").hash()).to_series()
    assert hashes.null_count() == 0
    assert hashes[0] == hashes[1]
    assert hashes.n_unique() == 4


CHECKS: dict[str, Check] = {
    "equal_to": pa.Check.eq(1),
    "not_equal_to": pa.Check.ne(1),
    "greater_than": pa.Check.gt(1),
    "greater_than_or_equal_to": pa.Check.ge(1),
    "less_than": pa.Check.lt(1),
    "less_than_or_equal_to": pa.Check.le(1),
    "in_range": pa.Check.in_range(1, 2),
    "isin": pa.Check.isin([1]),
    "notin": pa.Check.notin([1]),
    "str_matches": pa.Check.str_matches("a"),
    "str_contains": pa.Check.str_contains("a"),
    "str_startswith": pa.Check.str_startswith("a"),
    "str_endswith": pa.Check.str_endswith("a"),
    "str_length": pa.Check.str_length(1, 2),
}


class Selects:
    """A table that can do nothing but select."""

    def select(self, expression: pl.Expr) -> pl.Expr:
        return expression


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_of_the_library_only_selects_one_expression(name: str) -> None:
    register_polars_backends()
    check = CHECKS[name]
    assert check.name == name
    found = check._check_fn(PolarsData(Selects(), "title"), **check._check_kwargs)
    assert isinstance(found, pl.Expr)
    assert found.meta.root_names()[0] == "title"


def test_pandera_refuses_parsers_of_polars_frames() -> None:
    from pandera.api.dataframe.model_components import parser

    class Parsed(pa.DataFrameModel):
        title: str

        @parser("title")
        def tidy(cls, data: PolarsData) -> pl.LazyFrame:  # noqa: N805 (as Pandera wants it)
            return data.lazyframe

    with pytest.raises(pa.errors.SchemaInitError, match="not supported by the polars backend"):
        Parsed.to_schema()


def test_pandera_keeps_some_types_as_classes_and_others_as_instances() -> None:
    class Both(pa.DataFrameModel):
        first: pl.Date
        second: pl.Datetime("us")

    columns = Both.to_schema().columns
    assert columns["first"].dtype.type is pl.Date
    assert columns["second"].dtype.type == pl.Datetime("us")


def test_an_expression_says_that_it_runs_a_function() -> None:
    """What was counted of such a rule is not kept: the function may change."""
    mapped = pl.struct(pl.all()).map_batches(lambda rows: rows, return_dtype=pl.Boolean)
    each = pl.col("title").map_elements(len, return_dtype=pl.Int64)
    for expression in (~mapped.fill_null(value=True), (each > 1) & pl.col("title").is_null()):
        assert "python_udf" in str(expression)


def test_a_cached_frame_is_computed_once_for_all_plans_that_are_collected_together() -> None:
    runs = []

    def source(
        wanted: list[str] | None, _predicate: Any, _rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        runs.append(wanted)
        yield TABLE

    frame = register_io_source(source, schema=dict(TABLE.schema)).cache()
    plans = [frame.select(pl.len()), frame.head(1), frame.filter(pl.col("object_id") > 1)]
    assert [each.height for each in pl.collect_all(plans)] == [1, 1, 2]
    assert len(runs) == 1


def test_a_hash_does_not_tell_zeros_and_nans_apart_but_null_from_empty() -> None:
    def hashes(values: list[Any], dtype: Any) -> int:
        return pl.Series(values, dtype=dtype).hash().n_unique()

    assert hashes([0.0, -0.0], pl.Float64) == 1
    assert hashes([float("nan"), -float("nan")], pl.Float64) == 1
    assert hashes([None, [], [None]], pl.List(pl.Int64)) == 3
    assert hashes([None, {"a": None}], pl.Struct({"a": pl.Int64})) == 2


STYLESHEET = """<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform"
  xmlns:own="urn:own"><x:output method="text" encoding="UTF-8"/>
  <x:template match="/"><x:for-each select="own:records()"><x:value-of select="../@id"/>
  </x:for-each></x:template></x:stylesheet>"""


def test_an_extension_of_xslt_returns_elements_where_they_lie() -> None:
    """A copy would have no parent."""
    records = list(etree.fromstring("<r id='1'><a/><a/></r>"))
    extensions = {("urn:own", "records"): lambda _context: records}
    transform = etree.XSLT(etree.fromstring(STYLESHEET), extensions=extensions)
    assert bytes(transform(etree.Element("none"))) == b"11"
    records.clear()
    assert bytes(transform(etree.Element("none"))) == b""


def test_control_characters_of_html_stay_in_a_stylesheet_and_in_its_text() -> None:
    text = etree.HTML("<p>\x01\x02\x03\x04\x1f</p>")[0][0]
    assert text.text == "\x01\x02\x03\x04\x1f"
    sheet = etree.fromstring(STYLESHEET)
    text.tag = "{http://www.w3.org/1999/XSL/Transform}text"
    sheet[1][0].append(text)
    records = list(etree.fromstring("<r id='&lt;'><a/></r>"))
    extensions = {("urn:own", "records"): lambda _context: records}
    transform = etree.XSLT(sheet, extensions=extensions)
    assert bytes(transform(etree.Element("none"))) == b"<\x01\x02\x03\x04\x1f"


@pytest.mark.parametrize("place", ["<r>{}</r>", "<r a='{}'/>", "<r><![CDATA[{}]]></r>"])
@pytest.mark.parametrize("control", ["\x01", "\x02", "\x03", "\x04", "&#1;", "&#x4;"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_xml_has_no_control_characters(place: str, control: str, version: str) -> None:
    text = f"<?xml version='{version}'?>{place.format(control)}"
    if "CDATA" in place and control.startswith("&"):
        assert etree.fromstring(text).text == control
        return
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(text)


def test_an_instruction_before_the_root_leads_to_the_root_while_it_is_parsed() -> None:
    parser = etree.XMLPullParser(events=("pi",))
    parser.feed("<?mark?><r><a/>")
    ((_, mark),) = parser.read_events()
    assert mark.getroottree().getroot().tag == "r"
    assert [each.tag for each in mark.getroottree().getroot()] == ["a"]
    parser.feed("<b/></r>")
    assert [each.tag for each in mark.getroottree().getroot()] == ["a", "b"]
    assert parser.close() is mark.getroottree().getroot()


def test_elements_that_have_ended_may_be_dropped_while_their_parent_is_parsed() -> None:
    parser = etree.XMLPullParser(events=("pi",))
    parser.feed("<?mark?><r><a/><a/><b>1")
    ((_, mark),) = parser.read_events()
    root = mark.getroottree().getroot()
    del root[:-1]
    parser.feed("2</b><c/></r>")
    assert etree.tostring(parser.close()) == b"<r><b>12</b><c/></r>"


def test_an_undeclared_entity_is_no_more_than_a_warning_where_there_is_a_dtd_elsewhere() -> None:
    parser = etree.XMLPullParser(events=("pi",), resolve_entities=False, no_network=True)
    parser.feed("<!DOCTYPE r SYSTEM 'none.dtd'><r a='&m;'/>")
    parser.close()
    (entry,) = parser.feed_error_log
    assert entry.type == etree.ErrorTypes.WAR_UNDECLARED_ENTITY
    assert entry.level < etree.ErrorLevels.ERROR
