from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from upath import UPath

from collectionflow import Refused, SourceError, StopRun
from collectionflow.contract import contract_of
from collectionflow.storage import _files
from collectionflow.storage.drop_guard import DropGuard
from collectionflow.storage.engines._engine import NESTED_ROW_GROUP_ROWS, ROW_GROUP_ROWS
from collectionflow.storage.engines.polars import Polars
from collectionflow.storage.publication import Publication, publish_frame
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import VERSION_KEY, StoredTable, versions


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)


GOOD = pl.DataFrame({"object_id": [1, 2, 3], "title": ["Sitter", "Hat", None]})


class Desk:
    """Publishes tables to one place and keeps what it was told."""

    def __init__(self, folder: Path) -> None:
        self.table = StoredTable(base=UPath(folder), name="objects")
        self.warnings: list[str] = []
        self.logged: list[str] = []

    def publish(self, frame: pl.DataFrame | pl.LazyFrame, schema: Any = None, **terms: Any) -> Any:
        agreed = Terms(
            contract=contract_of(schema) if schema else None,
            warn=self.warnings.append,
            log=self.logged.append,
            **terms,
        )
        return publish_frame(frame.lazy(), self.table, agreed)

    def published(self) -> pl.DataFrame:
        return _files.scan(self.table.path).collect()

    def refused(self) -> pl.DataFrame:
        return _files.scan(self.table.refused).collect()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_good_table_is_published_and_measured(desk: Desk) -> None:
    publication = desk.publish(GOOD, Objects)
    assert isinstance(publication, Publication)
    assert_frame_equal(desk.published(), GOOD)
    assert publication.measurement.rows == 3
    assert publication.measurement.filled == {"object_id": 3, "title": 2}
    assert publication.bytes == Path(desk.table.path.path).stat().st_size
    assert publication.seconds > 0
    assert desk.warnings == []


def test_the_first_version_has_nothing_before_it(desk: Desk) -> None:
    publication = desk.publish(GOOD, Objects)
    assert publication.before is None
    assert (publication.rows_added, publication.rows_removed) == (None, None)
    assert (publication.columns_added, publication.columns_removed) == ([], [])


def test_a_later_version_knows_what_changed(desk: Desk) -> None:
    desk.publish(GOOD.with_columns(note=pl.lit("a")), Objects)
    now = pl.DataFrame(
        {"object_id": [2, 3, 4, 5], "title": ["a", "b", "c", "d"], "maker": ["m"] * 4}
    )
    publication = desk.publish(now, Objects)
    assert publication.before.rows == 3
    assert (publication.rows_added, publication.rows_removed) == (2, 1)
    assert (publication.columns_added, publication.columns_removed) == (["maker"], ["note"])


def test_a_file_has_statistics_bounded_row_groups_compression_and_its_version(desk: Desk) -> None:
    publication = desk.publish(pl.DataFrame({"object_id": range(ROW_GROUP_ROWS + 1)}))
    written = pq.read_metadata(desk.table.path.path)
    groups = [written.row_group(number) for number in range(written.num_row_groups)]
    assert [group.num_rows for group in groups] == [ROW_GROUP_ROWS, 1]
    assert groups[0].column(0).statistics.max == ROW_GROUP_ROWS - 1
    assert groups[0].column(0).compression == "ZSTD"
    assert pl.read_parquet_metadata(desk.table.path.path)[VERSION_KEY] == publication.version


def test_a_nested_table_has_smaller_row_groups(desk: Desk) -> None:
    rows = NESTED_ROW_GROUP_ROWS + 1
    desk.publish(pl.DataFrame({"terms": [["chalk"]] * rows}))
    file = pq.ParquetFile(desk.table.path.path)
    sizes = [file.metadata.row_group(each).num_rows for each in range(file.num_row_groups)]
    assert sizes == [NESTED_ROW_GROUP_ROWS, 1]


