"""Escaping of whole columns: bytes as a sign and two hexadecimal digits."""

import re

import polars as pl


def escaped(text: pl.Expr, sign: str, safe: str, *, mark: str = "") -> pl.Expr:
    r"""Return a text with each byte in UTF-8 that is not `safe` as `sign` and two digits.

    The character `mark`, if there is one, stands where the text has its sign already.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.output._percent import escaped
        >>> pl.select(escaped(pl.lit("né/\x0141"), "%", "abcn41", mark="\x01")).item()
        'n%C3%A9%2F%41'
    """
    return text.map_batches(
        lambda texts: _escaped(texts, sign, safe, mark), return_dtype=pl.String, is_elementwise=True
    )


def _escaped(texts: pl.Series, sign: str, safe: str, mark: str) -> pl.Series:
    # Few characters are odd, whatever the language: each is escaped once, and replaced everywhere.
    odd = texts.str.replace_all(f"[{re.escape(safe)}]+", "") if safe else texts
    bytes_as = {
        each: sign if each == mark else "".join(f"{sign}{byte:02X}" for byte in each.encode())
        for each in set("".join(odd.drop_nulls().unique()))
    }
    return texts.str.replace_many(bytes_as) if bytes_as else texts
