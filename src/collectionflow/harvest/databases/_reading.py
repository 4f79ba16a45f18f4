"""Reads a relation from its first row to its last, also where the connection breaks in between."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from collectionflow._patience import TransientError
from collectionflow.errors import CollectionflowError, SourceError, SourceUnavailable
from collectionflow.harvest._retry import retrying
from collectionflow.harvest.databases._dialect import Column, Dialect, Relation
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

COUNT: Final = "collectionflow_count"
_KEY: Final = "collectionflow_key_"
# The years 1 to 9999, in days of 1970 on.
_FIRST_DAY: Final = -719_162
_LAST_DAY: Final = 2_932_896
_DAY: Final = 86_400_000_000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Which columns of which rows of a relation are read, and as what they arrive."""

    dialect: Dialect
    relation: Relation
    wanted: Mapping[str, pl.DataType]
    condition: str = ""

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns, each in the type that was wanted or as text."""
        return {name: self._delivered(name)[1] for name in self.wanted}

    @property
    def key(self) -> Sequence[Column]:
        """The columns by which a broken read goes on; none where they cannot be compared safely."""
        key = self.relation.key
        return key if all(map(self.dialect.can_order, key)) else ()

    def select(self, names: Sequence[str], after: Sequence[object] | None) -> str:
        """Return SQL for these columns of all rows, or of the rows after a key.

        Where statements see different moments, the number of these rows comes with each of them.
        """
        expressions = {name: sql for name, (sql, _) in self._asked(names).items()}
        if self._is_counted_beside:
            expressions[COUNT] = f"({self.count(after)})"
        quote = self.dialect.quote
        listed = ", ".join(f"{sql} AS {quote(name)}" for name, sql in expressions.items())
        return f"SELECT {listed} FROM {self._rows(after)}"  # noqa: S608 (quoted names, escaped values)

    def count(self, after: Sequence[object] | None) -> str:
        """Return SQL for the number of the rows that `select` finds."""
        rows = self._rows(after)
        counted = f"(SELECT 1 FROM {rows}{self._limit}) c" if self._limit else rows  # noqa: S608
        return f"SELECT count(*) FROM {counted}"  # noqa: S608 (likewise)

    def arrives(self, names: Sequence[str]) -> dict[str, pl.DataType]:
        """Return the columns of that SELECT, those that nobody asked for as well."""
        schema = {name: dtype for name, (_, dtype) in self._asked(names).items()}
        return schema | ({COUNT: pl.Int64()} if self._is_counted_beside else {})

    @property
    def is_counted_apart(self) -> bool:
        """Whether the rows are to be counted by a statement of their own, before they are read."""
        return self.relation.is_counted and self.dialect.keeps_moment

    @property
    def _is_counted_beside(self) -> bool:
        return self.relation.is_counted and not self.dialect.keeps_moment

    def _rows(self, after: Sequence[object] | None) -> str:
        where = " AND ".join(filter(None, [self.condition, self._behind(after)]))
        return f"{self.relation.sql} t" + (f" WHERE {where}" if where else "")

    @property
    def order(self) -> str:
        """The columns of the key: of the relation, since a SELECT may call their text the same."""
        return ", ".join(map(self.dialect.column, self.key)) + self._limit

    @property
    def page_rows(self) -> int | None:
        """How many rows a statement may find, so that the next goes on behind them."""
        return self.dialect.page_rows if self.key else None

    @property
    def _limit(self) -> str:
        return f" LIMIT {self.page_rows}" if self.page_rows else ""

    def _delivered(self, name: str) -> tuple[str, pl.DataType]:
        (column,) = [column for column in self.relation.columns if column.name == name]
        return self.dialect.deliver(column, self.wanted[name])

    def key_names(self, names: Sequence[str]) -> list[str]:
        """Return what the columns of the key are called among those of that SELECT."""
        asked = {name: self._delivered(name)[0] for name in names}
        return [
            column.name if asked.get(column.name) == self._exact(column)[0] else f"{_KEY}{place}"
            for place, column in enumerate(self.key)
        ]

    def _asked(self, names: Sequence[str]) -> dict[str, tuple[str, pl.DataType]]:
        asked = {name: self._delivered(name) for name in names}
        keys = zip(self.key_names(names), map(self._exact, self.key), strict=True)
        return asked | {name: sql for name, sql in keys if name not in asked}

    def _exact(self, column: Column) -> tuple[str, pl.DataType]:
        """Return SQL for a column of the key as a number, or as text from which it can be made."""
        return self.dialect.deliver(column, pl.Int64())

    def _behind(self, after: Sequence[object] | None) -> str:
        if after is None:
            return ""
        values = [
            self.dialect.literal(*each) for each in zip(self.key, map(str, after), strict=True)
        ]
        return _greater([self.dialect.column(column) for column in self.key], values)


def _greater(columns: Sequence[str], values: Sequence[str]) -> str:
    """Return SQL for a key above another: in words that every database has."""
    column, value = columns[0], values[0]
    if len(columns) == 1:
        return f"{column} > {value}"
    rest = _greater(columns[1:], values[1:])
    return f"({column} >= {value} AND ({column} > {value} OR {rest}))"


def batches(
    reading: Reading, harvest: Harvest, notes: Notes, names: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """Yield the rows of these columns, in the types of `reading.schema`.

    Raises:
        SourceError: where something in the relation cannot be read safely.
        SourceUnavailable: where the connection cannot be had again, or was lost and the relation
            has no primary key to go on by.
    """
    reader = _Reader(reading, names, harvest)
    with closing(reader):
        while (batch := retrying(reader.next_batch, harvest, notes)) is not None:
            yield batch


@dataclass
class _Reader:
    """One read, in as many statements as it takes. `_received` are the rows of the last one."""

    reading: Reading
    names: Sequence[str]
    harvest: Harvest
    _rows: Generator[pl.DataFrame] | None = field(default=None, init=False)
    _after: Sequence[object] | None = field(default=None, init=False)
    _received: int = field(default=0, init=False)

    def next_batch(self) -> pl.DataFrame | None:
        """Return the next rows, None behind the last."""
        batch = self._next()
        while batch is None and self._received == self.reading.page_rows:
            self._rows = None
            batch = self._next()
        return batch

    def _next(self) -> pl.DataFrame | None:
        if self._rows is None:
            self._rows = self._open()
            self._received = 0
        try:
            batch = next(self._rows, None)
        except CollectionflowError:
            raise
        except (*self.reading.dialect.errors, pl.exceptions.PolarsError) as error:
            self._rows = None
            can_go_on = self._after is None or bool(self.reading.key)
            where = self.reading.relation.shown
            raise fault(self.reading.dialect, where, error, can_go_on=can_go_on) from error
        return None if batch is None else self._taken(batch)

    def close(self) -> None:
        """Close the connection, wherever the read is."""
        if self._rows is not None:
            self._rows.close()

    def _open(self) -> Generator[pl.DataFrame]:
        reading = self.reading
        schema = reading.arrives(self.names)
        if reading.relation.is_counted:
            self.harvest.expected = self.harvest.received
        with reading.dialect.connect() as session:
            if reading.is_counted_apart:
                counted = session.read(reading.count(self._after), {COUNT: pl.Int64()})
                self._expect(pl.concat(counted).item())
            sql = reading.select(self.names, self._after)
            for batch in session.read(sql, schema, reading.order):
                if batch.height:
                    yield batch.cast(pl.Schema(schema))

    def _expect(self, rows: int) -> None:
        self.harvest.expected = self.harvest.received + rows

    def _taken(self, batch: pl.DataFrame) -> pl.DataFrame:
        if COUNT in batch.columns and not self._received:
            self._expect(batch.get_column(COUNT).item(0))
        self._received += batch.height
        keys = self.reading.key_names(self.names)
        self._after = batch.select(keys).row(-1) if keys else ()
        rows = batch.select(self.names)
        _check_years(rows, self.reading.relation.shown)
        return rows


def fault(dialect: Dialect, what: str, error: Exception, *, can_go_on: bool = True) -> Exception:
    """Return what a driver's error means: wait and go on, run again, or mend something."""
    told = dialect.hidden(error)
    if not dialect.is_lost(error):
        return SourceError(f"{what[0].upper()}{what[1:]} cannot be read: {told}.")
    if can_go_on:
        return TransientError(f"{dialect.where} does not answer: {told}.")
    return SourceUnavailable(
        f"The connection to {dialect.where} was lost: {told}. {what[0].upper()}{what[1:]} has no "
        "primary key, so it is not known where to go on. Run again."
    )


def _check_years(rows: pl.DataFrame, shown: str) -> None:
    """Refuse what no calendar after Christ has: infinity and BC arrive as numbers out of range."""
    for name, dtype in rows.schema.items():
        if not isinstance(dtype, pl.Date | pl.Datetime):
            continue
        a_day = 1 if dtype == pl.Date() else _DAY
        found = rows.get_column(name).to_physical()
        if not found.is_between(_FIRST_DAY * a_day, (_LAST_DAY + 1) * a_day - 1).all():
            message = (
                f"Column '{name}' of {shown} has a date that is not in the years 1 to 9999, such "
                f"as 'infinity' or one BC. Take it as text in the contract (`{name}: str`): it is "
                "then kept as the database writes it."
            )
            raise SourceError(message)
