"""Rules of the reshape stage."""

import polars as pl
import pytest

from portrait_gallery.defs.reshape.documents import reshape

YEARS = {"begin_year": pl.Int32, "end_year": pl.Int32}


@pytest.fixture
def objects() -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "object_id": [1, 2, 3],
            "object_number": ["NPG.1", "NPG.2", "NPG.3"],
            "title": ["Two Sitters", "A Chair", "Nobody"],
            "other_titles": [["Both"], [], []],
            "classification": ["Print", None, None],
            "medium": ["Etching", None, None],
            "dimensions": [None, None, None],
            "credit_line": [None, None, None],
            "dated": ["c. 1984", None, None],
            "earliest_year": [1979, None, None],
            "latest_year": [1989, None, None],
            "image_url": ["http://a", None, None],
            "image_is_thumbnail": [False, None, None],
            "image_credit": ["Gallery", None, None],
            "image_rights": ["http://terms", None, None],
        }
    )


@pytest.fixture
def people() -> pl.LazyFrame:
    rows = [
        (1, "sitter", "Sitter", 11, "Ida", False),
        (1, "sitter", "Possibly", 12, "Ruth", False),
        (1, "artist", "Artist", 13, "Anton", False),
        (1, "related", "Copy after", 14, "Zoë", False),
        (2, "sitter", "Sitter", 61408, "(Non-Portrait)", True),
        (2, "artist", "Artist", 13, "Anton", False),
    ]
    columns = ["object_id", "role", "credit", "constituent_id", "name", "is_placeholder"]
    return pl.LazyFrame(rows, schema=columns, orient="row").with_columns(
        suffix=pl.lit(None, pl.String),
        gender=pl.lit("Female"),
        fields=pl.lit([], pl.List(pl.String)),
        life_dates=pl.lit("born 1971"),
        begin_year=pl.lit(1971, pl.Int32),
        end_year=pl.lit(None, pl.Int32),
    )


def test_a_document_has_its_people_by_role_in_display_order(
    objects: pl.LazyFrame, people: pl.LazyFrame
) -> None:
    document = reshape(objects, people).collect().row(0, named=True)
    assert [each["name"] for each in document["sitters"]] == ["Ida", "Ruth"]
    assert [each["credit"] for each in document["sitters"]] == ["Sitter", "Possibly"]
    assert [each["name"] for each in document["related"]] == ["Zoë"]
    assert document["artists"] == [
        {
            "id": 13,
            "name": "Anton",
            "credit": "Artist",
            "suffix": None,
            "gender": "Female",
            "fields": [],
            "life": {"text": "born 1971", "begin_year": 1971, "end_year": None},
        }
    ]


def test_a_document_nests_its_date_and_its_image(
    objects: pl.LazyFrame, people: pl.LazyFrame
) -> None:
    first, second, _ = reshape(objects, people).collect().rows(named=True)
    assert first["date"] == {"text": "c. 1984", "earliest_year": 1979, "latest_year": 1989}
    assert first["image"] == {
        "url": "http://a",
        "is_thumbnail": False,
        "credit": "Gallery",
        "rights": "http://terms",
    }
    assert second["image"] is None


def test_placeholders_are_listed_nowhere_and_mark_what_is_no_portrait(
    objects: pl.LazyFrame, people: pl.LazyFrame
) -> None:
    documents = reshape(objects, people).collect()
    assert documents["is_portrait"].to_list() == [True, False, True]
    assert documents["sitters"].list.len().to_list() == [2, 0, 0]


def test_an_object_without_people_is_still_a_document(
    objects: pl.LazyFrame, people: pl.LazyFrame
) -> None:
    document = reshape(objects, people).collect().row(2, named=True)
    assert document["title"] == "Nobody"
    assert (document["sitters"], document["artists"], document["related"]) == ([], [], [])


def test_documents_are_in_the_order_of_their_ids(
    objects: pl.LazyFrame, people: pl.LazyFrame
) -> None:
    assert reshape(objects, people).collect()["id"].to_list() == [1, 2, 3]
