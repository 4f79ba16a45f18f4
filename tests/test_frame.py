from typing import Optional

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import Frame
from collectionflow.frame import schema_of, table_types


class Objects(pa.DataFrameModel):
    object_id: int


def test_the_annotation_carries_its_schema() -> None:
    assert schema_of(Frame[Objects]) is Objects


def test_the_same_annotation_is_the_same_class() -> None:
    assert Frame[Objects] is Frame[Objects]


def test_a_frame_is_known_with_and_without_a_schema() -> None:
    assert list(table_types(Frame)) == [Frame]
    assert list(table_types(Frame[Objects] | None)) == [Frame[Objects]]
    assert list(table_types(pl.LazyFrame)) == []
    assert list(table_types(Objects)) == []


@pytest.mark.parametrize("annotation", [Optional[Frame[Objects]], Frame[Objects] | None])
def test_an_optional_frame_carries_it_too(annotation: object) -> None:
    assert schema_of(annotation) is Objects


@pytest.mark.parametrize("annotation", [pl.LazyFrame, dict, None, Frame])
def test_other_annotations_carry_none(annotation: object) -> None:
    assert schema_of(annotation) is None


@pytest.mark.parametrize("frame", [pl.LazyFrame({"a": [1]}), pl.DataFrame({"a": [1]})])
def test_dagster_accepts_lazy_and_eager_frames(frame: object) -> None:
    assert isinstance(frame, Frame[Objects])


def test_dagster_refuses_what_is_no_frame() -> None:
    @dg.asset
    def objects() -> Frame[Objects]:
        return [1]  # ty: ignore[invalid-explicit-return]

    result = dg.materialize([objects], raise_on_error=False)
    assert not result.success
