import pytest

from collectionflow.errors import SourceError
from collectionflow.harvest.paging import (
    Answer,
    Cursor,
    LinkHeaders,
    NextUrls,
    Offsets,
    PageNumbers,
    SinglePage,
)


def answer(body: bytes = b"[]", **headers: str) -> Answer:
    return Answer(url="https://example.org/objects", headers=headers, body=body)


def test_page_numbers_count_from_their_first() -> None:
    paging = PageNumbers(parameter="p", first=0)
    assert [paging.parameters(number, 100) for number in range(2)] == [{"p": "0"}, {"p": "1"}]


def test_page_numbers_ask_for_a_size_where_the_api_takes_one() -> None:
    paging = PageNumbers(size_parameter="rows", size=50)
    assert paging.parameters(2, 20) == {"page": "3", "rows": "50"}


def test_offsets_step_by_what_the_first_page_had() -> None:
    paging = Offsets(limit=1000, parameter="from", limit_parameter="size")
    assert paging.parameters(0, None) == {"from": "0", "size": "1000"}
    assert paging.parameters(2, 100) == {"from": "200", "size": "100"}


def test_a_cursor_starts_without_a_token_or_with_a_given_one() -> None:
    assert Cursor(path="next").parameters() == {}
    assert Cursor(path="next", start="*", parameter="cursorMark").parameters() == {
        "cursorMark": "*"
    }


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b'{"meta": {"next": "a\\u003d"}}', {"cursor": "a="}),
        (b'{"meta": {"next": 17}}', {"cursor": "17"}),
        (b'{"meta": {"next": ""}}', None),
        (b'{"meta": {"next": null}}', None),
        (b'{"meta": {}}', None),
        (b"{}", None),
    ],
)
def test_a_cursor_goes_on_until_there_is_no_token(body: bytes, token: object) -> None:
    assert Cursor(path="meta.next").following(answer(body)) == token


def test_a_next_url_goes_on_until_there_is_none() -> None:
    paging = NextUrls(path="next")
    assert paging.parameters() == {}
    assert paging.following(answer(b'{"next": "?page=2"}')) == "?page=2"
    assert paging.following(answer(b'{"next": null}')) is None


@pytest.mark.parametrize(
    ("header", "link"),
    [
        ('<https://example.org/o?page=2>; rel="next"', "https://example.org/o?page=2"),
        ("</o?page=2>; rel=next", "/o?page=2"),
        ('</o?page=1>; rel="prev", </o?page=3>; rel="next"', "/o?page=3"),
        ('</o?ids=1,2;3>; title="a, <b>; rel=\\"next\\""; rel="last Next"', "/o?ids=1,2;3"),
        ('</1>; title="; rel=next", </2>; rel="next"', "/2"),
        ('</1>;rel="first";type=x,</2>;REL=NEXT', "/2"),
        ("</o?page=2>", None),
        ('</o?page=2>; rel="last"', None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_link_header_is_read_by_its_standard(header: str, link: str | None) -> None:
    assert LinkHeaders().following(answer(Link=header)) == link


def test_the_relation_of_a_link_header_may_have_another_name() -> None:
    paging = LinkHeaders(relation="More")
    assert paging.following(answer(Link='</2>; rel="more"')) == "/2"


def test_a_single_page_is_the_end() -> None:
    assert SinglePage().following(answer()) is None


def test_a_single_page_that_names_a_next_one_is_refused() -> None:
    with pytest.raises(SourceError, match=r"Set paging to LinkHeaders\(\)"):
        SinglePage().following(answer(Link='</2>; rel="next"'))
