"""A table made thin: its key, a hash of each cell, and sums that tell where it differs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

ROW: Final = "collectionflow: row"
BUCKET: Final = "collectionflow: bucket"
BUCKETS: Final = 1 << 16
OTHER: Final = " other"
_SPREAD: Final = 2_654_435_761
_CELL: Final = "="
_EXACT: Final = "!"
_FLOATS: Final = "~"


@dataclass(frozen=True, kw_only=True)
class Thin:
    """A thin copy of a table on the disk, and the sums of its hashes by bucket of keys.

    Of a table of ten million rows it takes four bytes a cell. Tables with the same sums are the
    same, whatever the order of their rows; where a bucket's sums differ, some of its rows do.
    """

    rows: pl.LazyFrame
    sums: pl.DataFrame
    key: tuple[str, ...]

    @property
    def height(self) -> int:
        """How many rows the table has."""
        return int(self.sums["rows"].sum())

    def repeated_keys(self, most: int) -> pl.DataFrame | None:
        """Return the first keys that are there more than once, with counts; None if none is."""
        # Distinct hashes cost a fraction of distinct keys, and mostly that is all.
        if self.rows.select(_identity(self.key)).collect().to_series().n_unique() == self.height:
            return None
        counted = self.rows.group_by(self.key).len("rows with it")
        repeated = counted.filter(pl.col("rows with it") > 1).sort(self.key).head(most).collect()
        return None if repeated.is_empty() else repeated

    def chosen(self, buckets: pl.Series) -> pl.DataFrame:
        """Return the rows of some buckets, with their numbers."""
        return (
            self.rows.with_row_index(ROW)
            .filter(_bucket(self.key).is_in(buckets.implode()))
            .collect()
        )


def thin(
    table: pl.LazyFrame, key: Sequence[str], columns: Sequence[str], path: Path, *, is_near: bool
) -> Thin:
    """Write the thin copy of a table to `path`.

    With `is_near`, floats are kept as they are beside the hashes, for who wants to know whether
    two are near each other.
    """
    schema = table.collect_schema()
    floats = [name for name in columns if is_near and _has_floats(schema[name])]
    table.select(
        *(_plain(pl.col(name), schema[name]).alias(name) for name in key),
        **{cell(name): _short_hash(_plain(pl.col(name), schema[name])) for name in columns},
        **{_EXACT + name: _short_hash(_exact(pl.col(name), schema[name])) for name in floats},
        **{_FLOATS + name: _numbers(pl.col(name), schema[name]) for name in floats},
    ).sink_ipc(path, compression="uncompressed")
    rows = pl.scan_ipc(path)
    return Thin(rows=rows, sums=_sums(rows, key, columns), key=tuple(key))


def _sums(rows: pl.LazyFrame, key: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Return by bucket how many rows it has, and the sum of their hashes."""
    # Each column has a factor of its own, and each row its key's: a plain sum would not notice two
    # values that change places. Factors are odd, so that they lose nothing.
    cells = [
        pl.col(cell(name)).cast(pl.UInt64) * pl.lit(_SPREAD * (2 * number + 1), pl.UInt64)
        for number, name in enumerate(columns)
    ]
    whole = pl.sum_horizontal(*cells, pl.lit(1, pl.UInt64)) * (_identity(key) | 1)
    hashed = rows.select(_bucket(key).alias(BUCKET), whole.alias("hash"))
    return hashed.group_by(BUCKET).agg(pl.len().alias("rows"), pl.col("hash").sum()).collect()


def _identity(key: Sequence[str]) -> pl.Expr:
    return pl.struct(key).hash(1) if len(key) > 1 else pl.col(key[0]).hash(1)


def _bucket(key: Sequence[str]) -> pl.Expr:
    return (_identity(key) % BUCKETS).cast(pl.UInt16)


def _short_hash(value: pl.Expr) -> pl.Expr:
    return value.hash().cast(pl.UInt32, wrap_numerical=True)


def differing_buckets(one: Thin, other: Thin) -> pl.DataFrame:
    """Return the buckets in which two tables differ, and how many rows both have in them."""
    both = one.sums.join(other.sums, on=BUCKET, how="full", coalesce=True, suffix=OTHER)
    differs = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(name + OTHER)) for name in ("rows", "hash")
    )
    rows = pl.sum_horizontal("rows", f"rows{OTHER}").alias("rows")
    return both.filter(differs).sort(BUCKET).select(BUCKET, rows)


