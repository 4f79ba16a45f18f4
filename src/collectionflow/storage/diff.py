"""What differs between two tables, or two versions of one, by key."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from collectionflow.errors import CollectionflowError
from collectionflow.markdown import markdown_table
from collectionflow.storage._thin import (
    BUCKET,
    OTHER,
    ROW,
    Thin,
    cell,
    cells_differ,
    differing_buckets,
    in_words,
    thin,
)

EXAMPLES = 5
# So many thin rows are joined at once: about half a gibibyte of a table of twenty columns.
_ROWS_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Records added, removed and changed between two tables.

    `changed_by_column` counts the changed cells of each column, `columns_retyped` has the types
    that a column has in both. The examples are the first records by key: whole rows of those
    added and removed; of those changed, one row a cell with the columns `key`, `column`, `before`
    and `after` as text.
    """

    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    changed_by_column: dict[str, int]
    columns_added: list[str]
    columns_removed: list[str]
    columns_retyped: dict[str, tuple[str, str]]
    added_examples: pl.DataFrame = field(repr=False)
    removed_examples: pl.DataFrame = field(repr=False)
    changed_examples: pl.DataFrame = field(repr=False)

    @property
    def is_none(self) -> bool:
        """Whether the tables are the same, in their columns, types and records."""
        columns = self.columns_added or self.columns_removed or self.columns_retyped
        return not (columns or self.added or self.removed or self.changed)


def row_changes(
    before: pl.LazyFrame, after: pl.LazyFrame, key: Sequence[str]
) -> tuple[int | None, int | None]:
    """Return how many keys were added and removed; None and None where there is no common key.

    The cost is one hash join over the key columns, nothing else is read.
    """
    schemas = before.collect_schema(), after.collect_schema()
    if not key or any(name not in schemas[0] or name not in schemas[1] for name in key):
        return None, None
    if any(schemas[0][name] != schemas[1][name] for name in key):
        return None, None
    old, new = before.select(key), after.select(key)
    added, removed = pl.collect_all(
        [
            new.join(old, on=key, how="anti", nulls_equal=True).select(pl.len()),
            old.join(new, on=key, how="anti", nulls_equal=True).select(pl.len()),
        ]
    )
    return added.item(), removed.item()


def diff(
    before: pl.LazyFrame, after: pl.LazyFrame, key: Sequence[str], *, tolerance: float = 0.0
) -> Difference:
    """Compare two tables, or two versions of one, record by record.

    Rows are matched on `key`, in whatever order they are. Each other column is compared by a hash
    of its value, nested values included. Floats, in nested values too, are the same where they
    differ by at most `tolerance` times the greatest of 1 and the two; null is null, and NaN is NaN.

    Sums of hashes by bucket of keys tell first where the tables differ, so that only rows of those
    buckets are held against each other. Meanwhile four bytes a cell are on the disk.

    Raises:
        CollectionflowError: where the key is missing, has another type or is not unique.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.storage.diff import diff
        >>> before = pl.LazyFrame({"id": [1, 2], "title": ["Sitter", "Hat"]})
        >>> after = pl.LazyFrame({"id": [2, 3], "title": ["A hat", "Dog"]})
        >>> found = diff(before, after, ["id"])
        >>> found.added, found.removed, found.changed
        (1, 1, 1)
    """
    old, new = before.collect_schema(), after.collect_schema()
    _check_key(old, new, key)
    shared = [name for name in new if name in old and name not in key]
    with tempfile.TemporaryDirectory(prefix="collectionflow-") as folder:
        one = thin(before, key, shared, Path(folder, "before"), is_near=tolerance > 0)
        other = thin(after, key, shared, Path(folder, "after"), is_near=tolerance > 0)
        _check_unique(one)
        _check_unique(other)
        pairs = _differing(one, other, shared, tolerance)
    counts = {name: pairs.changed.get_column(cell(name)).sum() for name in shared}
    return Difference(
        rows_before=one.height,
        rows_after=other.height,
        added=pairs.added.height,
        removed=pairs.removed.height,
        changed=pairs.changed.height,
        changed_by_column={name: int(count) for name, count in counts.items() if count},
        columns_added=[name for name in new if name not in old],
        columns_removed=[name for name in old if name not in new],
        columns_retyped={
            name: (str(old[name]), str(new[name])) for name in shared if old[name] != new[name]
        },
        added_examples=_rows_at(after, _first(pairs.added, key).get_column(ROW + OTHER)),
        removed_examples=_rows_at(before, _first(pairs.removed, key).get_column(ROW)),
        changed_examples=_cells(before, after, _first(pairs.changed, key), key, shared),
    )


