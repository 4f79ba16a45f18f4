import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectionflow.contract import contract_of
from collectionflow.errors import SourceError
from collectionflow.harvest._json import RecordList, record_list
from collectionflow.harvest._json_frames import JsonFrames
from collectionflow.harvest._json_places import json_schema
from collectionflow.notes import Notes


def schema(*, coerce: bool = False, **columns: Any) -> Any:
    """Return a schema of nullable columns, by their types."""
    return pa.DataFrameSchema(
        {name: pa.Column(dtype, nullable=True) for name, dtype in columns.items()},
        coerce=coerce,
        name="Objects",
    )


class Model:
    """A schema as a contract is made of."""

    def __init__(self, schema: pa.DataFrameSchema) -> None:
        self.schema = schema

    def to_schema(self) -> pa.DataFrameSchema:
        return self.schema


def frames_of(
    fields: Mapping[str, str] | None = None, *, coerce: bool = False, **columns: Any
) -> JsonFrames:
    contract = contract_of(Model(schema(coerce=coerce, **columns)))
    return JsonFrames("objects", contract, "'page'", fields)


def frame(text: str | list[Any], *, coerce: bool = False, **columns: Any) -> pl.DataFrame:
    body = text if isinstance(text, str) else json.dumps(text)
    frames = frames_of(coerce=coerce, **columns)
    found = frames.frame([record_list(body.encode(), None, "'page'")])
    # Once their shape is known, the same records are read in another way.
    assert frames.frame([record_list(body.encode(), None, "'page'")]).equals(found)
    return found


def column(cells: str, dtype: Any, *, coerce: bool = False) -> list[Any]:
    """Return cells, given as a JSON list, as a column of a type."""
    text = ", ".join(f'{{"a": {cell}}}' for cell in split(cells))
    return frame(f"[{text}]", a=dtype, coerce=coerce).to_series().to_list()


def split(cells: str) -> list[str]:
    return [cell.strip() for cell in cells.split("|")]


def refusal(cells: str, dtype: Any, *, coerce: bool = False) -> str:
    with pytest.raises(SourceError) as raised:
        column(cells, dtype, coerce=coerce)
    return str(raised.value)


LONG = "123456789012345678901234567890123456789012345678901234567890"


def test_text_is_unescaped_and_everything_else_is_its_raw_text() -> None:
    cells = f'"é\\u00e9\\n" | 1.50 | {LONG} | 1E400 | -0 | true | null | [1.50, {{"a" : 1}}] | {{}} | ""'
    assert column(cells, str) == [
        "éé\n",
        "1.50",
        LONG,
        "1E400",
        "-0",
        "true",
        None,
        '[1.50, {"a" : 1}]',
        "{}",
        "",
    ]


def test_a_missing_key_is_null() -> None:
    assert frame('[{"a": "x"}, {}, {"a": null}]', a=str).rows() == [("x",), (None,), (None,)]


def test_flat_types_that_json_has_are_themselves() -> None:
    assert column("1 | null | -5", int) == [1, None, -5]
    assert column("18446744073709551615", pl.UInt64) == [2**64 - 1]
    assert column("true | false | null", bool) == [True, False, None]
    assert column("1.50 | 2 | null | 1e3 | -0.0", float) == [1.5, 2.0, None, 1000.0, 0.0]


def test_what_the_contract_coerces_comes_as_text() -> None:
    assert column("1.0 | 7 | true", int, coerce=True) == ["1.0", "7", "true"]
    assert column('"2020-01-02"', date, coerce=True) == ["2020-01-02"]


def test_types_that_json_has_not_come_as_text() -> None:
    assert column('"2020-01-02" | 1.10', date) == ["2020-01-02", "1.10"]
    assert column("1.10", pl.Decimal(10, 2)) == ["1.10"]
    assert column("0.1", pl.Float32) == ["0.1"]


