"""What the gate counted of a version, kept beside it so that nobody counts it again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from collectionflow.contract import Rule
from collectionflow.storage import _files
from collectionflow.storage.gate import Breach, Measurement
from collectionflow.storage.versions import StoredTable, published_version

# What is counted, and how: what was kept under another number is counted anew.
_FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The counts of a version: rows, filled values, and the rows that break each rule.

    Rules are known by a mark of what they compute, so that a changed rule is another one.
    `source_columns` are all that the source had, empty where nobody said.
    """

    rows: int
    filled: Mapping[str, int]
    counts: Mapping[str, int]
    examples: Mapping[str, pl.DataFrame] = field(repr=False)
    source_columns: tuple[str, ...] = ()

    def knows(self, rule: Rule) -> bool:
        """Tell whether exactly this rule was judged; one that was changed since was not."""
        return _mark(rule) in self.counts

    def breach(self, rule: Rule) -> Breach | None:
        """Return how the version breaks a rule that is known, None where it keeps it."""
        mark = _mark(rule) or ""
        if not self.counts[mark]:
            return None
        return Breach(
            rule=rule.name,
            count=self.counts[mark],
            rows=self.rows,
            examples=self.examples[mark],
        )


def keep_measured(
    table: StoredTable,
    version: str,
    measurement: Measurement,
    found: Sequence[Breach],
    source_columns: Sequence[str],
) -> None:
    """Write what was counted of a version that is about to be published.

    Without this file all is counted anew, so it may be lost at any time.
    """
    marks = {rule.name: mark for rule in measurement.judged if (mark := _mark(rule))}
    broken = {marks[each.rule]: each for each in found if each.rule in marks}
    content = {
        "format": _FORMAT,
        "rows": measurement.rows,
        "filled": dict(measurement.filled),
        "counts": dict.fromkeys(marks.values(), 0)
        | {mark: each.count for mark, each in broken.items()},
        "examples": {mark: _as_text(each.examples) for mark, each in broken.items()},
        "source_columns": list(source_columns),
    }
    with _files.staged(table.base, ".json") as staged:
        staged.write_text(json.dumps(content), encoding="utf-8")
        _files.move(staged, table.measured(version))


def measured(table: StoredTable) -> Measured | None:
    """Return what was counted of the published version, None where nothing was kept."""
    if not table.path.exists():
        return None
    path = table.measured(published_version(table))
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.pop("format") != _FORMAT:
        return None
    examples = {
        mark: pl.DataFrame(columns, schema_overrides=dict.fromkeys(columns, pl.String))
        for mark, columns in content.pop("examples").items()
    }
    columns = tuple(content.pop("source_columns"))
    return Measured(**content, examples=examples, source_columns=columns)


def _mark(rule: Rule) -> str | None:
    """Return a mark of what a rule computes, None where a Python function does it.

    A function may change and keep its name.
    """
    expressions = (rule.fails, rule.count)
    if any("python_udf" in str(each) for each in expressions):
        return None
    content = [rule.name.encode(), *(each.meta.serialize() for each in expressions)]
    return hashlib.sha256(b"\0".join(content)).hexdigest()[:32]


def _as_text(examples: pl.DataFrame) -> dict[str, list[str | None]]:
    return {
        name: [
            None if value is None else str(value) for value in examples.get_column(name).to_list()
        ]
        for name in examples.columns
    }
