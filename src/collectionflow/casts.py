"""Strict casts: from what a source sends to what a contract says, or not at all.

A cast gives the same value in another type, or null; what became null without having been blank
is found by `cast_rules`, so that nothing is rounded, cut or guessed unseen.
"""

from collections.abc import Mapping

import polars as pl

from collectionflow.contract import Contract, Rule, rule

_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")
# Explicit formats: letting Polars infer one would take 03/04/2020 for whatever comes first.
_MIDNIGHT = r"[ T]00:00:00(?:\.0+)?$"
_NAIVE = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")


def casts(contract: Contract, present: Mapping[str, pl.DataType]) -> dict[str, pl.Expr]:
    """Return, by column, the casts that `coerce = True` in a contract asks of a table.

    Text becomes any flat type (blank text is null; dates and times must be ISO 8601), whole
    numbers become other whole numbers, or truth values where they are 0 and 1, anything flat
    becomes text, and a column without a value and a type becomes any type. Other casts could change
    a value: they are left out, and the gate refuses the type.

    Examples:
        >>> import pandera.polars as pa
        >>> import polars as pl
        >>> from collectionflow.casts import casts
        >>> from collectionflow.contract import contract_of
        >>> class Objects(pa.DataFrameModel):
        ...     year: int
        ...     class Config:
        ...         coerce = True
        >>> table = pl.LazyFrame({"year": ["1984", " "]})
        >>> expressions = casts(contract_of(Objects), table.collect_schema())
        >>> table.select(**expressions).collect().to_series().to_list()
        [1984, None]
    """
    return {
        name: _cast(name, present[name], contract.dtypes[name])
        for name in _cast_columns(contract, present)
    }


def cast_rules(contract: Contract, present: Mapping[str, pl.DataType]) -> tuple[Rule, ...]:
    """Return the rules that the values of a table, as they came, break where a cast cannot hold."""
    return tuple(
        rule(
            f"'{name}' must be {contract.dtypes[name]}",
            (name,),
            _cast(name, present[name], contract.dtypes[name]).is_null()
            & _source(name, present[name]).is_not_null(),
        )
        for name in _cast_columns(contract, present)
    )


def strictly_cast(values: pl.Series, wanted: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """Return values in another type by the same casts, and which of them that type cannot hold.

    Sources use it for what is inside of lists and records, which storage does not cast.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.casts import strictly_cast
        >>> found, is_refused = strictly_cast(pl.Series(["1984", " ", "1.5"]), pl.Int64())
        >>> found.to_list(), is_refused.to_list()
        ([1984, None, None], [False, False, True])
    """
    name, present = "value", values.dtype
    source = _source(name, present)
    is_possible = _can_cast(present, wanted)
    found = _cast(name, present, wanted) if is_possible else pl.lit(None, wanted)
    is_refused = found.is_null() & source.is_not_null()
    table = values.alias(name).to_frame()
    cast = table.select(found.alias(name), is_refused.alias("is_refused"))
    return cast[name].alias(values.name), cast["is_refused"]


def moment(name: str, present: pl.DataType) -> pl.Expr:
    """Return a date, a time or ISO 8601 text as a time in UTC; what has no time zone is in UTC.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.casts import moment
        >>> table = pl.DataFrame({"changed": ["2026-01-02", "2026-01-02T10:00:00+02:00", "soon"]})
        >>> table.select(moment("changed", pl.String()).dt.to_string()).to_series().to_list()
        ['2026-01-02 00:00:00.000000+00:00', '2026-01-02 08:00:00.000000+00:00', None]
    """
    naive, utc = pl.Datetime("us"), pl.Datetime("us", "UTC")
    if present == pl.String:
        source = _source(name, present)
        return pl.coalesce(_parsed(source, utc), _parsed(source, naive).dt.replace_time_zone("UTC"))
    if isinstance(present, pl.Datetime) and present.time_zone:
        return pl.col(name).cast(utc)
    return pl.col(name).cast(naive).dt.replace_time_zone("UTC")


def _cast_columns(contract: Contract, present: Mapping[str, pl.DataType]) -> list[str]:
    return [
        name
        for name, wanted in contract.dtypes.items()
        if name in contract.coerced
        and name in present
        and present[name] != wanted
        and _can_cast(present[name], wanted)
    ]


def _can_cast(present: pl.DataType, wanted: pl.DataType) -> bool:
    if present == pl.Null:
        return True
    if present == pl.String:
        flat = (pl.Date, pl.Datetime, pl.Time, pl.Boolean, pl.Binary, pl.Enum, pl.Categorical)
        return wanted.is_numeric() or isinstance(wanted, flat)
    if present.is_integer() and (wanted.is_integer() or wanted == pl.Boolean):
        return True
    return wanted == pl.String and not present.is_nested() and present != pl.Binary


def _cast(name: str, present: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    source = _source(name, present)
    if present == pl.String:
        return _parsed(source, wanted)
    if present.is_integer() and wanted == pl.Boolean:
        return pl.when(source.is_in([0, 1])).then(source == 1)
    return source.cast(wanted, strict=False)


def _parsed(text: pl.Expr, wanted: pl.DataType) -> pl.Expr:
    """Return text as another type, null where it is none."""
    match wanted:
        case pl.Date():
            return text.str.replace(_MIDNIGHT, "").str.to_date("%Y-%m-%d", strict=False)
        case pl.Datetime():
            return _datetime(text, wanted)
        case pl.Time():
            return text.str.to_time("%H:%M:%S%.f", strict=False)
        case pl.Boolean():
            folded = text.str.to_lowercase()
            # Not `replace_strict`, for which Polars holds the whole table in memory.
            return pl.when(folded.is_in([*_TRUE, *_FALSE])).then(folded.is_in(_TRUE))
        case pl.Decimal():
            # A cast alone would round what has more decimals than the type.
            exact = text.str.contains(rf"^[+-]?\d*\.?\d{{0,{wanted.scale}}}0*$")
            return pl.when(exact).then(text).cast(wanted, strict=False)
        case _:
            return text.cast(wanted, strict=False)


def _datetime(source: pl.Expr, wanted: pl.Datetime) -> pl.Expr:
    """Return ISO 8601 text as a time; a time zone must be in both the text and the type."""
    if wanted.time_zone is None:
        formats, text = _NAIVE, source.str.replace(r"^(\d{4,}-\d\d-\d\d)$", "${1}T00:00:00")
    else:
        formats, text = _ZONED, source.str.replace(r"Z$", "+00:00")
    parsed = [
        text.str.to_datetime(each, time_unit=wanted.time_unit, strict=False) for each in formats
    ]
    # Polars would cut a fraction that is finer than the type.
    digits = {"ms": 3, "us": 6, "ns": 9}[wanted.time_unit]
    is_finer = text.str.contains(rf"\.\d{{{digits}}}0*[1-9]")
    found = pl.when(~is_finer).then(pl.coalesce(parsed))
    return found if wanted.time_zone is None else found.dt.convert_time_zone(wanted.time_zone)


def _source(name: str, present: pl.DataType) -> pl.Expr:
    """Return a column as it came, blank text as null."""
    if present != pl.String:
        return pl.col(name)
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)