@pytest.mark.parametrize(
    ("cell", "dtype"),
    [
        ("1.0", int),
        ("1e2", int),
        ('"1"', int),
        ("true", int),
        ("[1]", int),
        ("9223372036854775808", int),
        ("-9223372036854775809", int),
        ("300", pl.UInt8),
        ("-1", pl.UInt64),
        (LONG, int),
        ("1" * 5000, int),
        ("1", bool),
        ('"true"', bool),
        ('"1.5"', float),
        ("true", float),
        ("1e400", float),
        ("9007199254740993", float),
        ("0.1000000000000000055", float),
        ("0.000000000000000000000e-400000000000001", float),
    ],
)
def test_a_value_that_its_column_does_not_hold_is_named(cell: str, dtype: Any) -> None:
    if "e-4" in cell:
        assert column(cell, dtype) == [0.0]
        return
    message = refusal(f"null | {cell} | {cell}", dtype)
    assert "Field 'a' of record 2 of 'objects' is" in message
    assert f"'{cell[:60]}" in message
    assert "make it a `str` in Objects" in message


@pytest.mark.parametrize(
    "text",
    [
        "0.30000000000000004",
        "0.10000000000000001",
        "36.629999999999995",
        f"{2**60}",
        "1.50000000000000000000",
    ],
)
def test_a_float_that_some_program_writes_so_is_taken(text: str) -> None:
    assert column(text, float) == [float(text)]


def test_the_number_of_a_record_counts_earlier_frames() -> None:
    frames = frames_of(a=int)
    frames.frame([record_list(b'[{"a": 1}, {"a": 2}]', None, "'page'")])
    with pytest.raises(SourceError, match="of record 4 of"):
        frames.frame([record_list(b'[{"a": 1}, {"a": 2.5}]', None, "'page'")])


def test_lists_and_objects_stay_nested() -> None:
    makers = pl.List(pl.Struct({"id": pl.Int64, "name": pl.String, "roles": pl.List(pl.String)}))
    cells = '[{"id": 1, "name": "A", "roles": ["x", "y"]}, {"roles": []}, null] | [] | null | [{"id": 2}]'
    assert column(cells, makers) == [
        [
            {"id": 1, "name": "A", "roles": ["x", "y"]},
            {"id": None, "name": None, "roles": []},
            None,
        ],
        [],
        None,
        [{"id": 2, "name": None, "roles": None}],
    ]


def test_an_object_that_is_null_is_no_object_of_nulls() -> None:
    assert column('{"a": null} | null | {}', pl.Struct({"a": pl.Int64})) == [
        {"a": None},
        None,
        {"a": None},
    ]


def test_text_inside_of_nested_values_keeps_its_digits() -> None:
    cells = f'["a", 1.50, {LONG}, true, {{"b" : 1.50}}, null]'
    assert column(cells, pl.List(pl.String)) == [["a", "1.50", LONG, "true", '{"b" : 1.50}', None]]


def test_an_array_has_its_width() -> None:
    assert column("[1.5, 2] | null", pl.Array(pl.Float64, 2)) == [[1.5, 2.0], None]
    assert "Field 'a' of record 2 of 'objects' is '[1]'" in refusal(
        "[1, 2] | [1]", pl.Array(pl.Int64, 2)
    )


@pytest.mark.parametrize(
    ("cells", "dtype", "record", "where", "value"),
    [
        ("[] | [1, 2] | [3, 4.5]", pl.List(pl.Int64), 3, "a", "4.5"),
        ("[[1], []] | [[], [2, 3], [true]]", pl.List(pl.List(pl.Int64)), 2, "a", "true"),
        ("[1] | 5", pl.List(pl.Int64), 2, "a", "5"),
        ('{"b": 1} | [1]', pl.Struct({"b": pl.Int64}), 2, "a", "[1]"),
        ('{"b": 1} | {"b": "1"}', pl.Struct({"b": pl.Int64}), 2, "a.b", '"1"'),
        ('{"b": 1} | {"b": 1, "b": 2}', pl.Struct({"b": pl.Int64}), 2, "a", '{"b": 1, "b": 2}'),
        (
            '[{"b": 1}] | [{"b": 1}, {"b": 1e9}]',
            pl.List(pl.Struct({"b": pl.Int64})),
            2,
            "a.b",
            "1e9",
        ),
    ],
)
def test_a_nested_value_that_does_not_fit_is_named(
    cells: str, dtype: Any, record: int, where: str, value: str
) -> None:
    message = refusal(cells, dtype)
    assert f"Field '{where}' of record {record} of 'objects' is '{value}', expected" in message


