import msgspec
import pytest

from collectionflow.errors import SourceError
from collectionflow.harvest._json import (
    Record,
    decode_lines,
    decode_records,
    steps,
    value_at,
)
from collectionflow.harvest._json_faults import CutOff


def raw(records: list[Record]) -> list[dict[str, bytes]]:
    return [{key: bytes(value) for key, value in record.items()} for record in records]


def refusal(body: bytes, path: str | None = None) -> str:
    with pytest.raises(SourceError) as raised:
        decode_records(body, path, "'page'")
    assert not isinstance(raised.value, CutOff)
    return str(raised.value)


def test_values_are_the_text_that_they_were() -> None:
    body = b'[{"a": 1.50, "b": {"c" : [1e400]}, "d": "\\u00e9", "e": null, "f": -0}]'
    assert raw(decode_records(body, None, "'page'")) == [
        {"a": b"1.50", "b": b'{"c" : [1e400]}', "d": b'"\\u00e9"', "e": b"null", "f": b"-0"}
    ]


def test_an_empty_list_has_no_records() -> None:
    assert decode_records(b"[]", None, "'page'") == []


def test_a_byte_order_mark_is_passed_over() -> None:
    assert len(decode_records(b'\xef\xbb\xbf[{"a": 1}]', None, "'page'")) == 1
    assert len(decode_lines(b'\xef\xbb\xbf{"a": 1}\n', "'file'")) == 1


@pytest.mark.parametrize("path", ["data.items", "/data/items"])
def test_a_path_leads_to_the_records(path: str) -> None:
    body = b'{"data": {"items": [{"a": 1}]}, "items": []}'
    assert raw(decode_records(body, path, "'page'")) == [{"a": b"1"}]


def test_a_json_pointer_reaches_keys_with_dots_and_slashes() -> None:
    assert steps("/dc.title/a~1b/c~0d") == ("dc.title", "a/b", "c~d")


def test_a_missing_path_is_told_with_the_lists_that_there_are() -> None:
    message = refusal(b'{"data": [], "included": [], "total": 3}', "items")
    assert "no list of records at 'items'" in message
    assert "It has lists at 'data', 'included'." in message


def test_a_document_that_is_no_list_is_told_with_its_lists() -> None:
    message = refusal(b'{"data": [{"a": 1}]}')
    assert "expected a list of objects" in message
    assert "It has lists at 'data'." in message
    assert "It has 'error'." in refusal(b'{"error": "no such table"}')
    assert "is '\"text\"', expected a list" in refusal(b'"text"')


def test_a_path_through_a_list_is_refused() -> None:
    assert "expected an object with 'items'" in refusal(b'{"data": [1]}', "data.items")


def test_a_path_to_something_else_is_refused() -> None:
    message = refusal(b'{"data": {"a": 1}}', "data")
    assert """'page' at 'data' is '{"a": 1}', expected a list of objects.""" in message


@pytest.mark.parametrize("cell", ["null", "5", '"text"', "[1]"])
def test_a_record_that_is_no_object_is_named(cell: str) -> None:
    message = refusal(f'[{{"a": 1}}, {cell}]'.encode())
    assert f"Record 2 of 'page' is '{cell}', expected an object." in message


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a": 1, "a": 2}]',
        b'[{"b": 1}, {"a": 1, "b": 2, "a": 1}]',
        b'[{"a": 1, "\\u0061": 2}]',
        b'[{"a:b": 1, "a:b": 2}]',
        b'[{"a\\u003ab": 1, "a:b": 2}]',
        b'[{"a\\u003Ab": 1, "a": 2, "a": 3}]',
        b'{"x": 1, "x": 2}',
    ],
)
def test_a_key_that_comes_twice_is_refused(body: bytes) -> None:
    message = refusal(body, None if body.startswith(b"[") else "data")
    assert "uplicate key" in message
    assert "Which of the two values holds is not known." in message


