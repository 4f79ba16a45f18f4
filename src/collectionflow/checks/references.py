"""Whether each row's reference leads to a row of another table."""

from collections.abc import Sequence
from typing import Unpack

from collectionflow.checks._check import AssetName, Check, Finding, Options, key_of, make_check
from collectionflow.checks._look import Look
from collectionflow.checks._rows import finding_of


def reference(
    asset: AssetName,
    column: str | Sequence[str],
    to: AssetName,
    *,
    key: str | Sequence[str] | None = None,
    allow: float = 0.0,
    **options: Unpack[Options],
) -> Check:
    """Check that each value of a column is a key of another table.

    `key` is the column of the other table, where it has another name. The share `allow` of the
    rows, from 0 to 1, may be orphans. Rows without a value refer to nothing and are no orphans.

    Examples:
        >>> from collectionflow.checks import reference
        >>> check = reference("harvested_links", "ObjectID", "harvested_objects", allow=0.01)
        >>> check.name
        'ObjectID_is_in_harvested_objects'
    """
    columns = [column] if isinstance(column, str) else list(column)
    keys = columns if key is None else [key] if isinstance(key, str) else list(key)
    other = key_of(to)
    named, target = " + ".join(map(repr, columns)), other.to_user_string()

    def judge(look: Look) -> Finding:
        filled = look.frame.drop_nulls(columns)
        known = look.other(other).select(keys)
        orphans = filled.join(known, left_on=columns, right_on=keys, how="anti")
        sentence = f"{named} is not in '{target}'"
        return finding_of(look, orphans, allow, sentence, columns)

    return make_check(
        asset,
        judge,
        options,
        name=f"{' '.join(columns)} is in {target}",
        description=f"Each {named} is in '{target}'.",
        reads=[other],
    )