def test_nested_types_that_json_has_not_are_cast_strictly_where_the_contract_coerces() -> None:
    dated = pl.List(pl.Struct({"on": pl.Date, "price": pl.Decimal(10, 2), "count": pl.Int64}))
    cells = '[{"on": "2020-01-02", "price": 1.50, "count": "7"}, {"count": 8}]'
    assert column(cells, dated, coerce=True) == [
        [
            {"on": date(2020, 1, 2), "price": Decimal("1.50"), "count": 7},
            {"on": None, "price": None, "count": 8},
        ]
    ]
    assert "'\"02/01/2020\"', expected Date" in refusal(
        '[{"on": "02/01/2020"}]', dated, coerce=True
    )
    assert "'1.505', expected Decimal" in refusal('[{"price": 1.505}]', dated, coerce=True)


def test_nested_types_that_json_has_not_are_text_where_it_does_not() -> None:
    kinds = {
        "a": pl.List(pl.Date),
        "b": pl.Struct({"on": pl.Date, "is": pl.Boolean}),
        "c": pl.Array(pl.Decimal(10, 2), 1),
    }
    contract = contract_of(Model(schema(**kinds)))
    assert json_schema(contract) == {
        "a": pl.List(pl.String),
        "b": pl.Struct({"on": pl.String, "is": pl.Boolean}),
        "c": pl.Array(pl.String, 1),
    }
    text = '[{"a": ["2020"], "b": {"on": 1, "is": true}, "c": [1.10]}]'
    assert frame(text, **kinds).rows() == [(["2020"], {"on": "1", "is": True}, ["1.10"])]


def test_columns_come_from_inside_of_records() -> None:
    fields = {"maker": "attributes.maker.name", "title": "/attributes/dc.title"}
    frames = frames_of(fields, id=int, maker=str, title=str)
    body = b"""[
        {"id": 1, "attributes": {"dc.title": "T", "maker": {"name": "A"}}},
        {"id": 2, "attributes": {"maker": null}},
        {"id": 3}
    ]"""
    assert frames.frame([record_list(body, None, "'page'")], ["title", "maker"]).rows() == [
        ("T", "A"),
        (None, None),
        (None, None),
    ]


def test_a_list_on_the_way_to_a_column_is_named() -> None:
    frames = frames_of({"maker": "makers.name"}, maker=str)
    body = b'[{"makers": {"name": "A"}}, {"makers": [{"name": "B"}]}]'
    with pytest.raises(SourceError, match=r"Field 'makers' of record 2 .* expected an object"):
        frames.frame([record_list(body, None, "'page'")])


def test_names_that_are_nearly_alike_are_never_merged() -> None:
    frames = frames_of(objectID=int)
    body = b'[{"objectID": 1, "Object ID": 2, "object_id": 3}]'
    assert frames.frame([record_list(body, None, "'page'")]).rows() == [(1,)]
    notes = Notes()
    frames.finish(notes)
    (warning,) = notes.warnings
    assert "keys that Objects does not name" in warning
    assert warning.endswith("left behind: 'Object ID' (1), 'object_id' (1).")


def test_keys_that_nobody_named_are_counted_over_the_whole_harvest() -> None:
    frames = frames_of(a=pl.List(pl.Struct({"b": pl.Int64})))
    for body in (b'[{"a": [{"b": 1, "c": 2}], "d": 3}]', b'[{"d": 1}, {"d": 2, "a": [{"b": 1}]}]'):
        frames.frame([record_list(body, None, "'page'")])
    notes = Notes()
    frames.finish(notes)
    (warning,) = notes.warnings
    assert warning.endswith("left behind: 'd' (3), 'a.c' (1).")


