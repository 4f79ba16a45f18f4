"""From failing rows, as a lazy frame, to a finding."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from collectionflow.checks._check import Finding, allowed
from collectionflow.checks._look import Look
from collectionflow.storage import gate


def finding_of(
    look: Look, failing: pl.LazyFrame, allow: float, sentence: str, first: Sequence[str] = ()
) -> Finding:
    """Return the finding about rows that fail, with as many as may be shown.

    The columns `first`, and the table's key, are what a reader looks for, so they come first; how
    many different values of `first` there are is told too.
    """
    present = failing.collect_schema()
    key = look.contract.key if look.contract else ()
    columns = [name for name in dict.fromkeys((*key, *first, *present)) if name in present]
    rows = failing.select(columns).cache()
    differing = [pl.struct(first).n_unique().alias("different")] if first else []
    told, examples = pl.collect_all(
        [rows.select(pl.len().alias("failing"), *differing), rows.head(gate.EXAMPLES)]
    )
    found = allowed(told["failing"].item(), look.rows, allow, sentence, examples)
    if not first:
        return found
    different = told["different"].item()
    words = f" {different:,} different {' + '.join(first)}." if different else ""
    counts = found.counts | {"different": different}
    return replace(found, sentence=found.sentence + words, counts=counts)
