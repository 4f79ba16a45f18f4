"""Parquet files: native types where the contract has exactly those, otherwise exact text."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import SourceError
from collectionflow.harvest import FolderSource


class Objects(pa.DataFrameModel):
    id: int
    title: str = pa.Field(nullable=True)


def harvest(folder: Path, table: pl.DataFrame, schema: type = Objects) -> pl.DataFrame:
    table.write_parquet(folder / "objects.parquet")
    return FolderSource(directory=str(folder)).harvest("objects", schema).collect()


def test_a_type_that_the_contract_has_stays(tmp_path: Path) -> None:
    table = pl.DataFrame({"title": ["a", None], "id": [1, 2]})
    found = harvest(tmp_path, table)
    assert found.schema == {"id": pl.Int64(), "title": pl.String()}
    assert found.rows() == [(1, "a"), (2, None)]


def test_nested_types_stay(tmp_path: Path) -> None:
    class Nested(pa.DataFrameModel):
        makers: pl.List(pl.Struct({"name": pl.String()}))

    table = pl.DataFrame({"makers": [[{"name": "a"}], []]})
    assert harvest(tmp_path, table, Nested).equals(table)


def test_another_type_becomes_exact_text(tmp_path: Path) -> None:
    class Texts(pa.DataFrameModel):
        number: str
        price: str
        real: str
        day: str
        time: str
        yes: str
        kind: str
        nothing: str = pa.Field(nullable=True)

    table = pl.DataFrame(
        {
            "number": pl.Series([2**63 - 1], dtype=pl.Int64),
            "price": pl.Series([Decimal("1.50")], dtype=pl.Decimal(10, 2)),
            "real": [0.1 + 0.2],
            "day": [date(2020, 1, 2)],
            "time": [datetime(2020, 1, 2, 3, 4, 5, 6)],
            "yes": [True],
            "kind": pl.Series(["a"], dtype=pl.Categorical),
            "nothing": [None],
        }
    )
    assert harvest(tmp_path, table, Texts).rows() == [
        (
            "9223372036854775807", "1.50", "0.30000000000000004", "2020-01-02",
            "2020-01-02 03:04:05.000006", "true", "a", None,
        )
    ]  # fmt: skip


@pytest.mark.parametrize("value", [b"x", [1], timedelta(1)])
def test_what_is_no_exact_text_stops(tmp_path: Path, value: object) -> None:
    table = pl.DataFrame({"id": [1], "title": [value]})
    with pytest.raises(
        SourceError, match=r"Column 'title' of 'objects.parquet' is .* expected String"
    ):
        harvest(tmp_path, table)


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"Column 'id' is missing from 'objects'"):
        harvest(tmp_path, pl.DataFrame({"title": ["a"]}))


def test_a_file_that_was_cut_off_stops(tmp_path: Path) -> None:
    path = tmp_path / "objects.parquet"
    pl.DataFrame({"id": [1], "title": ["a"]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"'objects.parquet' is no Parquet file that can be read"):
        FolderSource(directory=str(tmp_path)).harvest("objects", Objects)


def test_a_damaged_page_stops_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "objects.parquet"
    table = pl.DataFrame({"id": range(5000), "title": [f"title {n}" for n in range(5000)]})
    table.write_parquet(path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:40] = bytes(36)
    path.write_bytes(content)
    frame = FolderSource(directory=str(tmp_path)).harvest("objects", Objects)
    with pytest.raises(SourceError, match=r"is no Parquet file that can be read"):
        frame.collect()
