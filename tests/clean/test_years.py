"""Rules of `collectionflow.clean.years`."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from collectionflow.clean import earliest_year, known_year, latest_year


@pytest.mark.parametrize(
    ("written", "earliest", "latest"),
    [
        ("1929", 1929, 1929),
        ("c. 1984", 1984, 1984),
        ("c.1855-1860", 1855, 1860),
        ("circa 1855?", 1855, 1855),
        ("1865-66", 1865, 1866),
        ("1848 – c. 1981", 1848, 1981),
        ("1865 or 1866", 1865, 1866),
        ("1865/1866", 1865, 1866),
        ("1850s", 1850, 1859),
        ("active 1880's - 1890s", 1880, 1899),
        ("May 1861", 1861, 1861),
        ("Summer 1929", 1929, 1929),
        ("20 Jan 1971 - 3 Sept. 1999", 1971, 1999),
        ("May 5, 1864", 1864, 1864),
        ("19th Century", 1800, 1899),
        ("active early 19th Century", 1800, 1833),
        ("mid-19th century", 1834, 1866),
        ("late 19th-early 20th Century", 1867, 1933),
        ("17th - 18th Century", 1600, 1799),
        ("1929 (printed 1975)", 1929, 1929),
    ],
)
def test_a_written_date_covers_years(written: str, earliest: int, latest: int) -> None:
    assert read(written) == (earliest, latest)


@pytest.mark.parametrize(
    ("written", "earliest", "latest"),
    [
        ("born 20 Jan 1971", 1971, None),
        ("Founded 1848", 1848, None),
        ("after 1806", 1806, None),
        ("active c. 1880 -", 1880, None),
        ("1880 - present", 1880, None),
        ("1880 - ?", 1880, None),
        ("died 5 May 1864", None, 1864),
        ("before 1900", None, 1900),
        ("? - 1850", None, 1850),
    ],
)
def test_an_open_end_stays_open(written: str, earliest: int | None, latest: int | None) -> None:
    assert read(written) == (earliest, latest)


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        "Unknown",
        "0000",
        "19291",
        "12/66",
        "20th",
        "mid 19th",
        "may be 1900",
        "100 - 40 B.C.",
        "1866-1865",
        "1929-05",
        "Begun 1900; completed by 1910",
        "20th Century restrike of 1798 original",
    ],
)
def test_a_date_that_is_not_sure_is_null(written: str | None) -> None:
    assert read(written) == (None, None)


def test_an_unknown_year_is_null_and_years_before_christ_stay() -> None:
    begins = pl.LazyFrame({"begin": [1865, 0, -100, None]})
    assert_frame_equal(
        begins.select(known_year("begin")),
        pl.LazyFrame({"begin": [1865, None, -100, None]}, schema={"begin": pl.Int32}),
    )


def test_years_keep_the_columns_name() -> None:
    dates = pl.LazyFrame({"dated": ["1929"]})
    expected = pl.LazyFrame({"dated": [1929]}, schema={"dated": pl.Int32})
    assert_frame_equal(dates.select(earliest_year("dated")), expected)
    assert_frame_equal(dates.select(latest_year(pl.col("dated"))), expected)


def read(written: str | None) -> tuple[int | None, int | None]:
    dates = pl.DataFrame({"dated": [written]}, schema={"dated": pl.String})
    years = dates.select(earliest=earliest_year("dated"), latest=latest_year("dated"))
    return years.row(0)
