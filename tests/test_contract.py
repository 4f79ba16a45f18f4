from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from pandera.api.polars.types import PolarsData

from collectionflow.contract import Contract, contract_of


def counts(schema: type[pa.DataFrameModel], **columns: list[Any]) -> dict[str, int]:
    """Return how many rows break each rule, and check that `fails` finds as many where it can."""
    contract = contract_of(schema)
    table = pl.DataFrame(columns)
    return {rule.name: table.select(rule.count).item() for rule in contract.rules}


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True, description="As on the label")


def test_a_contract_has_columns_types_key_and_descriptions() -> None:
    contract = contract_of(Objects)
    assert dict(contract.dtypes) == {"object_id": pl.Int64(), "title": pl.String()}
    assert contract.key == ("object_id",)
    assert contract.name == "Objects"
    assert contract.descriptions == {"title": "As on the label"}


def test_the_same_schema_gives_the_same_contract() -> None:
    assert contract_of(Objects) is contract_of(Objects)


def test_missing_and_unexpected_columns_are_told_apart() -> None:
    contract = contract_of(Objects)
    assert contract.missing({"title": pl.String}) == ["object_id"]
    assert contract.unexpected({"title": pl.String, "note": pl.String}) == ["note"]


def test_an_optional_column_may_be_missing() -> None:
    class Loose(pa.DataFrameModel):
        object_id: int
        note: str | None

    contract = contract_of(Loose)
    assert contract.missing({"object_id": pl.Int64}) == []
    selected = contract.select(pl.LazyFrame({"other": [1], "object_id": [1]}))
    assert selected.collect_schema().names() == ["object_id"]


def test_a_wrong_type_is_a_sentence() -> None:
    sentences = contract_of(Objects).wrong_types({"object_id": pl.String(), "title": pl.String()})
    assert sentences == ["Column 'object_id' is String, expected Int64."]


def test_nulls_and_repeated_values_are_counted() -> None:
    assert counts(Objects, object_id=[1, 1, None], title=[None, "a", "b"]) == {
        "'object_id' must be filled": 1,
        "'object_id' must be unique": 1,
    }


def test_a_key_of_two_columns_is_unique_together() -> None:
    class Links(pa.DataFrameModel):
        object_id: int
        person_id: int

        class Config:
            unique = ("object_id", "person_id")

    assert contract_of(Links).key == ("object_id", "person_id")
    found = counts(Links, object_id=[1, 1, 1], person_id=[1, 1, 2])
    assert found["'object_id' + 'person_id' must be unique"] == 1


@pytest.mark.parametrize(
    ("check", "sentence", "values", "broken"),
    [
        ({"eq": 1}, "must be 1", [1, 2], 1),
        ({"ne": 1}, "must not be 1", [1, 2], 1),
        ({"gt": 1}, "must be above 1", [1, 2], 1),
        ({"ge": 1}, "must be at least 1", [0, 1], 1),
        ({"lt": 2}, "must be below 2", [1, 2], 1),
        ({"le": 1}, "must be at most 1", [1, 2], 1),
        ({"in_range": {"min_value": 1, "max_value": 2}}, "must be between 1 and 2", [0, 3], 2),
        ({"isin": [1, 2]}, "must be one of [1, 2]", [1, 3], 1),
        ({"notin": [1, 2]}, "must not be one of [1, 2]", [1, 3], 1),
    ],
)
def test_numbers_are_checked_as_pandera_checks_them(
    check: dict[str, Any], sentence: str, values: list[int], broken: int
) -> None:
    schema = type(
        "Years",
        (pa.DataFrameModel,),
        {"__annotations__": {"year": int}, "year": pa.Field(nullable=True, **check)},
    )
    assert counts(schema, year=[*values, None]) == {f"'year' {sentence}": broken}