def test_keys_that_are_data_do_not_fill_the_memory_or_the_page() -> None:
    frames = frames_of(a=int)
    records = [{"a": 1, **{f"key {number}": 1 for number in range(2000)}}]
    frames.frame([record_list(json.dumps(records).encode(), None, "'page'")])
    notes = Notes()
    frames.finish(notes)
    (warning,) = notes.warnings
    assert warning.count("key ") == 20
    assert warning.endswith("and 979 more.")


def test_a_required_column_that_no_record_has_is_an_error() -> None:
    frames = frames_of(title=str, id=int)
    frames.frame([record_list(b'[{"id": 1, "Title": "x"}]', None, "'page'")])
    with pytest.raises(SourceError) as raised:
        frames.finish(Notes())
    message = str(raised.value)
    assert "Column 'title' is missing from 'objects'. 'page' has: 'id', 'Title'." in message
    assert "Is 'title' now 'Title'?" in message


def test_a_column_inside_of_records_that_no_record_has_is_an_error() -> None:
    frames = frames_of({"maker": "maker.name"}, id=int, maker=str)
    frames.frame([record_list(b'[{"id": 1, "maker": null}]', None, "'page'")])
    with pytest.raises(SourceError, match="Column 'maker' is missing"):
        frames.finish(Notes())


def test_a_nested_key_that_no_record_has_is_a_warning() -> None:
    frames = frames_of(a=pl.Struct({"b": pl.Int64, "c": pl.Int64}))
    frames.frame([record_list(b'[{"a": {"b": 1}}]', None, "'page'")])
    notes = Notes()
    frames.finish(notes)
    (warning,) = notes.warnings
    assert "'page' has no 'a.c' in any record." in warning


def test_an_object_of_which_nothing_is_wanted_is_there_or_not() -> None:
    assert frame('[{"a": {"b": 1}}, {"a": null}, {}]', a=pl.Struct({})).rows() == [
        ({},),
        (None,),
        (None,),
    ]


@pytest.mark.parametrize("number", ["1e-4000", "-1E-400", "1.3e-323"])
def test_a_number_that_is_too_small_is_never_rounded_to_another(number: str) -> None:
    assert f"is '{number}', expected Float64" in refusal(f"1e5 | {number}", float)
    assert column(f"1e5 | {number}", str) == ["1e5", number]


def test_no_records_say_nothing_of_the_keys() -> None:
    frames = frames_of(a=int)
    assert frames.frame([]).schema == {"a": pl.Int64}
    notes = Notes()
    frames.finish(notes)
    assert notes.warnings == []


def later(frames: JsonFrames, *bodies: bytes) -> list[Any]:
    """Return the rows of a document that comes after others, whose shape is known then."""
    found = [frames.frame([record_list(body, None, "'page'")]) for body in bodies]
    return found[-1].rows()


def test_several_columns_come_from_one_key_once_its_shape_is_known() -> None:
    fields = {"name": "maker.name", "whole": "maker", "again": "id"}
    frames = frames_of(fields, id=int, again=int, name=str, whole=str)
    body = b'[{"id": 1, "maker": {"name": "a:b"}}, {"id": 2, "maker": null}]'
    assert later(frames, body, body) == [(1, 1, "a:b", '{"name": "a:b"}'), (2, 2, None, None)]


def test_keys_that_come_late_or_go_are_read_once_the_shape_is_known() -> None:
    frames = frames_of(
        {"name": "maker.name"}, a=int, b=pl.List(pl.Struct({"c": str, "d": int})), name=str
    )
    known = b'[{"a": 1, "b": [{"c": "x"}], "maker": {"name": "A"}}, {"b": [], "maker": null}]'
    late = b'[{"b": [null, {"d": 2}], "maker": {"name": "B", "id": 1}}, {"a": 2, "new": 1}]'
    rows = [(None, [None, {"c": None, "d": 2}], "B"), (2, None, None)]
    assert later(frames, known, known) == [(1, [{"c": "x", "d": None}], "A"), (None, [], None)]
    assert later(frames, late) == rows
    assert later(frames, late) == rows


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a": 1, "a": 2, "b": {"c": "x"}}]',
        b'[{"a": 1, "b": {"c": "x", "c": "x"}}]',
        b'[{"a": 1, "a": 2, "b": {"c": "\\u003a"}}]',
        b'[{"a": 1, "\\u0061": 2, "b": {"c": "x"}}]',
    ],
)
def test_a_key_that_comes_twice_is_refused_though_the_shape_is_known(body: bytes) -> None:
    frames = frames_of(a=int, b=pl.Struct({"c": str}))
    known = b'[{"a": 1, "b": {"c": "x:y"}}]'
    assert later(frames, known, known) == [(1, {"c": "x:y"})]
    with pytest.raises(SourceError, match=r"uplicate key|has no key twice"):
        later(frames, body)


