"""What a Pandera schema asks of a table, as Polars expressions that share one pass."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal, cast

import polars as pl


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of a contract.

    `name` is its sentence, `identifier` names its asset check. `fails` is true for each row that
    breaks the rule; `count` is how many rows break it. `is_warning` marks a rule that is told but
    does not stop the table.
    """

    name: str
    identifier: str
    columns: tuple[str, ...]
    fails: pl.Expr
    count: pl.Expr
    kind: Literal["filled", "unique", "value"] = "value"
    is_warning: bool = False
    description: str = ""

    @property
    def is_by_row(self) -> bool:
        """Whether a row can be judged without the others."""
        return self.kind != "unique"


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The columns, types, rules and key of one table."""

    name: str
    dtypes: Mapping[str, pl.DataType]
    required: frozenset[str]
    coerced: frozenset[str]
    rules: tuple[Rule, ...]
    key: tuple[str, ...]
    descriptions: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extras: Literal["warn", "stop", "drop"] = "warn"

    def missing(self, present: Mapping[str, Any]) -> list[str]:
        """Return the required columns that are not among `present`, in the contract's order."""
        return [name for name in self.dtypes if name in self.required and name not in present]

    def unexpected(self, present: Mapping[str, Any]) -> list[str]:
        """Return the columns of `present` that the contract does not name."""
        return [name for name in present if name not in self.dtypes]

    def select(self, table: pl.LazyFrame) -> pl.LazyFrame:
        """Return exactly the contract's columns, those that are optional only where present."""
        present = table.collect_schema()
        return table.select(name for name in self.dtypes if name in present)

    def wrong_types(self, present: Mapping[str, pl.DataType]) -> list[str]:
        """Return a sentence for each column whose type is not the contract's."""
        return [
            f"Column '{name}' is {present[name]}, expected {dtype}."
            for name, dtype in self.dtypes.items()
            if name in present and present[name] != dtype
        ]


_EXTRAS: dict[Any, Literal["warn", "stop", "drop"]] = {True: "stop", "filter": "drop"}


@cache
def contract_of(schema: Any) -> Contract:
    """Return the contract of a Pandera `DataFrameModel`.

    Raises:
        TypeError: where the schema asks to mend data (defaults, added columns, dropped rows), or
            gives a column by a regular expression or with half a type. A contract names its
            columns and their types.

    Examples:
        >>> import pandera.polars as pa
        >>> from collectionflow.contract import contract_of
        >>> class Objects(pa.DataFrameModel):
        ...     object_id: int = pa.Field(unique=True)
        ...     title: str = pa.Field(nullable=True)
        >>> contract_of(Objects).key
        ('object_id',)
        >>> [rule.name for rule in contract_of(Objects).rules]
        ["'object_id' must be filled", "'object_id' must be unique"]
    """
    from pandera.backends.polars.register import register_polars_backends

    register_polars_backends()  # Pandera does so on its own first validation, which never comes.
    parsed = schema.to_schema()
    _refuse_unsupported(parsed)
    columns = parsed.columns
    return Contract(
        name=parsed.name,
        dtypes={name: _dtype(column) for name, column in columns.items()},
        required=frozenset(name for name, column in columns.items() if column.required),
        coerced=frozenset(name for name in columns if parsed.coerce or columns[name].coerce),
        rules=tuple(_rules(parsed)),
        key=_key(parsed),
        descriptions={
            name: column.description for name, column in columns.items() if column.description
        },
        metadata={name: column.metadata for name, column in columns.items() if column.metadata},
        extras=_EXTRAS.get(parsed.strict, "warn"),
    )


def _refuse_unsupported(schema: Any) -> None:
    """Refuse what a contract would otherwise ignore without a word."""
    options = ("ordered", "add_missing_columns", "drop_invalid_rows")
    for option in options:
        if getattr(schema, option):
            raise TypeError(_unsupported(schema.name, option))
    for name, column in schema.columns.items():
        if column.default is not None:
            raise TypeError(_unsupported(f"Column '{name}' of {schema.name}", "default"))
        if column.regex:
            message = (
                f"Column '{name}' of {schema.name} is a regular expression. Name each column, so "
                "that the source cannot decide which columns there are."
            )
            raise TypeError(message)


def _unsupported(what: str, option: str) -> str:
    return (
        f"{what} sets '{option}', which a contract does not do: it judges a table and never mends "
        "it. Mend the table in clean."
    )


def _dtype(column: Any) -> pl.DataType:
    dtype = column.dtype.type
    if not isinstance(dtype, type):
        return dtype
    # Pandera keeps some Polars types as classes, others as instances.
    try:
        return dtype()
    except TypeError as error:
        message = (
            f"Column '{column.name}' has the type {dtype}, which does not say what it holds. "
            "Write it in full, such as pl.List(pl.String)."
        )
        raise TypeError(message) from error


def _key(schema: Any) -> tuple[str, ...]:
    if schema.unique:
        return tuple(schema.unique)
    unique = [name for name, column in schema.columns.items() if column.unique]
    return tuple(unique[:1])


