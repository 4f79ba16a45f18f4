"""Which file a document of an odd id has."""

import string
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectionflow.output._file_names import file_name


def names(ids: list[str]) -> list[str]:
    frame = pl.DataFrame({"id": ids}, schema={"id": pl.String})
    return frame.select(file_name(pl.col("id"))).to_series().to_list()


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("123", "123"),
        ("NPG.65.2", "NPG.65.2"),
        ("a_b-c", "a_b-c"),
        ("1985/12 a", "1985~2F12~20a"),
        ("..", "~2E."),
        (".", "~2E"),
        (".hidden", "~2Ehidden"),
        ("../../etc/passwd", "~2E.~2F..~2Fetc~2Fpasswd"),
        ("C:\\x", "C~3A~5Cx"),
        ("a\x00b", "a~00b"),
        ("a\x01b", "a~01b"),
        ("a~b", "a~7Eb"),
        ("Ä", "~C3~84"),
        ("日", "~E6~97~A5"),
        ("CON", "~43ON"),
        ("con.a", "~63on.a"),
        ("COM7", "~43OM7"),
        ("com10", "com10"),
        ("console", "console"),
        ("index", "~69ndex"),
        ("indexes", "indexes"),
        ("a.", "a."),
        ("", ""),
    ],
)
def test_an_id_has_the_name_that_the_rule_says(identifier: str, name: str) -> None:
    assert names([identifier]) == [name]


def test_one_letter_in_two_spellings_of_unicode_is_two_names() -> None:
    composed, decomposed = names(["é", unicodedata.normalize("NFD", "é")])
    assert (composed, decomposed) == ("~C3~A9", "e~CC~81")


def test_no_id_has_no_name() -> None:
    frame = pl.DataFrame({"id": [None]}, schema={"id": pl.String})
    assert frame.select(file_name(pl.col("id"))).item() is None


@settings(deadline=None)
@given(st.lists(st.text(min_size=1), unique=True))
def test_different_ids_have_different_names_that_stay_in_their_folder(ids: list[str]) -> None:
    found = names(ids)
    assert len(set(found)) == len(ids)
    for name in found:
        assert set(name) <= {*string.ascii_letters, *string.digits, *"-_.~"}
        assert quote(name) == name
        assert PurePosixPath("folder", f"{name}.json").parts == ("folder", f"{name}.json")
        assert name[0] != "."