def test_the_record_with_a_double_key_is_named() -> None:
    assert "Record 2 of 'page'" in refusal(b'[{"a": 1}, {"a": 1, "a": 1}]')


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a:b": "x:y", "c": {"d:e": "f:g"}}]',
        b'[{"a\\u003ab": "x:\\u003a", "c": 1}]',
        b'[ { "a" : "\\u003a" , "b" : [ { "c" : 1 } , { "c" : 2 } ] } ]',
    ],
)
def test_colons_anywhere_are_no_double_keys(body: bytes) -> None:
    assert len(decode_records(body, None, "'page'")) == 1


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "'a'", '"\\x"', '"\t"', "tru", "[1,]"],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    message = refusal(f'[{{"a": {text}}}]'.encode())
    assert "is not JSON that can be read" in message
    assert 'It begins with \'[{"a":' in message


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00", "\\ud800\\u0041", "\\ud83dx"])
@pytest.mark.parametrize(
    "form", ['[{{"a": "{}aaaaaaaaaaaa"}}]', '[{{"a": [{{"{}aaaaaaaaaaaa": 1}}]}}]']
)
def test_half_a_surrogate_pair_is_refused(text: str, form: str) -> None:
    refusal(form.format(text).encode())


def test_a_whole_surrogate_pair_is_a_character() -> None:
    value = decode_records(b'[{"a": "\\ud83d\\ude00"}]', None, "'page'")[0]["a"]
    assert msgspec.json.decode(value) == "😀"


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80"])
@pytest.mark.parametrize("form", [b'[{"a": "%b"}]', b'[{"%b": 1}]', b'[{"a": [{"b": "%b"}]}]'])
def test_bytes_that_are_no_utf_8_are_refused(bad: bytes, form: bytes) -> None:
    assert "is not UTF-8 at byte" in refusal(form % bad)


def test_a_page_of_html_shows_how_it_begins() -> None:
    assert "It begins with '<html>" in refusal(b"<html>" + b"x" * 1000)
    assert refusal(b"<html>" + b"x" * 1000).endswith("…'.")


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        b"[" * 100_000,
        b'{"data":' + b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("path", [None, "data"])
def test_endless_nesting_is_refused(body: bytes, path: str | None) -> None:
    with pytest.raises(SourceError):
        decode_records(body, path, "'page'")


WHOLE = (
    '{"total": 2, "data": [{"a": -1.5e3, "b": "é\\u00e9", "c": [true, null]}, {"a": {}}]}'.encode()
)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_document_that_is_cut_off_anywhere_is_known_as_such(length: int) -> None:
    with pytest.raises(CutOff):
        decode_records(WHOLE[:length], "data", "'page'")


def test_a_list_that_is_cut_off_is_known_as_such() -> None:
    with pytest.raises(CutOff, match="'page' is cut off: EOF"):
        decode_records(b'[{"a": 1}, {"a":', None, "'page'")


def test_lines_are_records_and_blank_lines_nothing() -> None:
    body = b'{"a": 1}\r\n\n  \n{"a": 2.50}'
    assert raw(decode_lines(body, "'file'")) == [{"a": b"1"}, {"a": b"2.50"}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1]", "Line 12 of 'file' is '[1]', expected an object."),
        (b'{"a": 1} {"a": 2}', "Line 12 of 'file' is not JSON that can be read: trailing"),
        (b'{"a": 1},', "Line 12 of 'file' is not JSON that can be read: trailing"),
        (b'{"a": "\xff"}', "Line 12 of 'file' is not UTF-8 at byte 8"),
        (b'{"a": 1, "a": 2}', "Line 12 of 'file' cannot be read safely: "),
        (b'{"a": [', "Line 12 of 'file' is cut off: EOF"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_by_its_number(line: bytes, reason: str) -> None:
    with pytest.raises(SourceError) as raised:
        decode_lines(b'{"a": 1}\n\n' + line + b'\n{"a": 3}\n', "'file'", first_line=10)
    assert reason in str(raised.value)


def test_a_record_over_two_lines_is_refused() -> None:
    with pytest.raises(CutOff, match="Line 1"):
        decode_lines(b'{"a": [1\n2]}\n', "'file'")


def test_a_value_that_is_not_there_is_none() -> None:
    assert value_at(b'{"a": {}}', "a.b", "'page'") is None
    assert bytes(value_at(b'{"a": {"b": null}}', "a.b", "'page'") or b"") == b"null"