def _rules(schema: Any) -> Iterator[Rule]:
    for name, column in schema.columns.items():
        if not column.nullable:
            yield _filled(name)
        if column.unique:
            yield _unique((name,))
        for check in column.checks:
            yield _checked(check, (name,))
    if schema.unique:
        yield _unique(tuple(schema.unique))
    for check in schema.checks:
        yield _checked(check, ())


def rule(
    name: str,
    columns: tuple[str, ...],
    fails: pl.Expr,
    *,
    identifier: str = "",
    is_warning: bool = False,
    description: str = "",
) -> Rule:
    """Return the rule that is broken in each row where `fails` is true."""
    return Rule(
        name=name,
        identifier=identifier_of(identifier or name),
        columns=columns,
        fails=fails,
        count=fails.sum(),
        is_warning=is_warning,
        description=description,
    )


def identifier_of(text: str) -> str:
    """Return a text as Dagster takes it for the name of a check.

    Examples:
        >>> from collectionflow.contract import identifier_of
        >>> identifier_of("'Accession Number' must be filled")
        'Accession_Number_must_be_filled'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "_".join(re.findall("[A-Za-z0-9]+", plain)) or "rule"


def _filled(name: str) -> Rule:
    is_empty = rule(f"'{name}' must be filled", (name,), pl.col(name).is_null())
    return replace(is_empty, kind="filled")


def _unique(columns: tuple[str, ...]) -> Rule:
    value = pl.col(columns[0]) if len(columns) == 1 else pl.struct(columns)
    name = f"{' + '.join(map(repr, columns))} must be unique"
    return Rule(
        name=name,
        identifier=identifier_of(name),
        columns=columns,
        fails=value.is_duplicated(),
        # Counting distinct values streams; `is_duplicated` would hold the column in memory.
        count=pl.len() - value.n_unique(),
        kind="unique",
    )


def _checked(check: Any, columns: tuple[str, ...]) -> Rule:
    key = columns[0] if columns else "*"
    passes = _expression(check, key).fill_null(check.ignore_na)
    return rule(
        _sentence(check, columns),
        columns,
        ~passes,
        identifier=_identifier(check, columns),
        is_warning=check.raise_warning,
        description=(check.description or "").strip(),
    )


def _identifier(check: Any, columns: tuple[str, ...]) -> str:
    """Return a name that stays the same when the values that a check compares with change."""
    verb = re.sub(r"\{.*?\}", "", _SENTENCES.get(check.name, check.name or "check"))
    return " ".join((*columns, verb))


class _Recorder:
    """Stands where a check expects its table, and hands back the expression it would select."""

    def select(self, *expressions: pl.Expr, **named: pl.Expr) -> pl.Expr:
        """Return what a check selects as one expression; `pl.all()` alone may stand for many."""
        return pl.all_horizontal(*expressions, *named.values())


def _expression(check: Any, key: str) -> pl.Expr:
    """Return a Pandera check as one expression, true where a row passes."""
    from pandera.api.polars.types import PolarsData

    if not check.element_wise:
        try:
            recorder = cast("pl.LazyFrame", _Recorder())
            found = check._check_fn(PolarsData(recorder, key), **check._check_kwargs)  # noqa: SLF001
        except (AttributeError, TypeError):
            found = None  # The check does more with its table than select.
        if isinstance(found, pl.Expr):
            return found
    return pl.struct(pl.all()).map_batches(
        lambda rows: _run(check, key, rows), return_dtype=pl.Boolean
    )


def _run(check: Any, key: str, rows: pl.Series) -> pl.Series:
    """Run a check that is no expression on the rows themselves, all columns in memory."""
    from pandera.api.polars.types import PolarsData
    from pandera.backends.polars.checks import PolarsCheckBackend

    table = rows.struct.unnest()
    found = PolarsCheckBackend(check).apply(PolarsData(table.lazy(), key))
    passes = pl.Series([found]) if isinstance(found, bool) else found.collect().to_series()
    return passes.new_from_index(0, table.height) if len(passes) == 1 else passes


_SENTENCES = {
    "equal_to": "must be {value!r}",
    "not_equal_to": "must not be {value!r}",
    "greater_than": "must be above {min_value!r}",
    "greater_than_or_equal_to": "must be at least {min_value!r}",
    "less_than": "must be below {max_value!r}",
    "less_than_or_equal_to": "must be at most {max_value!r}",
    "in_range": "must be between {min_value!r} and {max_value!r}",
    "isin": "must be one of {allowed_values}",
    "notin": "must not be one of {forbidden_values}",
    "str_matches": "must match the pattern {pattern!r}",
    "str_contains": "must contain the pattern {pattern!r}",
    "str_startswith": "must start with {string!r}",
    "str_endswith": "must end with {string!r}",
}


def _sentence(check: Any, columns: tuple[str, ...]) -> str:
    subject = f"'{columns[0]}' " if columns else ""
    if sentence := _SENTENCES.get(check.name):
        return subject + sentence.format(**check.statistics)
    return subject + f"must pass {check.error or check.title or check.name}"
