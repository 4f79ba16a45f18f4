"""Years: unknown ones as null, and the years that a date written for people covers."""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

_MONTH: Final = (
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?|spring|summer|autumn|fall|winter"
)
_DAY: Final = rf"(?:(?:[0-9]{{1,2}}\s+)?(?:{_MONTH})\s+(?:[0-9]{{1,2}},?\s+)?)?"
_DASH: Final = r"[-\u2010-\u2015]"
_BETWEEN: Final = rf"(?:{_DASH}|/|\bor\b|\band\b|\bto\b)"
_OPEN_START: Final = ("died", "before")
_OPEN_END: Final = ("born", "founded", "established", "after", "since")
_KIND: Final = "|".join((*_OPEN_START, *_OPEN_END, "active", "flourished", r"fl\."))

# The years of a century that "early", "mid", "late" and no such word begin and end with.
_PART_STARTS: Final = {None: 0, "early": 0, "mid": 34, "late": 67}
_PART_ENDS: Final = {None: 99, "early": 33, "mid": 66, "late": 99}


def _side(name: str) -> str:
    """Return the pattern of one side of a range: a year, a decade or (part of) a century."""
    year = rf"{_DAY}(?P<{name}_year>[12][0-9]{{3}})(?P<{name}_decade>'?s)?"
    part = rf"(?:(?P<{name}_part>early|mid|late)(?:\s+|{_DASH}))?"
    century = rf"{part}(?P<{name}_century>[12]?[0-9])(?:st|nd|rd|th)(?P<{name}_word>\s+century)?"
    return rf"(?:(?:\b(?:circa|ca|c)\b\.?\s*)?(?:{year}|{century})\??)"


# The whole text must fit: a date that says anything more, or anything else, stays unread.
_WRITTEN_DATE: Final = (
    rf"(?i)^\s*(?P<kind>{_KIND})?\s*(?:{_side('from')}|\?)"
    rf"(?P<range>\s*{_BETWEEN}\s*(?:{_side('until')}|(?P<short>[0-9]{{2}})|\?|present)?)?"
    r"\s*(?:\([^)]*\))?\s*$"
)


def known_year(column: str | pl.Expr, *, unknown: int = 0) -> pl.Expr:
    """Return a year, null where the source writes `unknown` for one that it does not know.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.clean import known_year
        >>> pl.DataFrame({"begin": [1865, 0, -100]}).select(known_year("begin"))["begin"].to_list()
        [1865, None, -100]
    """
    column = pl.col(column) if isinstance(column, str) else column
    return pl.when(column != unknown).then(column).cast(pl.Int32)


def earliest_year(column: str | pl.Expr) -> pl.Expr:
    """Return the first year that a date written in English covers, null where that is not sure.

    Understands years, days, decades, centuries and their early, mid and late thirds, ranges of
    these, "c." and "?", and words that leave an end open: born, after, died, before. "c." is read
    as the year itself; a remark in parentheses at the end is left out. A century is read as 1800
    to 1899, its thirds begin at 1800, 1834 and 1867. A text with anything else in it is null.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.clean import earliest_year, latest_year
        >>> dated = ["c. 1984", "1865-66", "born 20 Jan 1971", "early 19th Century", "? - 1850"]
        >>> dates = pl.DataFrame({"dated": dated})
        >>> dates.select(earliest_year("dated"))["dated"].to_list()
        [1984, 1865, 1971, 1800, None]
        >>> dates.select(latest_year("dated"))["dated"].to_list()
        [1984, 1866, None, 1833, 1850]
    """
    return _in_order(column, "earliest")


def latest_year(column: str | pl.Expr) -> pl.Expr:
    """Return the last year that a date written in English covers, null where that is not sure.

    Reads what `earliest_year` reads.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.clean import latest_year
        >>> dates = pl.DataFrame({"dated": ["1850s", "1848 - c. 1981", "after 1806", "Tuesday"]})
        >>> dates.select(latest_year("dated"))["dated"].to_list()
        [1859, 1981, None, None]
    """
    return _in_order(column, "latest")


def _in_order(column: str | pl.Expr, end: str) -> pl.Expr:
    """Return one end of a date; a date that ends before it begins was read wrongly."""
    column = pl.col(column) if isinstance(column, str) else column
    # Fields of one struct, so that the text is matched once and not again for each use.
    read = column.str.extract_groups(_WRITTEN_DATE).struct.with_fields(
        earliest=_earliest(), latest=_latest()
    )
    is_reversed = (pl.field("earliest") > pl.field("latest")).fill_null(value=False)
    checked = read.struct.with_fields(pl.when(~is_reversed).then(pl.field(end)).alias(end))
    return checked.struct.field(end).name.keep()


def _earliest() -> pl.Expr:
    first = pl.coalesce(_year("from"), _century("from", _PART_STARTS))
    return pl.when(~_is_kind(_OPEN_START)).then(first)


def _latest() -> pl.Expr:
    short = _year("from") // 100 * 100 + pl.field("short").cast(pl.Int32)
    return (
        pl.when(pl.field("range").is_not_null())
        .then(pl.coalesce(_last_year("until"), short))
        .when(~_is_kind(_OPEN_END))
        .then(_last_year("from"))
    )


def _is_kind(kinds: Sequence[str]) -> pl.Expr:
    return pl.field("kind").str.to_lowercase().is_in(kinds).fill_null(value=False)


def _last_year(side: str) -> pl.Expr:
    is_decade = pl.field(f"{side}_decade").is_not_null()
    year = pl.when(is_decade).then(_year(side) + 9).otherwise(_year(side))
    return pl.coalesce(year, _century(side, _PART_ENDS))


def _year(side: str) -> pl.Expr:
    return pl.field(f"{side}_year").cast(pl.Int32)


def _century(side: str, years: Mapping[str | None, int]) -> pl.Expr:
    part = pl.field(f"{side}_part").str.to_lowercase()
    within = part.replace_strict(list(years), list(years.values()), return_dtype=pl.Int32)
    # "17th-18th century" says the word once, at its end; "the 17th" alone is no century.
    is_century = pl.coalesce(pl.field("until_word"), pl.field(f"{side}_word")).is_not_null()
    return pl.when(is_century).then((pl.field(f"{side}_century").cast(pl.Int32) - 1) * 100 + within)
