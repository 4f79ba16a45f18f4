"""PostgreSQL: its tables, views and queries, who may ask, and what changed."""

from collections.abc import Callable
from typing import Any, ClassVar

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from sqlalchemy.engine import make_url

from collectionflow import Frame, SourceError, drop_guard
from collectionflow.errors import SourceUnavailable
from collectionflow.harvest import DatabaseSource


def test_views_and_other_schemas_are_tables_too(
    own_database: str, execute: Any, schema: Any, harvested: Any
) -> None:
    execute(
        own_database,
        "CREATE SCHEMA tms",
        "CREATE TABLE tms.objects AS SELECT 1 AS id",
        "CREATE VIEW all_objects AS SELECT * FROM tms.objects",
        "CREATE MATERIALIZED VIEW kept AS SELECT 2 AS id",
        "CREATE TABLE parted (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF parted FOR VALUES FROM (1) TO (9)",
        "INSERT INTO parted VALUES (3)",
    )
    tables = {"objects": "tms.objects"}
    source = DatabaseSource(url=own_database, tables=tables)
    assert source.harvest("objects", schema(id=pl.Int32)).collect().rows() == [(1,)]
    for name, value in {"all_objects": 1, "public.kept": 2, "parted": 3}.items():
        assert harvested(own_database, name, id=pl.Int32) == [(value,)]
    with pytest.raises(SourceError, match=r"no table 'object'.* 'tms\.objects'"):
        source.harvest("object", schema(id=pl.Int32))


def test_a_query_may_end_as_people_end_queries(postgresql_url: str, schema: Any) -> None:
    query = "WITH two AS (SELECT 1 AS id, 2 AS id, 3 AS n) SELECT * FROM two ORDER BY n -- all\n;\n"
    source = DatabaseSource(url=postgresql_url, queries={"rows": query})
    assert source.harvest("rows", schema(n=pl.Int32)).collect().rows() == [(3,)]
    with pytest.raises(SourceError, match="more than one column 'id'"):
        source.harvest("rows", schema(id=pl.Int32))


def test_a_query_that_fails_says_why(postgresql_url: str, schema: Any) -> None:
    source = DatabaseSource(url=postgresql_url, queries={"rows": "SELECT nope FROM pg_class"})
    with pytest.raises(SourceError, match='column "nope" does not exist'):
        source.harvest("rows", schema(id=pl.Int32))
    divided = "SELECT 1 / (3 - i) AS id FROM generate_series(1, 5) i"
    source = DatabaseSource(url=postgresql_url, queries={"rows": divided})
    with pytest.raises(
        SourceError, match=r"The query for 'rows' cannot be read: .*division by zero"
    ):
        source.harvest("rows", schema(id=pl.Int32)).collect()


def test_missing_columns_and_others_are_told(
    own_database: str, caplog: pytest.LogCaptureFixture, execute: Any, harvested: Any
) -> None:
    execute(own_database, "CREATE TABLE objects (object_id int, title text)")
    with pytest.raises(
        SourceError, match=r"Column 'objectid' is missing.* Is 'objectid' now 'object_id'"
    ):
        harvested(own_database, "objects", objectid=pl.Int32)
    assert harvested(own_database, "objects", title=pl.String) == []
    assert "has columns that Rows does not name: 'object_id'" in caplog.text


def test_a_password_may_have_any_character(postgresql_url: str, execute: Any, schema: Any) -> None:
    odd = "a b+c%/@:?#'é"
    literal = odd.replace("'", "''")
    execute(postgresql_url, f"CREATE ROLE \"o'dd @\" LOGIN PASSWORD '{literal}'")
    query = {"application_name": "my + tms"}
    url = make_url(postgresql_url).set(username="o'dd @", password=odd, query=query)
    source = DatabaseSource(
        url=url.render_as_string(hide_password=False),
        queries={"rows": "SELECT current_setting('application_name') AS name"},
    )
    assert source.harvest("rows", schema(name=pl.String)).collect().rows() == [("my + tms",)]
    assert odd not in repr(source)
    execute(postgresql_url, 'DROP ROLE "o\'dd @"')