@pytest.mark.parametrize(
    ("check", "sentence", "values"),
    [
        ({"str_matches": "^NPG"}, "must match the pattern '^NPG'", ["NPG.1", "S/NPG.1"]),
        ({"str_contains": "NPG"}, "must contain the pattern 'NPG'", ["NPG.1", "1"]),
        ({"str_startswith": "N"}, "must start with 'N'", ["NPG", "S/NPG"]),
        ({"str_endswith": "G"}, "must end with 'G'", ["NPG", "NPG.1"]),
        ({"str_length": {"min_value": 2}}, "must pass str_length(2, None)", ["ab", "a"]),
    ],
)
def test_text_is_checked_as_pandera_checks_it(
    check: dict[str, Any], sentence: str, values: list[str]
) -> None:
    schema = type(
        "Numbers",
        (pa.DataFrameModel,),
        {"__annotations__": {"number": str}, "number": pa.Field(nullable=True, **check)},
    )
    assert counts(schema, number=[*values, None]) == {f"'number' {sentence}": 1}


class Custom(pa.DataFrameModel):
    begin: int = pa.Field(nullable=True)
    end: int = pa.Field(nullable=True)

    @pa.check("begin")
    def is_even(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key) % 2 == 0)

    @pa.check("begin", element_wise=True)
    def is_small(cls, value: int) -> bool:
        return value < 100

    @pa.check("end")
    def takes_a_detour(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.with_columns(good=pl.col("end") > 0).select("good")

    @pa.check("end")
    def says_yes_or_no(cls, data: PolarsData) -> bool:
        return data.lazyframe.select(pl.col("end").max() < 1_000).collect().item()

    @pa.dataframe_check
    def ends_after_it_begins(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("end") >= pl.col("begin"))

    @pa.dataframe_check
    def two_at_once(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("begin") < 500, pl.col("end") < 500)


def test_checks_of_ones_own_are_rules() -> None:
    assert counts(Custom, begin=[2, 3, 600, None], end=[3, 1, 700, -1]) == {
        "'begin' must pass is_even": 1,
        "'begin' must pass is_small": 1,
        "'end' must pass takes_a_detour": 1,
        "'end' must pass says_yes_or_no": 0,
        "must pass ends_after_it_begins": 1,
        "must pass two_at_once": 1,
    }


def test_a_check_that_says_no_breaks_every_row() -> None:
    found = counts(Custom, begin=[2, 2], end=[2, 5_000])
    assert found["'end' must pass says_yes_or_no"] == 2


class Selecting(pa.DataFrameModel):
    begin: int
    end: int

    @pa.check("begin")
    def by_name(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(is_good=pl.col(data.key) > 1)

    @pa.check("begin")
    def in_a_list(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select([pl.col(data.key) > 1])

    @pa.dataframe_check
    def all_columns(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.all() > 1)

    @pa.dataframe_check
    def two_columns(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("begin", "end") > 1)

    @pa.dataframe_check
    def with_another_table(cls, data: PolarsData) -> pl.LazyFrame:
        known = pl.LazyFrame({"begin": [2, 3]})
        unknown = data.lazyframe.join(known, on="begin", how="anti")
        return known.join(unknown, on="begin", how="full").select(pl.len() == 2)

    @pa.dataframe_check
    def of_all_rows(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("end").sum() > 100)


def test_a_check_may_select_as_it_likes() -> None:
    assert counts(Selecting, begin=[1, 2, 3], end=[2, 3, 1]) == {
        "'begin' must be filled": 0,
        "'end' must be filled": 0,
        "'begin' must pass by_name": 1,
        "'begin' must pass in_a_list": 1,
        "must pass all_columns": 2,
        "must pass two_columns": 2,
        "must pass with_another_table": 3,
        "must pass of_all_rows": 1,
    }


def test_a_check_of_the_library_on_all_values_is_a_rule() -> None:
    class Roles(pa.DataFrameModel):
        role: str = pa.Field(unique_values_eq=["maker", "sitter"])

    assert list(counts(Roles, role=["maker", "maker"]).values()) == [0, 2]
    assert list(counts(Roles, role=["maker", "sitter"]).values()) == [0, 0]


def test_several_nulls_in_a_unique_column_repeat_each_other() -> None:
    class Loose(pa.DataFrameModel):
        number: str = pa.Field(unique=True, nullable=True)

    assert counts(Loose, number=["a", None, None]) == {"'number' must be unique": 1}


def test_null_breaks_a_check_that_does_not_ignore_it() -> None:
    class Strict(pa.DataFrameModel):
        year: int = pa.Field(nullable=True)

        @pa.check("year", ignore_na=False)
        def is_known(cls, data: PolarsData) -> pl.LazyFrame:
            return data.lazyframe.select(pl.col("year") > 0)

    assert counts(Strict, year=[1, None]) == {"'year' must pass is_known": 1}


def test_a_check_that_warns_does_not_stop() -> None:
    class Warned(pa.DataFrameModel):
        year: int = pa.Field(ge=0, raise_warning=True)

    rules = {rule.name: rule.is_warning for rule in contract_of(Warned).rules}
    assert rules == {"'year' must be filled": False, "'year' must be at least 0": True}


def _configured(**options: Any) -> type[pa.DataFrameModel]:
    config = type("Config", (), options)
    members = {"__annotations__": {"id": int}, "Config": config}
    return type("Mending", (pa.DataFrameModel,), members)


@pytest.mark.parametrize(
    ("strict", "extras"), [(False, "warn"), (True, "stop"), ("filter", "drop")]
)
def test_strict_says_what_happens_to_unexpected_columns(strict: Any, extras: str) -> None:
    model = _configured(strict=strict)
    assert contract_of(model).extras == extras


@pytest.mark.parametrize("option", ["ordered", "add_missing_columns", "drop_invalid_rows"])
def test_what_a_contract_would_ignore_is_refused(option: str) -> None:
    model = _configured(**{option: True})
    with pytest.raises(TypeError, match=f"Mending sets '{option}'.*Mend the table in clean"):
        contract_of(model)


def test_a_column_by_regular_expression_is_refused() -> None:
    class Loose(pa.DataFrameModel):
        numbers: int = pa.Field(alias="^a.*", regex=True)

    with pytest.raises(TypeError, match=r"regular expression\. Name each column"):
        contract_of(Loose)


def test_a_default_is_refused() -> None:
    class Filled(pa.DataFrameModel):
        rights: str = pa.Field(default="unknown")

    with pytest.raises(TypeError, match=r"^Column 'rights' of Filled sets 'default'"):
        contract_of(Filled)


@pytest.mark.parametrize("dtype", [pl.List, pl.Array, pl.Struct, pl.Enum])
def test_half_a_type_is_refused(dtype: Any) -> None:
    model = type("Half", (pa.DataFrameModel,), {"__annotations__": {"terms": dtype}})
    expected = f"^Column 'terms' has the type {dtype}, which does not say what it holds. Write it"
    with pytest.raises(TypeError, match=expected):
        contract_of(model)


@pytest.mark.parametrize(
    ("annotation", "dtype"),
    [
        (int, pl.Int64()),
        (str, pl.String()),
        (list[str], pl.List(pl.String)),
        (pl.Date, pl.Date()),
        (pl.Datetime("ms", "UTC"), pl.Datetime("ms", "UTC")),
        (pl.Decimal(10, 2), pl.Decimal(10, 2)),
        (pl.Enum(["a", "b"]), pl.Enum(["a", "b"])),
        (pl.Struct({"a": pl.Int64}), pl.Struct({"a": pl.Int64})),
    ],
)
def test_a_type_is_the_polars_type(annotation: Any, dtype: pl.DataType) -> None:
    model = type("Typed", (pa.DataFrameModel,), {"__annotations__": {"value": annotation}})
    assert contract_of(model).dtypes == {"value": dtype}


def test_a_contract_is_coerced_as_a_whole_or_by_column() -> None:
    class ByColumn(pa.DataFrameModel):
        object_id: int = pa.Field(coerce=True)
        title: str

    assert contract_of(ByColumn).coerced == {"object_id"}
    assert contract_of(_configured(coerce=True)).coerced == {"id"}


def test_a_contract_is_a_value() -> None:
    assert isinstance(contract_of(Objects), Contract)