def _check_key(old: pl.Schema, new: pl.Schema, key: Sequence[str]) -> None:
    for schema in (old, new):
        columns = ", ".join(f"'{name}'" for name in schema)
        if not key:
            message = (
                "Records are matched by a key, and the contract names none. Give one with --key, "
                f"or mark a column unique in the contract. There are: {columns}."
            )
            raise CollectionflowError(message)
        if absent := [name for name in key if name not in schema]:
            message = f"Key column '{absent[0]}' is not in this version. There are: {columns}."
            raise CollectionflowError(message)
    for name in key:
        if in_words(old[name]) != in_words(new[name]):
            message = (
                f"Key column '{name}' was {old[name]} and is {new[name]} now, so records cannot be "
                "matched. Give another key with --key."
            )
            raise CollectionflowError(message)


def _check_unique(table: Thin) -> None:
    repeated = table.repeated_keys(EXAMPLES)
    if repeated is not None:
        named = ", ".join(map(repr, table.key))
        message = (
            f"The key {named} is not unique, so records cannot be matched. "
            f"Repeated:\n{markdown_table(repeated)}"
        )
        raise CollectionflowError(message)


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """The keys that differ, with the numbers of their rows in both tables.

    Those that changed have a column of truth values for each column, named as its hashes are.
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    changed: pl.DataFrame


def _differing(one: Thin, other: Thin, columns: Sequence[str], tolerance: float) -> _Pairs:
    found = [
        _pairs(one.chosen(buckets), other.chosen(buckets), one.key, columns, tolerance)
        for buckets in _at_once(differing_buckets(one, other))
    ]
    return _Pairs(
        added=pl.concat(each.added for each in found),
        removed=pl.concat(each.removed for each in found),
        changed=pl.concat(each.changed for each in found),
    )


def _at_once(buckets: pl.DataFrame) -> Iterator[pl.Series]:
    """Yield the buckets that are compared together, at least once."""
    batch = pl.col("rows").cum_sum() // _ROWS_AT_ONCE
    batches = buckets.with_columns(batch=batch).partition_by("batch", maintain_order=True)
    for each in batches or [buckets]:
        yield each.get_column(BUCKET)


def _pairs(
    one: pl.DataFrame,
    other: pl.DataFrame,
    key: Sequence[str],
    columns: Sequence[str],
    tolerance: float,
) -> _Pairs:
    pairs = one.join(other, on=key, how="full", suffix=OTHER, coalesce=True, nulls_equal=True)
    numbers = [*key, ROW, ROW + OTHER]
    is_added, is_removed = pl.col(ROW).is_null(), pl.col(ROW + OTHER).is_null()
    both = pairs.filter(~is_added, ~is_removed)
    cells = [cells_differ(name, both, tolerance).alias(cell(name)) for name in columns]
    changed = both.select(*numbers, *cells)
    is_changed = pl.any_horizontal([pl.lit(value=False), *map(cell, columns)])
    return _Pairs(
        added=pairs.filter(is_added).select(numbers),
        removed=pairs.filter(is_removed).select(numbers),
        changed=changed.filter(is_changed),
    )


def _first(pairs: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    return pairs.sort(key).head(EXAMPLES)


def _rows_at(table: pl.LazyFrame, numbers: pl.Series) -> pl.DataFrame:
    """Return rows by their numbers: of a stored table, only what lies around them is read."""
    rows = [table.slice(number, 1) for number in numbers]
    return pl.concat(pl.collect_all([table.clear(), *rows]))


def _cells(
    before: pl.LazyFrame,
    after: pl.LazyFrame,
    changed: pl.DataFrame,
    key: Sequence[str],
    columns: Sequence[str],
) -> pl.DataFrame:
    """Return changed records, one row a changed cell."""
    old = _rows_at(before, changed.get_column(ROW))
    new = _rows_at(after, changed.get_column(ROW + OTHER))
    words = {"column": pl.String, "before": pl.String, "after": pl.String}
    none = (
        changed.clear()
        .select(key)
        .with_columns(pl.lit(None, dtype).alias(name) for name, dtype in words.items())
    )
    cells = [
        changed.select(
            *key, column=pl.lit(name), before=_text(name, old), after=_text(name, new)
        ).filter(changed.get_column(cell(name)))
        for name in columns
    ]
    return pl.concat([none, *cells]).sort(*key, "column")


def _text(name: str, frame: pl.DataFrame) -> pl.Series:
    """Return a column as text; what Polars has no text for as Python writes it, few as they are."""
    values = frame.get_column(name)
    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Duration):
        texts = [None if value is None else str(value) for value in values.to_list()]
        return pl.Series(name, texts, dtype=pl.String)
    return values.cast(pl.String)
