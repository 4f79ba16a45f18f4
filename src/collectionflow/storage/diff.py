"""What differs between two versions of a table, by key."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from collectionflow.errors import CollectionflowError
from collectionflow.markdown import markdown_table

EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Records added, removed and changed between two versions.

    `changed_by_column` counts the changed cells of each column. The examples are the first
    records by key: whole rows of those added and removed; of those changed, one row a cell with
    the columns `key`, `column`, `before` and `after` as text.
    """

    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    changed_by_column: dict[str, int]
    columns_added: list[str]
    columns_removed: list[str]
    added_examples: pl.DataFrame = field(repr=False)
    removed_examples: pl.DataFrame = field(repr=False)
    changed_examples: pl.DataFrame = field(repr=False)


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


def diff(before: pl.LazyFrame, after: pl.LazyFrame, key: Sequence[str]) -> Difference:
    """Compare two versions of a table record by record.

    Rows are matched on `key`; each other column is compared by a hash of its value, nested
    values included, so memory holds 8 bytes a cell.

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
    old_schema, new_schema = before.collect_schema(), after.collect_schema()
    _check_key(before, old_schema, key)
    _check_key(after, new_schema, key)
    _check_key_types(old_schema, new_schema, key)
    shared = [name for name in new_schema if name in old_schema and name not in key]
    pairs = _hashed(before, key, shared).join(
        _hashed(after, key, shared),
        on=key,
        how="full",
        suffix=" after",
        coalesce=True,
        nulls_equal=True,
    )
    is_added, is_removed = pl.col("_row").is_null(), pl.col("_row after").is_null()
    is_kept = ~is_added & ~is_removed
    differs = {name: is_kept & (pl.col(f"={name}") != pl.col(f"={name} after")) for name in shared}
    is_changed = pl.any_horizontal(differs.values()) if differs else pl.lit(value=False)
    compared = pairs.select(
        *key,
        is_added=is_added,
        is_removed=is_removed,
        is_changed=is_changed,
        **{f"={name}": expression for name, expression in differs.items()},
    ).collect()
    counts = compared.select(pl.col(pl.Boolean).sum()).row(0, named=True)
    return Difference(
        rows_before=before.select(pl.len()).collect().item(),
        rows_after=after.select(pl.len()).collect().item(),
        added=counts["is_added"],
        removed=counts["is_removed"],
        changed=counts["is_changed"],
        changed_by_column={name: counts[f"={name}"] for name in shared if counts[f"={name}"]},
        columns_added=[name for name in new_schema if name not in old_schema],
        columns_removed=[name for name in old_schema if name not in new_schema],
        added_examples=_rows(after, compared, "is_added", key),
        removed_examples=_rows(before, compared, "is_removed", key),
        changed_examples=_cells(before, after, compared, key, shared),
    )


def _check_key(table: pl.LazyFrame, schema: pl.Schema, key: Sequence[str]) -> None:
    columns = ", ".join(f"'{name}'" for name in schema)
    if not key:
        message = (
            "Records are matched by a key, and the contract names none. Give one with --key, or "
            f"mark a column unique in the contract. There are: {columns}."
        )
        raise CollectionflowError(message)
    for name in key:
        if name not in schema:
            message = f"Key column '{name}' is not in this version. There are: {columns}."
            raise CollectionflowError(message)
    repeated = (
        table.select(key)
        .group_by(key)
        .len("rows with it")
        .filter(pl.col("rows with it") > 1)
        .sort(key)
        .head(EXAMPLES)
        .collect()
    )
    if not repeated.is_empty():
        message = (
            f"The key {', '.join(map(repr, key))} is not unique, so records cannot be matched. "
            f"Repeated:\n{markdown_table(repeated)}"
        )
        raise CollectionflowError(message)


def _check_key_types(old: pl.Schema, new: pl.Schema, key: Sequence[str]) -> None:
    for name in key:
        if old[name] != new[name]:
            message = (
                f"Key column '{name}' was {old[name]} and is {new[name]} now, so records cannot be "
                "matched. Give another key with --key."
            )
            raise CollectionflowError(message)


def _hashed(table: pl.LazyFrame, key: Sequence[str], columns: Sequence[str]) -> pl.LazyFrame:
    schema = table.collect_schema()
    hashes = {f"={name}": _comparable(name, schema[name]).hash() for name in columns}
    return table.select(*key, _row=pl.lit(value=True), **hashes)


def _comparable(name: str, dtype: pl.DataType) -> pl.Expr:
    # An enum is hashed by its place among the categories, and those may differ between versions.
    is_coded = isinstance(dtype, pl.Enum | pl.Categorical)
    return pl.col(name).cast(pl.String) if is_coded else pl.col(name)


def _rows(
    table: pl.LazyFrame, compared: pl.DataFrame, which: str, key: Sequence[str]
) -> pl.DataFrame:
    chosen = compared.lazy().filter(which).select(key).sort(key).head(EXAMPLES)
    return table.join(chosen, on=key, how="semi", nulls_equal=True).sort(key).collect()


def _cells(
    before: pl.LazyFrame,
    after: pl.LazyFrame,
    compared: pl.DataFrame,
    key: Sequence[str],
    columns: Sequence[str],
) -> pl.DataFrame:
    """Return the first changed records, one row a changed cell."""
    changed = compared.lazy().filter("is_changed").sort(key).head(EXAMPLES)
    old = before.join(changed.select(key), on=key, how="semi", nulls_equal=True).collect()
    new = after.join(changed.select(key), on=key, how="semi", nulls_equal=True).collect()
    cells = [
        changed.collect()
        .filter(f"={name}")
        .select(key)
        .join(old.select(*key, before=_text(name, old)), on=key, nulls_equal=True)
        .join(new.select(*key, after=_text(name, new)), on=key, nulls_equal=True)
        .select(*key, column=pl.lit(name), before="before", after="after")
        for name in columns
    ]
    empty = compared.clear().select(
        *key, *(pl.lit("").alias(name) for name in ("column", "before", "after"))
    )
    return pl.concat([empty, *cells]).sort(*key, "column")


def _text(name: str, frame: pl.DataFrame) -> pl.Series:
    """Return a column as text; what Polars has no text for as Python writes it, few as they are."""
    values = frame.get_column(name)
    if values.dtype.is_nested() or values.dtype in (pl.Binary, pl.Duration):
        texts = [None if value is None else str(value) for value in values.to_list()]
        return pl.Series(name, texts, dtype=pl.String)
    return values.cast(pl.String)