def test_records_of_a_known_shape_are_not_taken_apart() -> None:
    def decode() -> list[Any]:
        raise AssertionError

    frames = frames_of(a=str, b=pl.List(pl.Struct({"c": int})))
    later(frames, b'[{"a": "x", "b": [{"c": 1, "d": "y"}], "e": {}}]')
    # As servers write it that escape what could be HTML.
    body = b'[{"a": "\\u003ci\\u003e:", "b": [{"c": 2, "d": null}], "e": 1}]'
    assert frames.frame([RecordList(body, decode)]).rows() == [("<i>:", [{"c": 2}])]


def test_an_escaped_colon_is_read_though_the_shape_is_known() -> None:
    frames = frames_of(a=str)
    assert later(frames, b'[{"a": "x"}]', b'[{"a": "\\u003a"}]') == [(":",)]


def test_a_value_of_another_type_is_named_though_the_shape_is_known() -> None:
    frames = frames_of(a=int, b=str)
    later(frames, b'[{"a": 1, "b": "x"}]')
    assert later(frames, b'[{"a": 2, "b": 1.50}]') == [(2, "1.50")]
    with pytest.raises(SourceError, match=r"Field 'a' of record 4 of 'objects' is '2.5'"):
        later(frames, b'[{"a": 1, "b": "x"}, {"a": 2.5, "b": "x"}]')


COLUMNS: dict[str, Any] = {
    "text": pl.String(),
    "whole": pl.Int64(),
    "float": pl.Float64(),
    "flag": pl.Boolean(),
    "list": pl.List(pl.String),
    "object": pl.Struct({"whole": pl.Int64, "text": pl.String}),
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["\x00", "😀", "a:b", '"', "\\", "null"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*COLUMNS, "x", "a:b"]), inner, max_size=3)
    ),
    max_leaves=6,
)
fitting = st.fixed_dictionaries(
    {},
    optional={
        "text": scalars,
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "float": st.none()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(2**60), 2**60),
        "flag": st.none() | st.booleans(),
        "list": st.none() | st.lists(values, max_size=3),
        "object": st.none()
        | st.fixed_dictionaries({}, optional={"whole": st.integers(-9, 9), "text": values}),
        "more": values,
    },
)
odd_tokens = st.sampled_from(
    ["NaN", "1.50", "1e400", "1e-400", "-0", "01", "9007199254740993", LONG, '"\\ud800"', '"\\ud83d\\ude00"',
     '{"a":1,"a":2}', '"text":1,', "[" * 300, "{", "}", "]", ",", ":", '"', "\\", "\x00", "\xff", " ", "tru", "\\u003a"]
)  # fmt: skip


def written(records: Any, *, is_ascii: bool, is_spaced: bool) -> str:
    return json.dumps(
        records, ensure_ascii=is_ascii, separators=(", ", ": ") if is_spaced else (",", ":")
    )