def cell(column: str) -> str:
    """Return the name of the hashes of a column."""
    return _CELL + column


def cells_differ(column: str, rows: pl.DataFrame, tolerance: float) -> pl.Series:
    """Tell of joined thin rows whether the cells of a column differ by more than the tolerance."""
    differs = _pair(rows, cell(column), pl.Series.ne_missing)
    floats = _FLOATS + column
    if floats not in rows.columns:
        return differs
    maybe = (differs & _pair(rows, _EXACT + column, pl.Series.eq_missing)).arg_true()
    pairs = rows.select(floats, other=f"{floats}{OTHER}")[maybe].rename({floats: "one"})
    return differs.scatter(maybe, ~_are_near(pairs, tolerance))


def _pair(
    rows: pl.DataFrame, name: str, compare: Callable[[pl.Series, pl.Series], pl.Series]
) -> pl.Series:
    return compare(rows.get_column(name), rows.get_column(name + OTHER))


def _are_near(pairs: pl.DataFrame, tolerance: float) -> pl.Series:
    """Tell whether the numbers in the columns `one` and `other`, or all in two lists, are near."""
    numbered = pairs.with_row_index()
    if isinstance(pairs.schema["one"], pl.List):
        numbered = numbered.explode("one", "other", empty_as_null=False)
    one, other = pl.col("one"), pl.col("other")
    within = tolerance * pl.max_horizontal(pl.lit(1.0), one.abs(), other.abs())
    is_near = (one == other) | (
        one.is_finite() & other.is_finite() & ((one - other).abs() <= within)
    )
    # Where there is no number there is none on the other side, or the rest would differ.
    far = numbered.filter(~is_near.fill_null(value=True)).get_column("index").unique()
    return ~pl.int_range(pairs.height, eager=True).is_in(far.implode())


def _has_floats(dtype: Any) -> bool:
    if isinstance(dtype, pl.Struct):
        return any(_has_floats(field.dtype) for field in dtype.fields)
    if isinstance(dtype, pl.List | pl.Array):
        return _has_floats(dtype.inner)
    return dtype.is_float()


def _numbers(value: pl.Expr, dtype: Any) -> pl.Expr:
    """Return the float in a value; of a nested value, all of them in a list."""
    return value.cast(pl.Float64) if dtype.is_float() else _all_numbers(value, dtype)


def _all_numbers(value: pl.Expr, dtype: Any) -> pl.Expr:
    if isinstance(dtype, pl.Struct):
        fields = [field for field in dtype.fields if _has_floats(field.dtype)]
        return pl.concat_list(
            _all_numbers(value.struct.field(field.name), field.dtype) for field in fields
        )
    if isinstance(dtype, pl.List | pl.Array):
        inner = _all_numbers(pl.element(), dtype.inner)
        return (
            _as_list(value, dtype)
            .list.eval(inner.explode(empty_as_null=False, keep_nulls=False))
            .fill_null([])
        )
    return pl.concat_list(value.cast(pl.Float64))


def _exact(value: pl.Expr, dtype: Any) -> pl.Expr:
    """Return what must be the same in a value: instead of a float, whether there is one."""
    if not _has_floats(dtype):
        return _plain(value, dtype)
    if isinstance(dtype, pl.Struct):
        fields = [
            _exact(value.struct.field(field.name), field.dtype).alias(field.name)
            for field in dtype.fields
        ]
        return pl.struct(value.is_null().alias("is null"), *fields)
    if isinstance(dtype, pl.List | pl.Array):
        return _as_list(value, dtype).list.eval(_exact(pl.element(), dtype.inner))
    return value.is_null()


def _as_list(value: pl.Expr, dtype: Any) -> pl.Expr:
    return value.arr.to_list() if isinstance(dtype, pl.Array) else value


def _plain(value: pl.Expr, dtype: Any) -> pl.Expr:
    """Return a value with its categories as words."""
    # They are hashed by their places among the categories, and those may differ between tables.
    words = in_words(dtype)
    return value if words == dtype else value.cast(words)


def in_words(dtype: Any) -> pl.DataType:
    """Return a type with words in the place of categories, at any depth."""
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: in_words(field.dtype) for field in dtype.fields})
    if isinstance(dtype, pl.List):
        return pl.List(in_words(dtype.inner))
    return pl.String() if isinstance(dtype, pl.Enum | pl.Categorical) else dtype