def test_a_missing_column_is_refused_before_anything_is_computed(desk: Desk) -> None:
    def explode(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError

    frame = pl.LazyFrame({"title": ["Sitter"]}).map_batches(explode)
    with pytest.raises(Refused, match=r"Columns missing: 'object_id'. There are: 'title'."):
        desk.publish(frame, Objects)


def test_a_refusal_says_that_nothing_is_published_yet_or_that_the_last_version_stays(
    desk: Desk,
) -> None:
    bad = GOOD.drop("title")
    with pytest.raises(Refused, match=r"'objects' breaks its contract Objects. Nothing is publ"):
        desk.publish(bad, Objects)
    desk.publish(GOOD, Objects)
    with pytest.raises(Refused, match="The last good version stays published"):
        desk.publish(bad, Objects)
    assert_frame_equal(desk.published(), GOOD)


def test_a_wrong_type_is_refused(desk: Desk) -> None:
    with pytest.raises(Refused, match=r"Column 'title' is Int64, expected String."):
        desk.publish(GOOD.with_columns(title=pl.lit(1, pl.Int64)), Objects)


def test_broken_rules_are_refused_with_counts_and_rows_and_the_table_is_kept(desk: Desk) -> None:
    desk.publish(GOOD, Objects)
    bad = pl.DataFrame({"object_id": [1, 2, 2, None], "title": ["a", "b", "c", "d"]})
    with pytest.raises(Refused) as refusal:
        desk.publish(bad, Objects)
    message = str(refusal.value.description)
    assert "- 'object_id' must be filled: 1 of 4 rows break this." in message
    assert "- 'object_id' must be unique: 1 of 4 rows break this." in message
    assert "| 2   | 2         |\n| 3   | 2         |" in message
    assert f"The refused table is kept at '{desk.table.refused}'." in message
    assert set(refusal.value.metadata) == {
        "'object_id' must be filled",
        "'object_id' must be unique",
        "refused table",
    }
    assert refusal.value.allow_retries is False
    assert_frame_equal(desk.refused(), bad)
    assert_frame_equal(desk.published(), GOOD)
    assert len(versions(desk.table)) == 1


def test_a_rule_that_warns_lets_the_table_pass(desk: Desk) -> None:
    class Loose(pa.DataFrameModel):
        object_id: int = pa.Field(ge=2, raise_warning=True)

    desk.publish(GOOD.select("object_id"), Loose)
    assert desk.warnings == ["'objects': 'object_id' must be at least 2: 1 of 3 rows break this."]
    assert_frame_equal(desk.published(), GOOD.select("object_id"))


def with_strict(strict: Any) -> type[pa.DataFrameModel]:
    config = type("Config", (), {"strict": strict})
    return type("Chosen", (Objects,), {"Config": config})


EXTRA = GOOD.with_columns(note=pl.lit("a"))


def test_unexpected_columns_are_kept_with_a_warning(desk: Desk) -> None:
    desk.publish(EXTRA, with_strict(strict=False))
    assert desk.warnings == ["'objects': Columns that Chosen does not name: 'note'."]
    assert_frame_equal(desk.published(), EXTRA)


def test_unexpected_columns_are_refused_by_a_strict_contract(desk: Desk) -> None:
    with pytest.raises(Refused, match="Columns that Chosen does not name: 'note'"):
        desk.publish(EXTRA, with_strict(strict=True))


def test_unexpected_columns_are_dropped_by_a_contract_that_filters(desk: Desk) -> None:
    desk.publish(EXTRA, with_strict("filter"))
    assert desk.warnings == []
    assert_frame_equal(desk.published(), GOOD)


class Cast(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    year: int = pa.Field(nullable=True)

    class Config:
        coerce = True


def test_text_is_cast_and_blank_text_is_null(desk: Desk) -> None:
    sent = pl.DataFrame({"object_id": ["1", " 2", "3"], "year": ["1984", "", " "]})
    desk.publish(sent, Cast)
    expected = pl.DataFrame({"object_id": [1, 2, 3], "year": [1984, None, None]})
    assert_frame_equal(desk.published(), expected)


def test_text_that_cannot_be_cast_is_refused_as_the_source_sent_it(desk: Desk) -> None:
    sent = pl.DataFrame({"object_id": ["1", "2", "x"], "year": ["POA", "c. 1900", None]})
    with pytest.raises(Refused) as refusal:
        desk.publish(sent, Cast)
    message = str(refusal.value.description)
    assert "'object_id' must be Int64: 1 of 3 rows break this." in message
    assert "'year' must be Int64: 2 of 3 rows break this." in message
    assert "| 2   | 2         | c. 1900 |" in message
    assert_frame_equal(desk.refused(), sent)
    assert not desk.table.path.exists()


def test_a_column_without_values_or_type_is_cast(desk: Desk) -> None:
    desk.publish(pl.DataFrame({"object_id": [1], "year": [None]}), Cast)
    assert_frame_equal(
        desk.published(),
        pl.DataFrame({"object_id": [1], "year": [None]}, schema_overrides={"year": pl.Int64}),
    )


def test_a_type_that_no_cast_makes_is_refused(desk: Desk) -> None:
    with pytest.raises(Refused, match=r"Column 'year' is Float64, expected Int64."):
        desk.publish(pl.DataFrame({"object_id": [1], "year": [1.5]}), Cast)


def test_casting_leaves_the_other_columns_alone_whatever_their_names(desk: Desk) -> None:
    sent = pl.DataFrame({"_fails": ["a", "b"], "object_id": ["1", "2"], "year": [1, 2]})
    desk.publish(sent, Cast)
    assert_frame_equal(desk.published(), sent.with_columns(pl.col("object_id").cast(pl.Int64)))


def test_a_table_with_a_contract_must_have_rows(desk: Desk) -> None:
    with pytest.raises(Refused, match=r"'objects' is empty.*\n.*allow_empty=True"):
        desk.publish(GOOD.clear(), Objects)
    assert_frame_equal(desk.refused(), GOOD.clear())


@pytest.mark.parametrize(
    "terms", [{"guard": DropGuard(allow_empty=True)}, {"is_drop_allowed": True}]
)
def test_an_empty_table_passes_where_that_is_allowed(desk: Desk, terms: dict[str, Any]) -> None:
    desk.publish(GOOD.clear(), Objects, **terms)
    assert_frame_equal(desk.published(), GOOD.clear())


def test_a_table_without_a_contract_may_be_empty_at_first(desk: Desk) -> None:
    desk.publish(GOOD.clear())
    assert desk.published().is_empty()


def test_a_column_without_any_value_is_a_warning(desk: Desk) -> None:
    desk.publish(GOOD.with_columns(title=pl.lit(None, pl.String)), Objects)
    assert desk.warnings == ["'objects': column 'title' has no value in any row."]


TEN = pl.DataFrame({"object_id": range(10), "title": ["Hat"] * 10})


def test_a_small_loss_passes(desk: Desk) -> None:
    desk.publish(TEN)
    desk.publish(TEN.head(9))
    assert desk.warnings == []
    assert desk.published().height == 9


def test_a_loss_between_the_thresholds_warns(desk: Desk) -> None:
    desk.publish(TEN)
    desk.publish(TEN.head(8))
    assert desk.warnings == ["'objects': Rows fell from 10 to 8 (-20%)."]
    assert desk.published().height == 8


def test_a_great_loss_of_rows_is_refused_with_advice(desk: Desk) -> None:
    desk.publish(TEN)
    with pytest.raises(Refused) as refusal:
        desk.publish(TEN.head(7))
    message = str(refusal.value.description)
    assert "'objects' lost too much since the published version. The last good" in message
    assert "Rows fell from 10 to 7 (-30%)." in message
    assert "run tag 'collectionflow/allow_drop'" in message
    assert_frame_equal(desk.published(), TEN)
    assert_frame_equal(desk.refused(), TEN.head(7))


def test_a_great_loss_of_a_columns_values_is_refused(desk: Desk) -> None:
    desk.publish(TEN)
    bare = TEN.with_columns(title=pl.when(pl.col("object_id") < 5).then(pl.lit("Hat")))
    with pytest.raises(
        Refused, match=r"Column 'title' was filled in 100.0% of the rows, now in 50"
    ):
        desk.publish(bare)
    assert_frame_equal(desk.published(), TEN)


def test_a_loss_that_is_allowed_passes_with_a_warning(desk: Desk) -> None:
    desk.publish(TEN)
    desk.publish(TEN.head(1), is_drop_allowed=True)
    assert desk.warnings == ["'objects': Rows fell from 10 to 1 (-90%)."]
    assert_frame_equal(desk.published(), TEN.head(1))


def test_each_table_has_its_own_thresholds(desk: Desk) -> None:
    desk.publish(TEN)
    with pytest.raises(Refused, match="Rows fell from 10 to 9"):
        desk.publish(TEN.head(9), guard=DropGuard(warn=0.01, stop=0.05))
    desk.publish(TEN.head(2), guard=DropGuard(warn=0.9, stop=1))
    assert desk.warnings == []


def test_a_published_file_that_cannot_be_read_stops_the_run(desk: Desk) -> None:
    Path(desk.table.path.path).write_bytes(b"half a file")
    with pytest.raises(StopRun, match="cannot be read, so nothing can be compared"):
        desk.publish(GOOD)
    assert Path(desk.table.path.path).read_bytes() == b"half a file"


def failing(error: Exception) -> pl.LazyFrame:
    def fail(_: pl.DataFrame) -> pl.DataFrame:
        raise error

    return GOOD.lazy().map_batches(fail)


def test_an_error_while_writing_leaves_the_published_table_and_no_rest(desk: Desk) -> None:
    desk.publish(GOOD)
    with pytest.raises(ConnectionError, match="the source went away"):
        desk.publish(failing(ConnectionError("the source went away")))
    assert_frame_equal(desk.published(), GOOD)
    assert list(Path(desk.table.base.path, ".collectionflow/partial").iterdir()) == []


def test_a_source_explains_what_polars_could_not_read(desk: Desk) -> None:
    def explain() -> Exception:
        return SourceError("Line 7 of 'objects.csv' has too many cells.")

    error = pl.exceptions.ComputeError("found more fields than defined in 'Schema'")
    with pytest.raises(SourceError, match="Line 7") as raised:
        desk.publish(failing(error), explain=explain)
    assert isinstance(raised.value.__cause__, pl.exceptions.ComputeError)


def test_an_error_that_no_source_explains_stays_as_it_is(desk: Desk) -> None:
    error = pl.exceptions.ComputeError("found more fields than defined in 'Schema'")
    with pytest.raises(pl.exceptions.ComputeError, match="found more fields"):
        desk.publish(failing(error))


def test_rows_are_written_in_the_order_in_which_they_came(desk: Desk) -> None:
    numbers = pl.int_range(300_000, eager=True).shuffle(seed=1)
    desk.publish(pl.DataFrame({"object_id": numbers}))
    assert_frame_equal(desk.published(), pl.DataFrame({"object_id": numbers}))


class Careless(Polars):
    """An engine that stores another type than it says."""

    def describe(self, table: pl.LazyFrame) -> pl.Schema:
        return pl.Schema(dict(super().describe(table)) | {"object_id": pl.Int64()})


def test_a_table_that_is_stored_in_another_type_than_was_said_is_refused(desk: Desk) -> None:
    narrow = GOOD.cast({"object_id": pl.Int32})
    with pytest.raises(Refused, match=r"(?s)Column 'object_id' is Int32, expected Int64.*kept at"):
        desk.publish(narrow, Objects, engine=Careless())
    assert_frame_equal(desk.refused(), narrow)
