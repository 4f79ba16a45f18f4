"""What `DatabaseSource` does whichever database it is: found by its URL, brought up to date."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

from collectionflow import Frame, SourceError, drop_guard
from collectionflow.harvest import DatabaseSource
from collectionflow.notes import current_notes

Sql = Callable[..., None]


class Objects(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    title: str
    changed: pl.Datetime("us") = pa.Field(nullable=True)

    class Config:
        coerce = True


class Renamed(Objects):
    title: str = pa.Field(nullable=True)
    medium: str = pa.Field(nullable=True)


class Dated(Objects):
    changed: pl.Date = pa.Field(nullable=True)


class Numbered(Objects):
    changed: int = pa.Field(nullable=True)


class Worded(Objects):
    changed: str = pa.Field(nullable=True)


class Keyless(Objects):
    id: int


def asset(schema: Any) -> dg.AssetsDefinition:
    @dg.asset(name="objects", metadata=drop_guard(stop=1.0))
    def objects(tms: DatabaseSource) -> Frame[schema]:
        return tms.harvest("objects", schema)

    return objects


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tms.db"


@pytest.fixture
def sql(path: Path) -> Sql:
    def sql(*statements: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    sql(
        "CREATE TABLE objects (id INTEGER PRIMARY KEY, title TEXT, medium TEXT, changed TEXT)",
        "INSERT INTO objects VALUES (1, 'a', NULL, '2020-01-01 10:00:00')",
        "INSERT INTO objects VALUES (2, 'b', NULL, '2020-01-01 12:00:00')",
        "INSERT INTO objects VALUES (3, 'c', NULL, NULL)",
    )
    return sql


@pytest.fixture
def update(run: Callable[..., Any], path: Path) -> Callable[..., Any]:
    """Run the asset; return its titles by id, how many rows came, since when, and warnings."""

    def update(schema: Any = Objects, **options: Any) -> tuple[dict[int, str], int, str | None]:
        settings = {"url": f"sqlite:///{path}", "changed": {"objects": "changed"}} | options
        result = run(asset(schema), resources={"tms": DatabaseSource(**settings)})
        assert result.is_success, result.reason()
        rows = result.stored("objects").sort("id")
        (entry,) = (
            pl.read_ndjson(result.folder / ".collectionflow/ledger/objects.ndjson")
            .tail(1)
            .to_dicts()
        )
        return dict(zip(rows["id"], rows["title"], strict=True)), entry["received"], entry["since"]

    return update


def test_only_what_changed_is_read_and_what_was_deleted_goes(sql: Sql, update: Any) -> None:
    assert update() == ({1: "a", 2: "b", 3: "c"}, 3, None)
    sql(
        "INSERT INTO objects VALUES (4, 'd', NULL, '2020-01-02 09:00:00')",
        "UPDATE objects SET title = 'A', changed = '2020-01-02 09:00:00' WHERE id = 1",
        "UPDATE objects SET title = 'C' WHERE id = 3",
        "DELETE FROM objects WHERE id = 2",
    )
    assert update() == ({1: "A", 3: "C", 4: "d"}, 3, "2020-01-01 11:00:00")
    assert update() == ({1: "A", 3: "C", 4: "d"}, 3, "2020-01-02 08:00:00")


def test_a_late_commit_within_the_overlap_is_not_missed(sql: Sql, update: Any) -> None:
    update()
    sql("INSERT INTO objects VALUES (4, 'late', NULL, '2020-01-01 11:30:00')")
    assert update()[0][4] == "late"


def test_a_new_row_is_read_however_old_it_says_it_is(sql: Sql, update: Any) -> None:
    update()
    sql(
        "INSERT INTO objects SELECT value, 'restored', NULL, '1999-01-01' "
        "FROM json_each('[10, 11, 12]')",
    )
    titles, received, since = update()
    assert titles == {1: "a", 2: "b", 3: "c"} | dict.fromkeys((10, 11, 12), "restored")
    assert (received, since) == (5, "2020-01-01 11:00:00")


def test_a_row_without_a_key_is_never_lost(sql: Sql, update: Any) -> None:
    class Loose(Objects):
        id: int = pa.Field(unique=True, nullable=True)

    sql("CREATE TABLE loose AS SELECT * FROM objects")
    update(Loose, tables={"objects": "loose"})
    sql("UPDATE loose SET id = NULL, title = 'keyless' WHERE id = 1")
    for _ in range(2):
        titles, _, _ = update(Loose, tables={"objects": "loose"})
        assert titles == {None: "keyless", 2: "b", 3: "c"}


def test_the_overlap_can_be_set(sql: Sql, update: Any) -> None:
    update()
    assert update(overlap=0)[1:] == (2, "2020-01-01 12:00:00")
    assert update(overlap=7200)[1:] == (3, "2020-01-01 10:00:00")


def test_a_changed_contract_has_everything_read(sql: Sql, update: Any) -> None:
    update()
    sql("UPDATE objects SET title = 'old', medium = 'oil' WHERE id = 1")
    titles, received, since = update(Renamed)
    assert (titles[1], received, since) == ("old", 3, None)


def test_another_place_has_everything_read(sql: Sql, update: Any) -> None:
    update()
    sql("CREATE TABLE others AS SELECT id, 'z' AS title, changed FROM objects WHERE id < 3")
    assert update(tables={"objects": "others"}) == ({1: "z", 2: "z"}, 2, None)
    query = "SELECT id, upper(title) AS title, changed FROM objects"
    assert update(queries={"objects": query})[1:] == (3, None)
    assert update(queries={"objects": query}) == (
        {1: "A", 2: "B", 3: "C"},
        2,
        "2020-01-01 11:00:00",
    )


def test_a_table_that_was_not_harvested_so_before_has_everything_read(
    sql: Sql, update: Any
) -> None:
    update(changed={})
    assert update()[1:] == (3, None)
    assert update()[1:] == (2, "2020-01-01 11:00:00")


def test_a_table_in_which_nothing_says_when_has_everything_read(sql: Sql, update: Any) -> None:
    sql("UPDATE objects SET changed = NULL")
    update()
    assert update()[1:] == (3, None)


@pytest.mark.parametrize(
    ("schema", "values", "since", "received"),
    [
        (Dated, ("2020-01-01", "2020-01-03"), "2020-01-02", 2),
        (Numbered, (10, 10_000), "6400", 2),
        (
            Objects,
            ("2020-01-01T00:00:00.5", "2020-01-03T00:00:00.25"),
            "2020-01-02 23:00:00.250000",
            2,
        ),
    ],
)
def test_days_numbers_and_times_say_what_changed(
    sql: Sql, update: Any, *, schema: Any, values: Any, since: str, received: int
) -> None:
    for number, value in enumerate(values, start=1):
        sql(f"UPDATE objects SET changed = '{value}' WHERE id = {number}")
    update(schema)
    sql("UPDATE objects SET title = 'B' WHERE id = 2")
    titles, *told = update(schema)
    assert (titles[2], told) == ("B", [received, since])


@pytest.mark.parametrize(
    ("schema", "column", "reason"),
    [
        (Keyless, "changed", "Keyless has no key"),
        (Worded, "changed", "column 'changed' is String in Worded, neither a time nor"),
        (Objects, "nope", "Objects has no column 'nope'"),
    ],
)
def test_why_changes_cannot_be_told_is_a_warning(
    sql: Sql, path: Path, *, schema: Any, column: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = DatabaseSource(url=f"sqlite:///{path}", changed={"objects": column})
    assert source.harvest("objects", schema).collect().height == 3
    assert f"'objects' is harvested in full: {reason}" in caplog.text


def test_a_time_that_is_to_come_has_everything_read(
    sql: Sql, update: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sql("UPDATE objects SET changed = '2999-01-01' WHERE id = 1")
    update()
    assert update()[1:] == (3, None)


def test_a_frame_of_changes_runs_as_often_as_it_is_asked(
    sql: Sql, run: Callable[..., Any], path: Path
) -> None:
    merges = []

    @dg.asset(name="objects")
    def objects(tms: DatabaseSource) -> Frame[Objects]:
        frame = tms.harvest("objects", Objects)
        merges.append((current_notes().merge, frame))
        return frame

    source = DatabaseSource(url=f"sqlite:///{path}", changed={"objects": "changed"})
    for _ in range(2):
        assert run(objects, resources={"tms": source}).is_success
    (merge, frame) = merges[1]
    for _ in range(2):
        assert frame.select("title").collect().to_series().sort().to_list() == ["b", "c"]
        assert merge.kept.collect().to_series().to_list() == [1, 2, 3]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("no url, but a secret", "The database URL cannot be read"),
        ("postgresql://user:secret@host:port/tms", "The database URL cannot be read"),
        ("nothing://user:secret@host/tms", "'nothing' is no database that is known here"),
        ("oracle+oracledb://user:secret@host/tms", "its driver 'oracledb' must be installed"),
        ("_dialect://user:secret@host/tms", "'_dialect' is no database that is known here"),
        ("sqlite://", "There is no database file"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(url: str, told: str) -> None:
    with pytest.raises(SourceError, match=told) as error:
        DatabaseSource(url=url).harvest("objects", Objects)
    assert "secret" not in str(error.value)
    assert error.value.__cause__ is None or "secret" not in str(error.value.__cause__)


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("postgresql://user:secret@host/tms", "adbc_driver_postgresql.dbapi", "postgresql"),
        ("postgres://user:secret@host/tms", "pyarrow", "postgresql"),
        ("mysql://user:secret@host/tms", "connectorx", "mariadb"),
        ("mariadb://user:secret@host/tms", "connectorx", "mariadb"),
        ("mssql://user:secret@host/tms", "arrow_odbc", "odbc"),
    ],
)
def test_a_driver_that_is_missing_is_told_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SourceError, match=rf"uv add 'collectionflow\[{extra}\]'"):
        DatabaseSource(url=url).harvest("objects", Objects)


def test_the_sources_are_imported_without_any_driver() -> None:
    drivers = [
        "adbc_driver_manager",
        "connectorx",
        "arrow_odbc",
        "pyarrow",
        "sqlalchemy.dialects.mysql",
    ]
    code = f"import sys, collectionflow.harvest; print([d for d in {drivers} if d in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
