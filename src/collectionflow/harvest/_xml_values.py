"""The marked text of XML records as Polars columns: each value as it was, or named in an error."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import polars as pl

from collectionflow.casts import strictly_cast
from collectionflow.contract import Contract
from collectionflow.errors import SourceError
from collectionflow.harvest._lists import regrouped
from collectionflow.harvest._xml_fields import (
    RECORD_END,
    Field,
    every,
    field_end,
    value_start,
)
from collectionflow.markdown import quoted
from collectionflow.notes import Notes


@dataclass(kw_only=True)
class XmlFrames:
    """Makes frames of marked texts, and remembers which fields were found.

    Make a new one for each run of a lazy frame.
    """

    table: str
    fields: Sequence[Field]
    contract: Contract
    _documents: list[tuple[int, str]] = dataclass_field(default_factory=list)
    _texts: list[bytes] = dataclass_field(default_factory=list)
    _added: int = 0
    _taken: int = 0
    _found: set[str] = dataclass_field(default_factory=set)

    def begin(self, where: str) -> None:
        """Begin a document: errors name it and number its records."""
        self._documents.append((self._added, where))

    def add(self, text: bytes, records: int) -> None:
        """Add the marked text of some records."""
        if records:
            self._texts.append(text)
            self._added += records

    def is_due(self, least_bytes: int = 1) -> bool:
        """Return whether so much text waits to be taken."""
        return sum(map(len, self._texts)) >= least_bytes

    def take(self) -> pl.DataFrame:
        """Return the records that were added, in the fields' source types.

        Raises:
            SourceError: where a field that has one value has several, or one that cannot be.
        """
        texts = pl.Series(self._texts, dtype=pl.Binary).cast(pl.String)
        self._texts = []
        records = texts.str.strip_suffix(RECORD_END).str.split(RECORD_END).explode()
        rows = pl.int_range(self._taken, self._taken + len(records), eager=True)
        frame = pl.DataFrame(self._columns(records, self.fields, rows, 0))
        self._taken += len(records)
        return frame

    def finish(self, path: str, notes: Notes) -> None:
        """Warn of fields that no record had, and where there is no record at all."""
        if not self._taken:
            notes.warn(
                f"'{self.table}' has no record at '{path}'. Is the path or its namespace another "
                "one? An element in a default namespace needs a prefix in the path as well."
            )
            return
        names = [each for each in every(self.fields) if each.name not in self._found]
        if not names:
            return
        shown = ", ".join(f"'{each.name}' ({each.xpath})" for each in names)
        notes.warn(
            f"No record of '{self.table}', of {self._taken:,}, has anything for {shown}. Has the "
            "source renamed it, or is the path or its namespace another one?"
        )

    def _columns(
        self, cells: pl.Series, fields: Sequence[Field], rows: pl.Series, level: int
    ) -> list[pl.Series]:
        parts = cells.str.split_exact(field_end(level), len(fields))
        return [
            self._column(parts.struct.field(f"field_{index}"), each, rows, level)
            for index, each in enumerate(fields)
        ]

    def _column(self, cells: pl.Series, each: Field, rows: pl.Series, level: int) -> pl.Series:
        """Return one field of all records, or of all records that are nested at one place."""
        mark = value_start(level)
        if each.is_many:
            # Before the first mark there is nothing.
            lists = cells.str.split(mark).list.slice(1)
            counts = lists.list.len().fill_null(0)
            items = lists.filter(counts > 0).explode()
            self._note(each, items)
            if not each.fields and not each.is_cast:
                return lists.alias(each.column)
            found = self._values(items, each, _repeated(rows, counts), level)
            return regrouped(found, counts.to_list()).alias(each.column)
        values = _where(cells != "", cells.str.strip_prefix(mark))
        if values.str.contains(mark, literal=True).any():
            raise self._several(values, mark, each, rows)
        self._note(each, values)
        return self._values(values, each, rows, level).alias(each.column)

    def _note(self, each: Field, values: pl.Series) -> None:
        if values.null_count() < len(values):
            self._found.add(each.name)

    def _values(self, items: pl.Series, each: Field, rows: pl.Series, level: int) -> pl.Series:
        if each.fields:
            columns = self._columns(items, each.fields, rows, level + 1)
            return _where(items.is_not_null(), pl.DataFrame(columns).to_struct())
        return self._cast(items, each, rows) if each.is_cast else items

    def _cast(self, texts: pl.Series, each: Field, rows: pl.Series) -> pl.Series:
        """Cast values inside of lists and records strictly; storage casts flat columns only."""
        found, is_refused = strictly_cast(texts, each.dtype)
        if is_refused.any():
            row, value = rows.filter(is_refused)[0], texts.filter(is_refused)[0]
            message = (
                f"{self._place(each, row)} is '{value}', which is no {each.dtype}. Ask the source "
                f"to mend it, or make it text in {self.contract.name} and mend it in clean."
            )
            raise SourceError(message)
        return found

    def _several(self, cells: pl.Series, mark: str, each: Field, rows: pl.Series) -> SourceError:
        index = cells.str.contains(mark, literal=True).arg_max() or 0
        values = cells[index].split(mark)
        shown = "" if each.fields else f": {quoted(values[:5])}"
        what = "records" if each.fields else "values"
        inner = "Struct" if each.fields else each.dtype
        return SourceError(
            f"{self._place(each, rows[index])} has {len(values)} {what}{shown}, expected one. Make "
            f"it List({inner}) in {self.contract.name} to keep all, or choose one in its XPath "
            f"'{each.xpath}'."
        )

    def _place(self, each: Field, row: int) -> str:
        index = bisect_right(self._documents, row, key=lambda document: document[0]) - 1
        first, where = self._documents[index]
        return f"Field '{each.name}' of record {row - first + 1:,} of {where}"


def _repeated(rows: pl.Series, counts: pl.Series) -> pl.Series:
    """Return for each item of a list the row of its list."""
    table = pl.DataFrame({"row": rows, "count": counts}).filter(pl.col("count") > 0)
    return table.select(pl.col("row").repeat_by("count").explode()).to_series()


def _where(condition: pl.Series, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(condition).then(values)).to_series()
