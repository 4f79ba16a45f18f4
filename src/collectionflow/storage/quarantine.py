"""The quarantine: rows that break a rule which only warns are kept apart, with their reasons."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl
from upath import UPath

from collectionflow.contract import Rule
from collectionflow.storage import _files
from collectionflow.storage._elements import elements_to_blame
from collectionflow.storage.engines._engine import Writing
from collectionflow.storage.engines.polars import POLARS
from collectionflow.storage.gate import FAILS
from collectionflow.storage.versions import StoredTable, published_version

METADATA_KEY: Final = "collectionflow/quarantine"
REASONS: Final = "quarantine_reasons"


@dataclass(frozen=True, kw_only=True)
class Quarantine:
    """Which share of the rows, from 0 to 1, may be quarantined before the table is refused."""

    max_share: float = 0.01

    def __post_init__(self) -> None:
        """Refuse a share that could never act."""
        if not 0 < self.max_share <= 1:
            message = f"max_share is a share above 0 and up to 1. Found {self.max_share}."
            raise ValueError(message)


def quarantine(*, max_share: float = 0.01) -> dict[str, Any]:
    """Return asset metadata that quarantines rows which break a rule of the contract that warns.

    Such rows, of rules with `raise_warning=True`, are written to `quarantine/<asset>.parquet` with
    the column `quarantine_reasons`, and do not flow on. Where they are more than `max_share` of
    the rows, the table is refused.

    Examples:
        >>> import dagster as dg
        >>> import pandera.polars as pa
        >>> import polars as pl
        >>> from collectionflow import Frame, quarantine
        >>> class Loans(pa.DataFrameModel):
        ...     loan: int = pa.Field(ge=1, raise_warning=True)
        >>> @dg.asset(metadata=quarantine(max_share=0.05))
        ... def loans() -> Frame[Loans]:
        ...     return pl.LazyFrame({"loan": [1]})
    """
    return {METADATA_KEY: asdict(Quarantine(max_share=max_share))}


def quarantine_of(metadata: Mapping[str, Any]) -> Quarantine | None:
    """Return the quarantine that an asset's metadata asks for, None where it asks for none."""
    found = metadata.get(METADATA_KEY)
    return None if found is None else Quarantine(**found)


@contextmanager
def split(
    table: pl.LazyFrame, rules: Sequence[Rule], base: UPath, writing: Writing
) -> Generator[tuple[Path, Path]]:
    """Yield two staged files: the rows that keep the rules, and the others with their reasons."""
    marks = {f"{FAILS} {number}": rule.fails for number, rule in enumerate(rules)}
    marked = table.with_columns(**marks)
    fails = pl.any_horizontal(*marks)
    schema = pl.Schema(table.collect_schema() | {REASONS: pl.List(pl.String)})
    others = marked.filter(fails).map_batches(
        partial(_with_reasons, rules=rules), schema=schema, streamable=True
    )
    with _files.staged(base) as kept, _files.staged(base) as apart:
        POLARS.sink(marked.filter(~fails).drop(*marks), kept, writing.as_it_comes())
        POLARS.sink(others, apart, writing.as_it_comes())
        yield kept, apart


def with_quarantined(table: StoredTable) -> pl.LazyFrame:
    """Return the published table together with the rows that were taken out of it."""
    published = _files.scan(table.path)
    apart = table.quarantined(published_version(table))
    if not apart.exists():
        return published
    return pl.concat([published, _files.scan(apart).drop(REASONS)], how="diagonal")


def reasons(table: StoredTable) -> pl.DataFrame:
    """Return why rows of the published version are quarantined, with how many rows have a reason.

    Which element of a list is to blame is left out.
    """
    apart = table.quarantined(published_version(table))
    if not apart.exists():
        return pl.DataFrame(schema={"reason": pl.String, "rows": pl.UInt32})
    return (
        _files.scan(apart)
        .select(reason=pl.col(REASONS).explode().str.split(": element ").list.first())
        .group_by("reason")
        .agg(rows=pl.len())
        .sort("rows", "reason", descending=[True, False])
        .collect()
    )


def _with_reasons(rows: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """Return marked rows with the list of what they break, in the place of the marks."""
    marks = [f"{FAILS} {number}" for number in range(len(rules))]
    reasons = [_reason(rows, mark, rule) for mark, rule in zip(marks, rules, strict=True)]
    return rows.drop(marks).with_columns(
        pl.concat_list(reasons).list.drop_nulls().alias(REASONS),
    )


def _reason(rows: pl.DataFrame, mark: str, rule: Rule) -> pl.Series:
    """Return the rule in the rows that break it, with the elements of a list that are to blame."""
    index = pl.int_range(pl.len(), dtype=pl.Int64).alias("index")
    breaking = rows.select(index).filter(rows.get_column(mark))
    elements = elements_to_blame(rows.filter(mark), rule)
    if elements is None:
        texts = breaking.select("index", reason=pl.lit(rule.name))
    else:
        where = _words(elements)
        numbered = breaking.with_columns(place=index)
        texts = numbered.join(where, left_on="place", right_on="index", how="left").select(
            "index", reason=pl.lit(rule.name) + pl.col("words").fill_null("")
        )
    return rows.select(index).join(texts, on="index", how="left", maintain_order="left")["reason"]


def _words(elements: pl.DataFrame) -> pl.DataFrame:
    """Return by row which elements are to blame."""
    words = [f"element {each['element']} is {each['value']!r}" for each in elements.to_dicts()]
    return (
        elements.select("index", words=pl.Series(words, dtype=pl.String))
        .group_by("index")
        .agg(words=pl.lit(": ") + pl.col("words").str.join(", "))
    )