def test_nothing_can_be_written(postgresql_url: str, execute: Any, schema: Any) -> None:
    query = "SELECT pg_notify('a', 'b'), set_config('default_transaction_read_only', 'off', false), nextval('x')"
    source = DatabaseSource(url=postgresql_url, queries={"rows": query})
    execute(postgresql_url, "CREATE SEQUENCE x")
    with pytest.raises(SourceError, match="read-only"):
        source.harvest("rows", schema(nextval=pl.Int64)).collect()
    execute(postgresql_url, "DROP SEQUENCE x")


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"password": "wr0ng-s3cret"}, SourceError, "password authentication failed"),
        ({"database": "nope"}, SourceError, 'database "nope" does not exist'),
        ({"host": "nowhere.invalid"}, SourceUnavailable, "could not translate host name"),
        ({"port": 1}, SourceUnavailable, "Connection refused"),
        ({"query": {"sslpassword": "s3cret", "nope": "x"}}, SourceError, "nope"),
    ],
)
def test_a_database_that_cannot_be_reached_is_told_without_secrets(
    postgresql_url: str, change: Any, error: type[Exception], told: str, harvested: Any
) -> None:
    url = make_url(postgresql_url).set(**change)
    with pytest.raises(error, match=told) as raised:
        harvested(url.render_as_string(hide_password=False), "objects", id=pl.Int32)
    assert str(url.password) not in str(raised.value)
    assert "s3cret" not in str(raised.value)


class Objects(pa.DataFrameModel):
    part: int
    nr: str
    title: str
    changed: pl.Datetime("us", "UTC")

    class Config:
        coerce = True
        unique: ClassVar = ["part", "nr"]


class Worded(Objects):
    changed: pl.Date


def test_only_what_changed_is_read_and_what_was_deleted_goes(
    own_database: str, run: Callable[..., Any], execute: Any
) -> None:
    @dg.asset(metadata=drop_guard(stop=1.0))
    def objects(tms: DatabaseSource) -> Frame[Objects]:
        return tms.harvest("objects", Objects)

    def update() -> tuple[list[tuple[Any, ...]], int, str | None]:
        source = DatabaseSource(url=own_database, changed={"objects": "changed"}, overlap=60)
        result = run(objects, resources={"tms": source})
        assert result.is_success, result.reason()
        ledger = pl.read_ndjson(result.folder / ".collectionflow/ledger/objects.ndjson")
        (line,) = ledger.tail(1).to_dicts()
        rows = result.stored("objects").sort("part", "nr").select("part", "nr", "title").rows()
        return rows, line["received"], line["since"]

    execute(
        own_database,
        "CREATE TABLE objects (part numeric(5), nr text, title text, changed timestamptz,"
        " PRIMARY KEY (part, nr))",
        "INSERT INTO objects VALUES (1, 'it''s \\', 'a', '2020-10-25 02:30:00 Europe/Amsterdam'),"
        " (1, 'B', 'b', '2020-10-25 01:00:00+00'), (2, 'B', 'c', '2020-10-25 00:00:00+00')",
    )
    assert update() == ([(1, "B", "b"), (1, "it's \\", "a"), (2, "B", "c")], 3, None)
    execute(
        own_database,
        "DELETE FROM objects WHERE part = 2",
        "UPDATE objects SET title = 'B', changed = '2020-10-26 00:00:00+00' WHERE nr = 'B'",
        "INSERT INTO objects VALUES (3, 'o''ld \\', 'imported', '1999-01-01')",
    )
    rows = [(1, "B", "B"), (1, "it's \\", "a"), (3, "o'ld \\", "imported")]
    assert update() == (rows, 3, "2020-10-25 01:29:00+00:00")
    assert update() == (rows, 1, "2020-10-25 23:59:00+00:00")


def test_a_column_of_words_cannot_say_what_changed(
    own_database: str, caplog: pytest.LogCaptureFixture, execute: Any
) -> None:
    execute(own_database, "CREATE TABLE objects (part int, nr text, title text, changed text)")
    source = DatabaseSource(url=own_database, changed={"objects": "changed"})
    assert source.harvest("objects", Worded).collect().height == 0
    assert "column 'changed' is 'text' in the database, which cannot be compared" in caplog.text