documents = st.builds(
    written,
    st.lists(
        fitting | st.dictionaries(st.sampled_from([*COLUMNS, "x"]), values, max_size=4), max_size=4
    ),
    is_ascii=st.booleans(),
    is_spaced=st.booleans(),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a document that was cut off, had bytes replaced or something odd put in."""
    body = draw(documents).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.integers(1, 2))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 4)))
        odd = draw(odd_tokens).encode("latin-1")
        kind = draw(st.sampled_from(["cut", "replace", "insert", "drop"]))
        body = {
            "cut": body[:start],
            "replace": body[:start] + odd + body[end:],
            "insert": body[:start] + odd + body[start:],
            "drop": body[:start] + body[end:],
        }[kind]
    return body


def parsed(body: bytes) -> Any:
    """Read a document by Python's own parser, numbers as they are written."""

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        # In a column that is read, no key may come twice.
        return dict(members)

    def constant(name: str) -> Any:
        raise ValueError(name)

    return json.loads(
        body.decode(),
        parse_float=Number,
        parse_int=Number,
        parse_constant=constant,
        object_pairs_hook=pairs,
    )


class Number(str):
    """A number as it is written."""

    __slots__ = ()


def is_kept(found: Any, sent: Any, dtype: Any) -> bool:
    """Return whether a cell is what was sent: the same text, number, list or object."""
    if sent is None or found is None:
        return sent is None and found is None
    if isinstance(dtype, pl.List):
        same = (is_kept(one, other, dtype.inner) for one, other in zip(found, sent, strict=True))
        return all(same)
    if isinstance(dtype, pl.Struct):
        return all(
            is_kept(found[each.name], sent.get(each.name), each.dtype) for each in dtype.fields
        )
    if dtype == pl.String:
        return found == sent if isinstance(sent, str) else parsed(found.encode()) == sent
    if dtype == pl.Boolean:
        return found is sent
    ways = {Decimal(found), Decimal(repr(found)), Decimal(f"{found:.17g}")}
    return isinstance(sent, Number) and Decimal(sent) in ways


def read(body: bytes) -> tuple[pl.DataFrame, Any] | None:
    """Return what we and Python read from a document, None where we refuse it."""
    try:
        return read_twice(body), parsed(body)
    except SourceError:
        return None


def read_twice(body: bytes) -> pl.DataFrame:
    """Return what we read, which must be the same where the shape is known."""
    frames = frames_of(**COLUMNS)
    found = frames.frame([record_list(body, None, "'page'")])
    assert frames.frame([record_list(body, None, "'page'")]).equals(found)
    return found


def outcome(frames: JsonFrames, body: bytes) -> tuple[list[Any], list[str]] | str:
    """Return what is read and told, or the error."""
    notes = Notes()
    try:
        rows = frames.frame([record_list(body, None, "'page'")]).rows()
        frames.finish(notes)
    except SourceError as error:
        return str(error)
    return rows, notes.warnings


def assert_every_value_is_kept(found: pl.DataFrame, sent: list[dict[str, Any]]) -> None:
    assert found.height == len(sent)
    for row, record in zip(found.iter_rows(named=True), sent, strict=True):
        for name, dtype in COLUMNS.items():
            assert is_kept(row[name], record.get(name), dtype), (name, row[name], record.get(name))


QUICK = settings(max_examples=850, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(documents)
def test_every_value_is_kept_or_the_document_is_refused(text: str) -> None:
    if both := read(text.encode("utf-8", "surrogatepass")):
        assert_every_value_is_kept(*both)


@QUICK
@given(damaged())
def test_a_damaged_document_is_refused_or_read_as_python_reads_it(body: bytes) -> None:
    if both := read(body):
        assert_every_value_is_kept(*both)


@settings(parent=QUICK, max_examples=200)
@given(st.lists(fitting, max_size=5))
def test_a_document_that_fits_is_never_refused(records: list[dict[str, Any]]) -> None:
    body = json.dumps(records).encode()
    whole = [record.get("float") for record in records if isinstance(record.get("float"), int)]
    if all(int(float(each)) == each for each in whole):
        assert_every_value_is_kept(read_twice(body), parsed(body))


@QUICK
@given(documents, documents.map(str.encode) | damaged())
def test_a_shape_that_was_learned_changes_nothing(before: str, body: bytes) -> None:
    shaped = frames_of(**COLUMNS)
    try:
        first = outcome(shaped, before.encode())
    except UnicodeEncodeError:
        return
    plain = frames_of(**COLUMNS)
    plain._lessons_left = 0
    assert outcome(plain, before.encode()) == first
    assert outcome(shaped, body) == outcome(plain, body)
