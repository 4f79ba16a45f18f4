"""JSON files: a list of records at a path, or one record a line, in bounded memory."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectionflow import SourceError
from collectionflow.harvest import FolderSource, _json_file, _json_list
from collectionflow.harvest._json_list import record_lists


class Objects(pa.DataFrameModel):
    id: int
    title: str = pa.Field(nullable=True)


RECORDS = [{"id": 1, "title": "a"}, {"id": 2, "title": None}, {"id": 3, "title": 'é "}, {"'}]
ROWS = [(1, "a"), (2, None), (3, 'é "}, {"')]


def rows(folder: Path, name: str, content: str | bytes, **options: object) -> list[tuple[Any, ...]]:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return (
        FolderSource(directory=str(folder), **options).harvest("objects", Objects).collect().rows()
    )


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_records_is_a_table(tmp_path: Path, indent: int | None) -> None:
    assert rows(tmp_path, "objects.json", json.dumps(RECORDS, indent=indent)) == ROWS


def test_records_may_lie_in_a_document(tmp_path: Path) -> None:
    document = {
        "note": ["[", {"records": []}],
        "data": {"more": [], "records": RECORDS},
        "total": 3,
    }
    content = json.dumps(document)
    assert rows(tmp_path, "objects.json", content, records="data.records") == ROWS
    assert rows(tmp_path, "objects.json", content, records="/data/records") == ROWS


def test_a_column_may_lie_deeper_in_a_record(tmp_path: Path) -> None:
    content = '[{"id": 1, "names": {"first": "a"}}]'
    assert rows(tmp_path, "objects.json", content, fields={"title": "names.first"}) == [(1, "a")]


@pytest.mark.parametrize("suffix", [".ndjson", ".jsonl", ".ndjson.gz"])
def test_one_record_a_line_is_a_table(tmp_path: Path, suffix: str) -> None:
    import gzip

    content = "\n\n".join(map(json.dumps, RECORDS)).encode()
    data = gzip.compress(content) if suffix.endswith(".gz") else content
    assert rows(tmp_path, f"objects{suffix}", data) == ROWS


def test_values_stay_as_they_are(tmp_path: Path) -> None:
    class Exact(pa.DataFrameModel):
        price: str
        big: str

    content = '{"price": 1.50, "big": 12345678901234567890123}\n'
    (tmp_path / "objects.ndjson").write_text(content)
    frame = FolderSource(directory=str(tmp_path)).harvest("objects", Exact)
    assert frame.collect().rows() == [("1.50", "12345678901234567890123")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("objects.ndjson", '{"id": 1, "title": "a"}\n{"id": 2, "ti', "Line 2 of 'objects.ndjson' is cut off"),
        ("objects.ndjson", '{"id": 1, "title": [{"a": 1}\n{"b": 2}]}\n', "Line 1 of 'objects.ndjson' is cut off"),
        ("objects.ndjson", '{"id": 1}, {"id": 2}\n', "Line 1 of 'objects.ndjson' is not JSON"),
        ("objects.ndjson", '{"id": 1}\n[2]\n', "Line 2 of 'objects.ndjson' is '\\[2\\]', expected an object"),
        ("objects.ndjson", '{"id": 1, "id": 2}\n', "Line 1 of .* cannot be read safely"),
        ("objects.json", '[{"id": 1}, {"id": 2', "'objects.json' is cut off"),
        ("objects.json", '[{"id": 1}, {"id": 2}', "'objects.json' is cut off"),
        ("objects.json", '[{"id": 1, "title": "a"}] x', "'objects.json' is not JSON"),
        ("objects.json", '[{"id": 1} {"id": 2}]', "'objects.json' is not JSON"),
        ("objects.json", '[{"id": 1, "id": 2}]', "Record 1 of .* cannot be read safely"),
        ("objects.json", "[1, 2]", "Record 1 of 'objects.json' is '1', expected an object"),
        ("objects.json", '{"data": []}', "It has lists at 'data'. Set `records`"),
        ("objects.json", "", "'objects.json' is cut off"),
        ("objects.json", '[{"title": "a"}]', "Column 'id' is missing from 'objects'"),
        ("objects.json", '[{"id": "x", "title": "a"}]', "Field 'id' of record 1 of 'objects' is '\"x\"'"),
        ("objects.json", b'[{"id": 1, "title": "\xe9"}]', "'objects.json' is not UTF-8"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_safely_stops(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        rows(tmp_path, name, content)


def test_a_list_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no list of records at 'items'"):
        rows(tmp_path, "objects.json", '{"data": [{"id": 1}], "items2": []}', records="items")


def test_a_key_that_a_document_has_twice_is_told(tmp_path: Path) -> None:
    content = '{"a": 1, "a": 2, "data": [{"id": 1, "title": "a"}]}'
    with pytest.raises(SourceError, match=r"'objects.json' cannot be read safely"):
        rows(tmp_path, "objects.json", content, records="data")


def test_no_records_are_a_table_without_rows(tmp_path: Path) -> None:
    assert rows(tmp_path, "objects.json", " [ ] ") == []
    assert rows(tmp_path, "objects.json", '{"a": [ ]}', records="a") == []


def test_a_fault_deep_in_a_file_says_from_where_records_are_counted(tmp_path: Path) -> None:
    content = json.dumps([{"id": 1, "title": "a"}] * 10)[:-1] + ', {"id": 1, "id": 2}]'
    with (
        patch.object(_json_list, "PIECE_BYTES", 50),
        pytest.raises(SourceError, match=r"Record \d of 'objects.json' \(from record \d+ on\)"),
    ):
        rows(tmp_path, "objects.json", content)


@pytest.mark.parametrize(
    ("content", "records"),
    [
        ('[{"id": 1, "title": "' + "x" * 300 + '"}]', None),
        ('{"a": "' + "x" * 300 + '", "data": []}', "data"),
        ('{"data": [], "a": "' + "x" * 300 + '"}', "data"),
    ],
)
def test_what_would_not_fit_into_memory_is_refused(
    tmp_path: Path, content: str, records: str | None
) -> None:
    with (
        patch.object(_json_list, "MAX_PART_BYTES", 200),
        patch.object(_json_list, "PIECE_BYTES", 50),
        pytest.raises(SourceError, match=r"has a record, or something beside the list"),
    ):
        rows(tmp_path, "objects.json", content, records=records)


def test_a_line_that_would_not_fit_into_memory_is_refused(tmp_path: Path) -> None:
    with (
        patch.object(_json_file, "MAX_PART_BYTES", 200),
        patch.object(_json_file, "PIECE_BYTES", 50),
        pytest.raises(SourceError, match=r"Line 1 of 'objects.jsonl' is longer than"),
    ):
        rows(tmp_path, "objects.jsonl", json.dumps([RECORDS] * 20))


TEXT = st.text(st.sampled_from('ab{}[],:"\\\n é'), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def pieces(content: bytes, seed: int) -> Iterator[bytes]:
    source = random.Random(seed)  # noqa: S311 (no secret)
    while content:
        size = source.randint(1, 40)
        yield content[:size]
        content = content[size:]


@settings(max_examples=300, deadline=None)
@given(
    records=st.lists(st.dictionaries(TEXT, VALUES, max_size=3), max_size=8),
    beside=st.dictionaries(st.sampled_from(["a", "b"]), VALUES),
    indent=st.sampled_from([None, 1]),
    seed=st.integers(0, 1000),
)
def test_records_are_the_same_however_the_bytes_come(
    records: list[dict[str, object]], beside: dict[str, object], indent: int | None, seed: int
) -> None:
    document = {**beside, "data": records, "z": beside}
    content = json.dumps(document, indent=indent, ensure_ascii=False).encode()
    found = [
        {key: json.loads(bytes(value)) for key, value in record.items()}
        for some in record_lists(pieces(content, seed), "data", "it")
        for record in some.decode()
    ]
    assert found == records


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    titles=st.lists(st.none() | TEXT, min_size=1, max_size=8),
    cut=st.integers(1, 200),
    piece_bytes=st.integers(8, 60),
)
def test_lines_are_read_whole_or_refused(
    tmp_path: Path, titles: list[str | None], cut: int, piece_bytes: int
) -> None:
    expected = [(number, title) for number, title in enumerate(titles)]
    lines = [json.dumps({"id": number, "title": title}) for number, title in expected]
    content = "\n".join(lines).encode()
    with patch.object(_json_file, "PIECE_BYTES", piece_bytes):
        assert rows(tmp_path, "objects.ndjson", content) == expected
        try:
            found = rows(tmp_path, "objects.ndjson", content[:-cut])
        except SourceError:
            return
    # A cut between two lines shows only in the number of rows.
    assert found == expected[: len(found)]
    assert content[:-cut].decode().rstrip("\n") == "\n".join(lines[: len(found)])


def test_a_large_list_needs_little_memory_at_a_time(tmp_path: Path) -> None:
    records = [
        {"id": number, "title": f"Title {number}", "parts": [{"n": 1}, {"n": 2}]}
        for number in range(50_000)
    ]
    (tmp_path / "objects.json").write_text(json.dumps(records))

    def chunks() -> Iterator[bytes]:
        with (tmp_path / "objects.json").open("rb") as file:
            while chunk := file.read(1 << 16):
                yield chunk

    sizes = [some.count() for some in record_lists(chunks(), None, "it")]
    assert sum(sizes) == 50_000
    assert max(sizes) < 2_000
    frame = FolderSource(directory=str(tmp_path)).harvest("objects", Objects)
    assert frame.select(pl.len(), pl.col("id").sum()).collect().row(0) == (
        50_000,
        sum(range(50_000)),
    )
