"""Rules of `collectionflow.clean.text`."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow.clean import tidy


@pytest.mark.parametrize(
    ("written", "tidied"),
    [
        ("Oil on canvas", "Oil on canvas"),
        ("  Oil  on canvas ", "Oil on canvas"),
        ("Oil\r\non\tcanvas", "Oil on canvas"),
        ("Oil\u00a0on\u2003\u00a0canvas", "Oil on canvas"),
        ("Févret de Saint-Mémin", "Févret de Saint-Mémin"),
        ("NULL", None),
        (" NULL ", None),
        ("Null", "Null"),
        ("NULLIFIED", "NULLIFIED"),
        ("", None),
        (" \n", None),
        (None, None),
    ],
)
def test_text_is_squeezed_and_missing_is_null(written: str | None, tidied: str | None) -> None:
    objects = pl.LazyFrame({"medium": [written]}, schema={"medium": pl.String})
    assert_frame_equal(
        objects.select(tidy("medium")),
        pl.LazyFrame({"medium": [tidied]}, schema={"medium": pl.String}),
    )


def test_the_words_for_missing_are_the_sources_own() -> None:
    dates = pl.LazyFrame({"dated": ["n.d.", "NULL", ""]})
    assert_frame_equal(
        dates.select(tidy("dated", missing=("n.d.",))),
        pl.LazyFrame({"dated": [None, "NULL", None]}),
    )


def test_an_expression_keeps_its_name() -> None:
    prefixes = pl.LazyFrame({"prefix": [" Sitter: "]})
    assert_frame_equal(
        prefixes.select(tidy(pl.col("prefix").str.replace(":", ""))),
        pl.LazyFrame({"prefix": ["Sitter"]}),
    )
