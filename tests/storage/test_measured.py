import json
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from upath import UPath

from collectionflow.contract import Rule, contract_of
from collectionflow.storage.measured import measured
from collectionflow.storage.publication import publish_frame
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import StoredTable, rollback, versions


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True, str_startswith="P", raise_warning=True)
    terms: list[str] = pa.Field(nullable=True)

    @pa.check("title", element_wise=True, raise_warning=True)
    def is_long(cls, value: str) -> bool:
        return len(value) > 1


CONTRACT = contract_of(Objects)
TABLE = pl.DataFrame({"object_id": [1, 2], "title": ["Po", "Hat"], "terms": [["a"], []]})


@pytest.fixture
def table(tmp_path: Any) -> StoredTable:
    return StoredTable(base=UPath(tmp_path), name="objects")


def publish(table: StoredTable, frame: pl.DataFrame = TABLE, **terms: Any) -> str:
    agreed = Terms(contract=CONTRACT, warn=lambda _: None, log=lambda _: None, **terms)
    return publish_frame(frame.lazy(), table, agreed).version


def rule_of(name: str) -> Rule:
    (found,) = (each for each in CONTRACT.rules if each.identifier == name)
    return found


def test_what_the_gate_counted_is_kept_with_the_version(table: StoredTable) -> None:
    publish(table, source_columns=["ObjectID", "Colour"])
    found = measured(table)
    assert found is not None
    assert (found.rows, found.filled) == (2, {"object_id": 2, "title": 2, "terms": 1})
    assert found.source_columns == ("ObjectID", "Colour")
    assert found.breach(rule_of("object_id_must_be_unique")) is None
    breach = found.breach(rule_of("title_must_start_with"))
    assert breach is not None
    assert str(breach) == "'title' must start with 'P': 1 of 2 rows break this."
    assert breach.examples.rows() == [("2", "2", "Hat")]


def test_a_rule_is_known_by_what_it_computes(table: StoredTable) -> None:
    class Changed(Objects):
        title: str = pa.Field(nullable=True, str_startswith="Q", raise_warning=True)

    publish(table)
    found = measured(table)
    assert found is not None
    assert [found.knows(each) for each in CONTRACT.rules] == [True, True, True, False]
    changed = [each.identifier for each in contract_of(Changed).rules if not found.knows(each)]
    assert changed == ["title_must_start_with", "title_is_long"]


def test_a_function_may_change_and_keep_its_name_so_it_is_not_known(table: StoredTable) -> None:
    publish(table)
    found = measured(table)
    assert found is not None
    assert not found.knows(rule_of("title_is_long"))


def test_counts_follow_their_versions(table: StoredTable) -> None:
    first = publish(table)
    publish(table, pl.concat([TABLE, TABLE.with_columns(pl.col("object_id") + 9)]))
    assert rows(table) == 4
    rollback(table, first)
    assert rows(table) == 2


def rows(table: StoredTable) -> int:
    found = measured(table)
    assert found is not None
    return found.rows


def test_counts_go_with_their_versions(table: StoredTable) -> None:
    for _ in range(4):
        publish(table, versions_kept=2)
    kept = {path.stem for path in table.measured("any").parent.iterdir()}
    assert kept == {version.name for version in versions(table)}
    assert len(kept) == 2


def test_what_is_not_there_is_not_known(table: StoredTable) -> None:
    assert measured(table) is None
    version = publish(table)
    path = table.measured(version)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 0}))
    assert measured(table) is None
    path.unlink()
    assert measured(table) is None
    TABLE.write_parquet(table.path.path)
    assert measured(table) is None
