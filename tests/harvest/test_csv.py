import csv
import io
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectionflow import Frame, SourceError
from collectionflow.harvest import FolderSource, TableSource, _archive, _csv_rows
from collectionflow.harvest._csv_faults import fault_in


class Objects(pa.DataFrameModel):
    """The columns that these tests ask for; all text."""

    id: str
    title: str = pa.Field(nullable=True)
    note: str = pa.Field(nullable=True)


Write = Callable[[str | bytes], FolderSource]
GOOD = 'id,title,note\n007,"A, ""B""",n/a\n2,Émile,\n3,,""\n'
ROWS = [("007", 'A, "B"', "n/a"), ("2", "Émile", None), ("3", None, "")]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the table `objects` as a file and return its folder as a source."""

    def write(content: str | bytes) -> FolderSource:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "objects.csv").write_bytes(data)
        return FolderSource(directory=str(tmp_path))

    return write


def rows(source: TableSource) -> list[tuple[str | None, ...]]:
    return source.harvest("objects", Objects).collect().rows()


def harvest(source: TableSource, tmp_path: Path) -> tuple[bool, str]:
    """Harvest through real storage, and return whether that went well and what it said."""

    @dg.asset
    def objects(tms: TableSource) -> Frame[Objects]:
        return tms.harvest("objects", Objects)

    from collectionflow import ParquetIOManager

    storage = ParquetIOManager(base_dir=str(tmp_path / "stored"))
    result = dg.materialize(
        [objects], resources={"tms": source, "io_manager": storage}, raise_on_error=False
    )
    if result.success:
        (event,) = result.asset_materializations_for_node("objects")
        return True, str({name: value.value for name, value in event.metadata.items()})
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    data = failed.step_failure_data.user_failure_data
    assert data is not None
    return False, data.description or ""


def test_every_cell_stays_as_it_was(write: Write) -> None:
    assert rows(write(GOOD)) == ROWS


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GOOD.encode("utf-8-sig"), id="byte order mark"),
        pytest.param(GOOD.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(GOOD.replace("\n", "\r").encode(), id="CR"),
        pytest.param(GOOD.encode("utf-16"), id="UTF-16"),
        pytest.param(GOOD.replace(",", ";").replace("A;", "A,").encode(), id="semicolons"),
        pytest.param(GOOD.replace(",", "\t").replace("A\t", "A,").encode(), id="tabs"),
        pytest.param(GOOD.replace(",", "|").replace("A|", "A,").encode(), id="bars"),
    ],
)
def test_the_format_is_detected(write: Write, content: bytes) -> None:
    assert rows(write(content)) == ROWS


def test_the_format_is_told_on_the_page(write: Write, tmp_path: Path) -> None:
    is_success, metadata = harvest(write(GOOD.replace("\n", "\r\n")), tmp_path)
    assert is_success
    assert "objects.csv (CSV, utf-8, ',' between cells, CRLF line ends; 53 bytes, 20" in metadata


def test_a_declared_encoding_is_read(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_bytes(GOOD.encode("cp1252"))
    source = FolderSource(directory=str(tmp_path), encoding="cp1252")
    assert rows(source) == ROWS
    assert source.harvest("objects", Objects).head(1).collect().height == 1


def test_utf_8_is_not_read_as_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_bytes(GOOD.encode())
    source = FolderSource(directory=str(tmp_path), encoding="cp1252")
    with pytest.raises(SourceError, match=r"'objects\.csv' is UTF-8, but the source is set to"):
        rows(source)


def test_plain_ascii_is_any_encoding(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_bytes(b"id,title,note\n1,a,b\n")
    assert rows(FolderSource(directory=str(tmp_path), encoding="cp1252")) == [("1", "a", "b")]


def test_an_undeclared_encoding_is_told_by_line(write: Write, tmp_path: Path) -> None:
    is_success, reason = harvest(write(GOOD.encode("cp1252")), tmp_path)
    assert not is_success
    assert "line 3 has the byte 0xC9 after '2,'" in reason
    assert "encoding='cp1252'" in reason


def test_a_byte_far_down_that_is_not_text_is_told_by_line(write: Write, tmp_path: Path) -> None:
    content = b"id,title,note\n" + b"1,a,b\n" * 9_000 + b"2,caf\xe9,c\n"
    is_success, reason = harvest(write(content), tmp_path)
    assert not is_success
    assert "line 9002 has the byte 0xE9 after '2,caf'" in reason


def test_an_encoding_that_there_is_not_is_told(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_text(GOOD)
    with pytest.raises(SourceError, match=r"There is no encoding 'cp12522'"):
        rows(FolderSource(directory=str(tmp_path), encoding="cp12522"))


def test_a_file_of_several_bytes_a_character_is_told_where_it_is_cut(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_bytes("id,title,note\n1,日本,b\n".encode("shift_jis")[:-4])
    source = FolderSource(directory=str(tmp_path), encoding="shift_jis", must_end_line=False)
    with pytest.raises(SourceError, match=r"'objects\.csv' is not shift_jis; it may have been cut"):
        rows(source)


def test_half_a_character_in_the_middle_of_utf_16_is_told(write: Write) -> None:
    content = "id,title,note\n1,a,b\n".encode("utf-16") + b"\x00\xd8\x00\xd8\x00\xd8"
    with pytest.raises(SourceError, match=r"'objects\.csv' is not utf-16"):
        rows(write(content))


def test_utf_16_without_its_mark_is_told(write: Write, tmp_path: Path) -> None:
    write(GOOD.encode("utf-16-le"))
    with pytest.raises(SourceError, match=r"has zero bytes in its header. If it is UTF-16"):
        rows(FolderSource(directory=str(tmp_path)))
    assert rows(FolderSource(directory=str(tmp_path), encoding="utf-16-le")) == ROWS


def test_zero_bytes_in_a_cell_stay(write: Write) -> None:
    assert rows(write("id,title,note\n1,a\x00b,c\n")) == [("1", "a\x00b", "c")]


def test_a_header_with_a_quote_that_is_not_closed_is_told(write: Write) -> None:
    with pytest.raises(SourceError, match=r"The header of 'objects\.csv' cannot be read"):
        rows(write('"id"x,"title,note\n1,a,b\n'))


def test_a_header_that_does_not_end_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"does not end with a line end"):
        rows(write("id,title,note"))
    assert rows(FolderSource(directory=str(tmp_path), must_end_line=False)) == []


def test_a_file_that_is_replaced_before_it_is_read_is_told(write: Write) -> None:
    frame = write(GOOD).harvest("objects", Objects)
    write("title,id,note\na,1,b\n")
    with pytest.raises(SourceError, match=r"'objects\.csv' was replaced while it was read"):
        frame.collect()


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_csv_rows, "MAX_ROW_BYTES", 100)
    with pytest.raises(SourceError, match=r"line 2 cannot be read"):
        rows(write('id,title,note\n1,"a' + "\n" * 200))


def test_a_quote_in_a_cell_that_is_not_quoted_is_a_quote(write: Write) -> None:
    assert rows(write('id,title,note\n1,5" x 7",\n')) == [("1", '5" x 7"', None)]


def test_a_fault_that_has_no_name_still_stops() -> None:
    error = fault_in(b"1,a\n", ",", 2, "'objects.csv'", 7)
    assert str(error).startswith("'objects.csv' cannot be read safely behind line 7")


def test_line_ends_may_differ(write: Write) -> None:
    content = 'id,title,note\n1,a,b\r\n2,"c\r\nd",e\n3,f,\r4,g,h\n'
    assert rows(write(content)) == [
        ("1", "a", "b"), ("2", "c\r\nd", "e"), ("3", "f", None), ("4", "g", "h"),
    ]  # fmt: skip


def test_a_fault_far_down_is_told_by_its_line(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_archive, "CHUNK_BYTES", 40)
    content = "id,title,note\r\n" + '1,"a\r\nb",c\r\n' * 500 + "2,d\r\n"
    with pytest.raises(SourceError, match=r"line 1002 has 2 cells"):
        rows(write(content))


def test_a_header_that_is_not_text_is_told(write: Write) -> None:
    with pytest.raises(SourceError, match=r"'objects\.csv' is not utf-8: line 1 has the byte 0xE9"):
        rows(write("id,titlé,note\n".encode("cp1252")))


def test_utf_16_cut_in_a_character_is_told(write: Write) -> None:
    with pytest.raises(SourceError, match=r"'objects\.csv' is not utf-16"):
        rows(write("id,title,note\n1,a,b\n".encode("utf-16") + b"\n"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,title,note\n1,a,b\n2,c\n", "line 3 has 2 cells"),
        ("id,title,note\n1,a,b\n2,c,d,e\n", "line 3 has 4 cells"),
        ("id,title,note\n1,a,\n\n3,c,d\n", "line 3 is blank"),
        ('id,title,note\n1,"a,b\n2,c,d\n', "line 2 cannot be read"),
        ('id,title,note\n1,a,b\n2,"c"d,e\n', "line 3 cannot be read"),
        ("id,title,note\n" + "1\n" * 9, "line 6 has 1 cells; and more"),
    ],
)
def test_rows_that_do_not_fit_are_told_by_line(
    write: Write, tmp_path: Path, content: str, reason: str
) -> None:
    is_success, told = harvest(write(content), tmp_path)
    assert not is_success
    assert "rows that do not fit its header of 3 cells" in told
    assert reason in told


def test_a_fault_beside_a_right_file_keeps_its_own_words(tmp_path: Path, write: Write) -> None:
    @dg.asset
    def objects(tms: TableSource) -> pl.LazyFrame:
        return tms.harvest("objects", Objects).select(pl.col("id").cast(pl.Int64) // 0, "nope")

    result = dg.materialize(
        [objects],
        resources={"tms": write(GOOD), "io_manager": _storage(tmp_path)},
        raise_on_error=False,
    )
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "nope" in str(failed.step_failure_data.error)


def _storage(tmp_path: Path) -> dg.ConfigurableIOManager:
    from collectionflow import ParquetIOManager

    return ParquetIOManager(base_dir=str(tmp_path / "stored"))


def test_a_last_column_that_is_often_empty_is_right(write: Write) -> None:
    assert len(rows(write("id,title,note\n" + "1,a,\n" * 1_000))) == 1_000


def test_a_cut_last_row_stops_the_harvest(write: Write) -> None:
    with pytest.raises(SourceError, match=r"does not end with a line end, so its last row may"):
        rows(write("id,title,note\n1,a,b\n2,c,d"))


def test_a_source_that_never_ends_its_last_line_may_say_so(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").write_text("id,title,note\n1,a,b")
    source = FolderSource(directory=str(tmp_path), must_end_line=False)
    assert rows(source) == [("1", "a", "b")]


def test_an_empty_file_is_no_table(write: Write) -> None:
    with pytest.raises(SourceError, match=r"'objects\.csv' is empty: it has not even a header"):
        rows(write(""))


def test_only_a_header_is_a_table_without_rows(write: Write) -> None:
    assert rows(write("id,title,note\n")) == []


def test_a_missing_column_is_told_with_what_is_there(write: Write) -> None:
    with pytest.raises(SourceError) as error:
        rows(write("id,Titel,note\n1,a,b\n"))
    assert str(error.value).startswith(
        "Column 'title' is missing from 'objects'. 'objects.csv' has: 'id', 'Titel', 'note'. "
        "Is 'title' now 'Titel'?"
    )


def test_several_missing_columns_are_told_at_once(write: Write) -> None:
    with pytest.raises(SourceError, match=r"Columns 'title', 'note' are missing from 'objects'"):
        rows(write("id,x\n1,a\n"))


def test_a_wanted_column_that_is_there_twice_stops(write: Write) -> None:
    with pytest.raises(SourceError, match=r"more than one column 'title'"):
        rows(write("id,title,title,note\n1,a,b,c\n"))


def test_unwanted_columns_are_a_warning_even_if_repeated(write: Write, tmp_path: Path) -> None:
    source = write("x,id,title,note,x\n9,1,a,b,8\n")
    assert rows(source) == [("1", "a", "b")]
    is_success, metadata = harvest(source, tmp_path)
    assert is_success
    assert "'objects.csv' has columns that Objects does not name: 'x'" in metadata


def test_columns_may_come_in_any_order(write: Write) -> None:
    assert rows(write("note,id,title\nb,1,a\n")) == [("1", "a", "b")]


def test_a_header_may_have_line_ends_in_quotes(tmp_path: Path) -> None:
    class Odd(pa.DataFrameModel):
        odd: str = pa.Field(alias="a\nb")

    (tmp_path / "objects.csv").write_text('"a\nb",c\n1,2\n')
    frame = FolderSource(directory=str(tmp_path)).harvest("objects", Odd).collect()
    assert frame.rows() == [("1",)]


def test_a_long_cell_is_kept_whole(write: Write) -> None:
    long = "x" * 200_000
    assert rows(write(f'id,title,note\n1,"{long}",\n')) == [("1", long, None)]


CELLS = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=12
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    table=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_python_writes_comes_back_cell_for_cell(
    tmp_path: Path,
    table: list[tuple[str, str, str]],
    delimiter: str,
    line_end: str,
    encoding: str,
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "title", "note"), *table])
    (tmp_path / "objects.csv").write_bytes(text.getvalue().encode(encoding))
    assert rows(FolderSource(directory=str(tmp_path))) == table
