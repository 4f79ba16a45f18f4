"""Rules of the enrich stage."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from portrait_gallery.defs.enrich import objects, people

DISTINCTION = "NPG Local Authorities\\Attributes\\Constituents\\Distinction\\"


@pytest.fixture
def terms() -> pl.LazyFrame:
    rows = [
        (1, "Distinction", "Trustee", f"{DISTINCTION}Education\\Administrator\\University\\"),
        (1, "Distinction", "New York", f"{DISTINCTION}Politics and Government\\US Senator\\"),
        (1, "Distinction", "Dean", f"{DISTINCTION}Education\\Administrator\\College\\"),
        (1, "Distinction", "Unplaced", DISTINCTION),
        (1, "Gender", "Male", "NPG Local Authorities\\Attributes\\Constituents\\Gender\\"),
        (2, "Gender", "Female", "NPG Local Authorities\\Attributes\\Constituents\\Gender\\"),
        (2, "Gender", "Male", "NPG Local Authorities\\Attributes\\Constituents\\Gender\\"),
        (2, "Place of birth", "London", "The Thesaurus of Geographic Names\\World\\"),
    ]
    columns = ["ConstituentID", "ThesXrefType", "Term", "Path"]
    return pl.LazyFrame(rows, schema=columns, orient="row")


@pytest.fixture
def links() -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "ConXrefID": [51, 50, 52, 53],
            "ObjectID": [8, 8, 7, 8],
            "ConstituentID": [1, 2, 2, 2],
            "RoleID": [1, 19, 102, 19],
            "DisplayOrder": [2, 1, 1, 3],
            "Displayed": [1, 1, 1, 0],
            "Prefix": ["Artist:", "NULL", "Copy after:", "Sitter:"],
            "Suffix": ["NULL", " (Fictive Persona) ", "NULL", "NULL"],
        }
    )


@pytest.fixture
def constituents() -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "constituent_id": [1, 2],
            "name": ["Ruth Lockwood", "Ida Kettering"],
            "sort_name": ["Lockwood, Ruth", "Kettering, Ida"],
            "is_institution": [False, False],
            "is_placeholder": [False, False],
            "life_dates": ["born 1971", None],
            "begin_year": [1971, None],
            "end_year": [None, None],
        },
        schema_overrides={"begin_year": pl.Int32, "end_year": pl.Int32},
    )


def test_fields_are_the_steps_below_distinction_each_once(terms: pl.LazyFrame) -> None:
    assert_frame_equal(
        people.fields(terms),
        pl.LazyFrame({"constituent_id": [1], "fields": [["Education", "Politics and Government"]]}),
    )


def test_two_genders_are_no_gender(terms: pl.LazyFrame) -> None:
    assert_frame_equal(
        people.genders(terms), pl.LazyFrame({"constituent_id": [1], "gender": ["Male"]})
    )


def test_links_become_people_in_display_order(
    links: pl.LazyFrame, constituents: pl.LazyFrame, terms: pl.LazyFrame
) -> None:
    expected = pl.LazyFrame(
        {
            "link_id": [52, 50, 51],
            "object_id": [7, 8, 8],
            "display_order": [1, 1, 2],
            "role": ["related", "sitter", "artist"],
            "credit": ["Copy after", None, "Artist"],
            "suffix": [None, "(Fictive Persona)", None],
            "constituent_id": [2, 2, 1],
            "name": ["Ida Kettering", "Ida Kettering", "Ruth Lockwood"],
            "is_placeholder": [False, False, False],
            "life_dates": [None, None, "born 1971"],
            "begin_year": [None, None, 1971],
            "end_year": [None, None, None],
            "gender": [None, None, "Male"],
            "fields": [[], [], ["Education", "Politics and Government"]],
        },
        schema_overrides={"begin_year": pl.Int32, "end_year": pl.Int32},
    )
    assert_frame_equal(people.link(links, constituents, terms), expected)


def test_the_preferred_title_is_the_first_in_display_order() -> None:
    titles = pl.LazyFrame(
        {
            "ObjectID": [2, 1, 1, 1, 1, 3],
            "Title": ["Paul", "Second, b", " First ", "Second, a", "First", "NULL"],
            "DisplayOrder": [32767, 2, 1, 2, 3, 1],
        }
    )
    expected = pl.LazyFrame(
        {
            "object_id": [1, 2],
            "title": ["First", "Paul"],
            "other_titles": [["Second, a", "Second, b"], []],
        }
    )
    assert_frame_equal(objects.titles_in_order(titles), expected)


def test_the_primary_image_is_of_full_size_then_the_first_by_file_name() -> None:
    images = pl.LazyFrame(
        {
            "ObjectID": [1, 1, 1, 2],
            "Main Image Filename": ["a.jpg", "c.jpg", "b.jpg", "d.jpg"],
            "Web Image Address": ["http://a", "http://c", "http://b", "http://d"],
            "Size Notes": ["Thumbnail only", "", "[MAX IDS SIZE = 500]", "Thumbnail only"],
            "Image Credit/Caption": ["Gallery"] * 4,
            "Image Rights Statement": ["http://terms"] * 4,
        }
    )
    expected = pl.LazyFrame(
        {
            "object_id": [1, 2],
            "image_url": ["http://b", "http://d"],
            "image_is_thumbnail": [False, True],
            "image_credit": ["Gallery", "Gallery"],
            "image_rights": ["http://terms", "http://terms"],
        }
    )
    assert_frame_equal(objects.primary_images(images), expected)
