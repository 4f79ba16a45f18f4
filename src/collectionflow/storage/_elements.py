"""Which elements of a list break a rule, where the rule is about the list."""

import polars as pl

from collectionflow.contract import Rule

_INDEX = "collectionflow: index"
_PLACE = "collectionflow: place"
_FAILS = "collectionflow: fails"


def elements_to_blame(rows: pl.DataFrame, rule: Rule) -> pl.DataFrame | None:
    """Return the elements that break a rule about one list, None where no element does.

    An element is to blame where a list of it alone breaks the rule, and the list without such
    elements keeps it. So "at least two" blames none, and "none is empty" those that are.

    The frame has the `index` of the row, the position of the `element` from 1, and its `value`.

    Examples:
        >>> import polars as pl
        >>> from collectionflow.contract import rule
        >>> from collectionflow.storage._elements import elements_to_blame
        >>> rows = pl.DataFrame({"terms": [["oil", ""], ["", "ink"]]})
        >>> is_empty = pl.col("terms").list.contains("")
        >>> elements_to_blame(rows, rule("no term is empty", ("terms",), is_empty)).rows()
        [(0, 2, ''), (1, 1, '')]
    """
    name = _only_list(rows, rule)
    if name is None:
        return None
    elements = (
        rows.select(name)
        .with_row_index(_INDEX)
        .filter(pl.col(name).list.len() > 0)
        .with_columns(pl.int_ranges(1, pl.col(name).list.len() + 1).alias(_PLACE))
        .explode(name, _PLACE)
    )
    alone = elements.group_by(_INDEX, _PLACE, maintain_order=True).agg(name)
    fails = alone.select(rule.fails.alias(_FAILS)).to_series()
    rest = elements.filter(~fails).group_by(_INDEX).agg(name)
    whole = rows.select(name).with_row_index(_INDEX)
    without = whole.select(_INDEX).join(rest, on=_INDEX, how="left", maintain_order="left")
    kept = without.with_columns(pl.col(name).fill_null([])).filter(~rule.fails)
    found = elements.filter(fails).filter(pl.col(_INDEX).is_in(kept.get_column(_INDEX).implode()))
    if found.is_empty():
        return None
    return found.select(index=pl.col(_INDEX).cast(pl.Int64), element=_PLACE, value=name)


def _only_list(rows: pl.DataFrame, rule: Rule) -> str | None:
    names = set(rule.columns or rule.fails.meta.root_names())
    if len(names) != 1:
        return None
    (name,) = names
    return name if isinstance(rows.schema.get(name), pl.List) else None
