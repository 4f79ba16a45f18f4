"""Rules of the clean stage."""

import polars as pl
from polars.testing import assert_frame_equal

from portrait_gallery.defs.clean import constituents, objects


def test_objects_have_tidy_text_and_years_in_the_order_of_their_ids() -> None:
    harvested = pl.LazyFrame(
        {
            "ObjectID": [9, 4, 7],
            "ObjectNumber": ["NPG.93.3", "NPG.87.178 ", "S/NPG.77.190"],
            "Classification": ["Print", "Drawing", "Photograph"],
            "Medium": ["NULL", "Charcoal  and chalk ", "Gelatin silver\nprint"],
            "Dated": ["n.d.a.", "c. 1984", "after 1806"],
            "DateBegin": [0, 1979, 0],
            "DateEnd": [0, 1989, 0],
            "Dimensions": ["NULL", '60.1 x 48.2cm (23 11/16 x 19")', ""],
            "CreditLine": ["Gift", "Gift", "Gift"],
        }
    )
    years = {"earliest_year": pl.Int32, "latest_year": pl.Int32}
    expected = pl.LazyFrame(
        {
            "object_id": [4, 7, 9],
            "object_number": ["NPG.87.178", "S/NPG.77.190", "NPG.93.3"],
            "classification": ["Drawing", "Photograph", "Print"],
            "medium": ["Charcoal and chalk", "Gelatin silver print", None],
            "dated": ["c. 1984", "after 1806", None],
            "earliest_year": [1979, 1806, None],
            "latest_year": [1989, None, None],
            "dimensions": ['60.1 x 48.2cm (23 11/16 x 19")', None, None],
            "credit_line": ["Gift", "Gift", "Gift"],
        },
        schema_overrides=years,
    )
    assert_frame_equal(objects.clean(harvested), expected)


def test_a_year_of_the_source_wins_over_the_written_date() -> None:
    harvested = pl.LazyFrame(
        {
            "ConstituentID": [1],
            "ConstituentType": ["Individual"],
            "DisplayName": ["Abbas"],
            "AlphaSort": ["Abbas"],
            "BeginDate": [1944],
            "EndDate": [0],
            "DisplayDate": ["1940 - 1950"],
        }
    )
    cleaned = constituents.clean(harvested).select("begin_year", "end_year").collect()
    assert cleaned.row(0) == (1944, None)


def test_constituents_have_years_and_placeholders_are_marked() -> None:
    harvested = pl.LazyFrame(
        {
            "ConstituentID": [0, 61408, 100641, 57149, 113615],
            "ConstituentType": [
                "Individual",
                "Individual",
                "Individual",
                "Institution",
                "(not entered)",
            ],
            "DisplayName": ["Unidentified Artist", "(Non-Portrait)", "?uestlove", "Blackmar", "W"],
            "AlphaSort": ["Unidentified Artist", "(Non-Portrait)", "?uestlove", "Blackmar", "NULL"],
            "BeginDate": [0, 0, 0, 1848, -100],
            "EndDate": [0, 0, 0, 1981, -40],
            "DisplayDate": ["NULL", "NULL", "born  20 Jan 1971 ", "active 1848 - 1981", "B.C."],
        }
    )
    years = {"begin_year": pl.Int32, "end_year": pl.Int32}
    expected = pl.LazyFrame(
        {
            "constituent_id": [0, 61408, 100641, 57149, 113615],
            "name": ["Unidentified Artist", "(Non-Portrait)", "?uestlove", "Blackmar", "W"],
            "sort_name": ["Unidentified Artist", "(Non-Portrait)", "?uestlove", "Blackmar", None],
            "is_institution": [False, False, False, True, False],
            "is_placeholder": [False, True, False, False, False],
            "life_dates": [None, None, "born 20 Jan 1971", "active 1848 - 1981", "B.C."],
            "begin_year": [None, None, 1971, 1848, -100],
            "end_year": [None, None, None, 1981, -40],
        },
        schema_overrides=years,
    )
    assert_frame_equal(constituents.clean(harvested), expected)


def test_the_chart_counts_objects_by_the_decade_of_their_earliest_year() -> None:
    cleaned = pl.LazyFrame({"earliest_year": [1861, 1869, 1870, None]})
    counts = objects.by_decade(cleaned).data
    assert_frame_equal(
        counts,
        pl.DataFrame({"decade": [1860, 1870], "objects": [2, 1]}),
        check_dtypes=False,
    )
