from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import dagster as dg
import dlt
import pandera.polars as pa
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow import Frame, SourceError, SourceUnavailable
from collectionflow.harvest.dlt import DltSource


class Objects(pa.DataFrameModel):
    id: int
    title: str = pa.Field(nullable=True)


class Museum(DltSource):
    """Connects to what a test says, kept outside of the configuration, which is no place for code."""

    token: str = "s3cret"  # noqa: S105 (no real one)

    def connect(self) -> Any:
        return CONNECTORS[-1](self.token)


CONNECTORS: list[Callable[[str], Any]] = []


def connected(*items: Any, name: str = "objects") -> Museum:
    """Return a source whose one resource sends these items."""

    def connector(token: str) -> Any:
        @dlt.resource(name=name)
        def resource() -> Iterator[Any]:
            assert token == Museum().token
            for item in items:
                if isinstance(item, Exception):
                    raise item
                yield item

        return resource

    CONNECTORS.append(connector)
    return Museum()


def test_records_lists_of_records_and_tables_are_all_records() -> None:
    table = pl.DataFrame({"id": [4, 5], "title": ["d", None]}).to_arrow()
    source = connected({"id": 1, "title": "a"}, [{"id": 2}, {"id": 3, "title": "c"}], table)
    frame = source.harvest("objects", Objects)
    expected = pl.DataFrame({"id": [1, 2, 3, 4, 5], "title": ["a", None, "c", "d", None]})
    assert_frame_equal(frame.collect(), expected)
    assert_frame_equal(frame.collect(), expected)  # A lazy frame may run more than once.


def test_a_source_of_several_resources_has_a_table_each() -> None:
    @dlt.source
    def museum() -> Any:
        people = dlt.resource([{"id": 7, "title": "Dr"}], name="people")
        return dlt.resource([{"id": 1}], name="objects"), people

    CONNECTORS.append(lambda _token: museum())
    assert Museum().harvest("people", Objects).collect()["id"].to_list() == [7]
    with pytest.raises(SourceError, match=r"no table 'person'. There is: 'objects', 'people'."):
        Museum().harvest("person", Objects)


def test_what_json_lacks_is_exact_text() -> None:
    class Odd(pa.DataFrameModel):
        decimal: str
        day: str
        moment: str
        hour: str
        span: str
        blob: str
        uuid: str
        big: str
        nested: pl.List(pl.Struct({"height": pl.Float64, "unit": pl.String}))

    source = connected(
        {
            "decimal": Decimal("1.10"),
            "day": date(2020, 1, 2),
            "moment": datetime(2020, 1, 2, 3, 4, tzinfo=UTC),
            "hour": time(3, 4),
            "span": timedelta(days=1),
            "blob": b"\x00\xff",
            "uuid": UUID(int=1),
            "big": 123456789012345678901234567890,
            "nested": [{"height": 1.5, "unit": "cm"}, {"height": 2}],
        }
    )
    assert source.harvest("objects", Odd).collect().row(0, named=True) == {
        "decimal": "1.10",
        "day": "2020-01-02",
        "moment": "2020-01-02T03:04:00+00:00",
        "hour": "03:04:00",
        "span": "1 day, 0:00:00",
        "blob": "00ff",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "big": "123456789012345678901234567890",
        "nested": [{"height": 1.5, "unit": "cm"}, {"height": 2.0, "unit": None}],
    }


def test_names_that_differ_in_case_stay_apart() -> None:
    class Both(pa.DataFrameModel):
        object_id: int
        objectID: int  # noqa: N815 (the source's name)

    source = connected({"object_id": 1, "objectID": 2})
    assert source.harvest("objects", Both).collect().rows() == [(1, 2)]


def test_a_key_that_comes_late_is_told(run: Callable[..., Any]) -> None:
    @dg.asset
    def objects(museum: Museum) -> Frame[Objects]:
        return museum.harvest("objects", Objects)

    items = [{"id": number} for number in range(6_000)]
    source = connected(*items, {"id": 6_000, "title": "late", "rights": "CC0"})
    made = run(objects, resources={"museum": source})
    assert made.stored("objects").height == 6_001
    metadata = made.metadata("objects")
    assert "'rights'" in metadata["warnings"]
    assert metadata["source"] == "Museum (dlt, resource 'objects')"
    assert metadata["records_received"] == 6_001


@pytest.mark.parametrize("item", [5, "text", [[1]]])
def test_what_is_no_record_is_told(item: object) -> None:
    source = connected({"id": 1}, item)
    with pytest.raises(SourceError, match="The dlt resource 'objects'"):
        source.harvest("objects", Objects).collect()


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(SourceError, match="a number that is not finite"):
        connected({"id": 1, "title": float("nan")}).harvest("objects", Objects).collect()


def test_a_connector_that_stops_tells_no_secret() -> None:
    source = connected({"id": 1}, RuntimeError("token s3cret is wrong"))
    with pytest.raises(SourceUnavailable, match="stopped with RuntimeError") as error:
        source.harvest("objects", Objects).collect()
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None
