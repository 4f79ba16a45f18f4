"""PostgreSQL: what arrives is what is there, whatever the type, and whatever breaks."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from uuid import uuid4

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from adbc_driver_postgresql import dbapi
from servers import postgresql
from sqlalchemy.engine import make_url

from collectionflow import Frame, SourceError, drop_guard
from collectionflow.errors import SourceUnavailable
from collectionflow.harvest import DatabaseSource
from collectionflow.harvest.databases._dialect import dialect_of
from collectionflow.harvest.databases._reading import Reading, batches
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

Execute = Callable[[str], None]


@pytest.fixture
def url(postgresql_url: str) -> Iterator[str]:
    """A database of the test's own."""
    name = f"test_{uuid4().hex}"
    execute(postgresql_url, f'CREATE DATABASE "{name}"')
    yield make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
    execute(postgresql_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def execute(url: str, *statements: str) -> None:
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def schema(**columns: Any) -> Any:
    """Return a Pandera schema of nullable columns."""
    fields = {name: pa.Column(dtype, nullable=True) for name, dtype in columns.items()}
    built = pa.DataFrameSchema(fields, name="Rows", coerce=True)

    class Rows:
        to_schema = staticmethod(lambda: built)

    return Rows


def harvested(url: str, table: str, **columns: Any) -> list[tuple[Any, ...]]:
    return DatabaseSource(url=url).harvest(table, schema(**columns)).collect().rows()


NUMBER = "1234567890" * 80 + "." + "0987654321" * 40

VALUES = [
    # Native: the contract's type is exactly what the database has.
    ("(-32768)::int2", pl.Int16, -32768),
    ("2147483647::int4", pl.Int64, 2147483647),
    ("9223372036854775807::int8", pl.Int64, 9223372036854775807),
    ("true", pl.Boolean, True),
    ("0.30000000000000004::float8", pl.Float64, 0.30000000000000004),
    ("'-Infinity'::float8", pl.Float64, float("-inf")),
    ("0.5::float4", pl.Float32, 0.5),
    ("''::text", pl.String, ""),
    ("NULL::text", pl.String, None),
    ("'Brontë 😀 ''x'' \\ \"'::varchar(40)", pl.String, "Brontë 😀 'x' \\ \""),
    ("'ab'::char(4)", pl.String, "ab  "),
    ("'\\x00ff'::bytea", pl.Binary, b"\x00\xff"),
    ("date '0001-01-01'", pl.Date, date(1, 1, 1)),
    ("date '9999-12-31'", pl.Date, date(9999, 12, 31)),
    (
        "timestamp '9999-12-31 23:59:59.999999'",
        pl.Datetime("us"),
        datetime(9999, 12, 31, 23, 59, 59, 999999),
    ),
    (
        "timestamptz '2020-03-29 01:30:00+01'",
        pl.Datetime("us", "UTC"),
        datetime(2020, 3, 29, 0, 30, tzinfo=UTC),
    ),
    (
        "timestamptz '2020-10-25 02:30:00 Europe/Amsterdam'",
        pl.Datetime("us", "UTC"),
        datetime(2020, 10, 25, 1, 30, tzinfo=UTC),
    ),
    # Text: everything else, as the database writes it.
    ("7::int4", pl.String, "7"),
    ("7::int8", pl.Int32, "7"),
    ("0.1::float4", pl.Float64, "0.1"),
    ("0.30000000000000004::float8", pl.String, "0.30000000000000004"),
    ("true", pl.String, "true"),
    (f"{NUMBER}::numeric", pl.String, NUMBER),
    ("'NaN'::numeric", pl.String, "NaN"),
    ("'Infinity'::numeric", pl.String, "Infinity"),
    ("1.50::numeric(12,2)", pl.Decimal(12, 2), "1.50"),
    ("'\\x00ff'::bytea", pl.String, "\\x00ff"),
    ("'infinity'::date", pl.String, "infinity"),
    ("'0044-03-15 BC'::date", pl.String, "0044-03-15 BC"),
    ("'12000-01-01'::date", pl.String, "12000-01-01"),
    ("'294276-12-31 23:59:59.999999'::timestamp", pl.String, "294276-12-31 23:59:59.999999"),
    ("'-infinity'::timestamptz", pl.String, "-infinity"),
    ("'2020-03-29 01:30:00+01'::timestamptz", pl.String, "2020-03-29 00:30:00+00"),
    ("'2020-03-29 01:30:00+01'::timestamptz", pl.Datetime("us"), "2020-03-29 00:30:00+00"),
    ("'2020-03-29 01:30:00'::timestamp", pl.Datetime("us", "UTC"), "2020-03-29 01:30:00"),
    ("'2020-03-29 01:30:00'::timestamp", pl.Datetime("ms"), "2020-03-29 01:30:00"),
    ("'24:00:00'::time", pl.Time, "24:00:00"),
    ("'10:00:00.5+02'::timetz", pl.String, "10:00:00.5+02"),
    ("interval '-1 year 2 days 03:04:05.678'", pl.String, "-1 years +2 days 03:04:05.678"),
    ('\'{"b": 1.50, "a": [1]}\'::json', pl.String, '{"b": 1.50, "a": [1]}'),
    ('\'{"b": 1.50, "a": [1]}\'::jsonb', pl.String, '{"a": [1], "b": 1.50}'),
    (
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid",
        pl.String,
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    ("ARRAY[1, NULL, 3]", pl.String, "{1,NULL,3}"),
    ("ARRAY[['a', 'b,c'], ['\"', '']]", pl.String, '{{a,"b,c"},{"\\"",""}}'),
    ("'-1234.56'::money", pl.String, "-$1,234.56"),
    ("'<a>é</a>'::xml", pl.String, "<a>é</a>"),
    ("'10.0.0.1/8'::inet", pl.String, "10.0.0.1/8"),
    ("point(1.5, -2)", pl.String, "(1.5,-2)"),
    ("int4range(1, 5)", pl.String, "[1,5)"),
    ("B'0101'", pl.String, "0101"),
    ("'sad'::mood", pl.Categorical, "sad"),
    ("'NPG 1'::object_number", pl.String, "NPG 1"),
    ("ROW(1, 'a b')", pl.String, '(1,"a b")'),
]


@pytest.fixture(scope="session")
def types_url(postgresql_url: str) -> Iterator[str]:
    execute(
        postgresql_url,
        "CREATE TYPE mood AS ENUM ('happy', 'sad')",
        "CREATE DOMAIN object_number AS text",
    )
    yield postgresql_url
    execute(postgresql_url, "DROP TYPE mood", "DROP DOMAIN object_number")


@pytest.mark.parametrize(("sql", "dtype", "expected"), VALUES)
def test_a_value_arrives_as_it_is_or_as_its_own_text(
    types_url: str, sql: str, dtype: Any, expected: Any
) -> None:
    source = DatabaseSource(url=types_url, queries={"rows": f"SELECT {sql} AS v"})
    frame = source.harvest("rows", schema(v=dtype))
    assert frame.collect_schema()["v"] == (dtype if not isinstance(expected, str) else pl.String)
    assert frame.collect().rows() == [(expected,)]


@pytest.mark.parametrize(
    ("sql", "dtype"),
    [
        ("'infinity'::date", pl.Date),
        ("'-infinity'::date", pl.Date),
        ("'0044-03-15 BC'::date", pl.Date),
        ("'12000-01-01'::date", pl.Date),
        ("'infinity'::timestamp", pl.Datetime("us")),
        ("'-infinity'::timestamptz", pl.Datetime("us", "UTC")),
        ("'294276-12-31 23:59:59.999999'::timestamp", pl.Datetime("us")),
        ("'0044-03-15 BC'::timestamptz", pl.Datetime("us", "UTC")),
    ],
)
def test_a_date_that_no_calendar_has_stops_the_harvest(
    postgresql_url: str, sql: str, dtype: Any
) -> None:
    query = f"SELECT {sql} AS made UNION ALL SELECT NULL"
    source = DatabaseSource(url=postgresql_url, queries={"rows": query})
    with pytest.raises(SourceError, match=r"Column 'made' of the query for 'rows' .*`made: str`"):
        source.harvest("rows", schema(made=dtype)).collect()


def test_a_table_has_the_types_that_a_query_has(url: str) -> None:
    execute(
        url,
        'CREATE TABLE "Odd ""name""" ("select" int PRIMARY KEY, "it\'s" numeric(5,2), "Title" text, '
        'title text, made date, at timestamptz, twice int GENERATED ALWAYS AS ("select" * 2) STORED)',
        "INSERT INTO \"Odd \"\"name\"\"\" VALUES (1, 1.50, 'A', 'a', '2020-02-29', '2020-01-01 00:00+01')",
    )
    columns = {
        "select": pl.Int64,
        "it's": pl.String,
        "Title": pl.String,
        "title": pl.String,
        "made": pl.Date,
        "at": pl.Datetime("us", "UTC"),
        "twice": pl.Int32,
    }
    moment = datetime(2019, 12, 31, 23, tzinfo=UTC)
    rows = harvested(url, 'Odd "name"', **columns)
    assert rows == [(1, "1.50", "A", "a", date(2020, 2, 29), moment, 2)]


@pytest.mark.parametrize(
    ("kind", "values", "dtype", "expected"),
    [
        ("numeric(5,2)", "999.99, -0.01, NULL, 1.5", pl.Decimal(5, 2), "999.99 -0.01 None 1.50"),
        ("numeric(5,2)", "-999.99", pl.Decimal(38, 2), "-999.99"),
        ("numeric(18,18)", f"0.{'9' * 18}", pl.Decimal(18, 18), f"0.{'9' * 18}"),
        ("numeric(18)", "-" + "9" * 18, pl.Decimal(18, 0), "-" + "9" * 18),
    ],
)
def test_a_decimal_of_up_to_18_digits_arrives_as_one(
    url: str, kind: str, values: str, dtype: Any, expected: str
) -> None:
    execute(
        url,
        f"CREATE TABLE sizes AS SELECT v::{kind} AS height FROM unnest(ARRAY[{values}]) v",
        "CREATE VIEW shown AS SELECT * FROM sizes",
    )
    for table in ("sizes", "shown"):
        frame = DatabaseSource(url=url).harvest(table, schema(height=dtype))
        assert frame.collect_schema()["height"] == dtype
        assert [str(height) for height in frame.collect()["height"]] == expected.split()


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("numeric", pl.Decimal(9, 2)),
        ("numeric(19,2)", pl.Decimal(19, 2)),
        ("numeric(9,2)", pl.Decimal(8, 2)),
        ("numeric(9,3)", pl.Decimal(9, 2)),
        ("numeric(9,2)", pl.Float64),
        ("float8", pl.Decimal(9, 2)),
    ],
)
def test_any_other_decimal_arrives_as_text(url: str, kind: str, dtype: Any) -> None:
    execute(url, f"CREATE TABLE sizes AS SELECT 1.125::{kind} AS height")
    ((height,),) = harvested(url, "sizes", height=dtype)
    assert height in {"1.125", "1.13"}


def test_a_decimal_that_is_no_number_stops_the_harvest(url: str) -> None:
    execute(
        url,
        "CREATE TABLE sizes (height numeric(5,2), weight numeric(5,2))",
        "INSERT INTO sizes VALUES (1, 2), (1, 'NaN')",
    )
    with pytest.raises(SourceError, match="the columns 'height', 'weight' has 'NaN'.* as text in"):
        harvested(url, "sizes", height=pl.Decimal(5, 2), weight=pl.Decimal(5, 2))
    assert harvested(url, "sizes", weight=pl.String) == [("2.00",), ("NaN",)]


def test_changes_are_told_by_whole_decimals_too(url: str) -> None:
    execute(url, "CREATE TABLE edits AS SELECT 1 AS id, 3.50::numeric(9,2) AS version")
    dialect = dialect_of(url)
    _, version = DatabaseSource(url=url)._relation(dialect, "edits").columns
    assert dialect.since(version, 2) == "t.\"version\" >= '2'"


def test_views_and_other_schemas_are_tables_too(url: str) -> None:
    execute(
        url,
        "CREATE SCHEMA tms",
        "CREATE TABLE tms.objects AS SELECT 1 AS id",
        "CREATE VIEW all_objects AS SELECT * FROM tms.objects",
        "CREATE MATERIALIZED VIEW kept AS SELECT 2 AS id",
        "CREATE TABLE parted (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE part PARTITION OF parted FOR VALUES FROM (1) TO (9)",
        "INSERT INTO parted VALUES (3)",
    )
    tables = {"objects": "tms.objects"}
    source = DatabaseSource(url=url, tables=tables)
    assert source.harvest("objects", schema(id=pl.Int32)).collect().rows() == [(1,)]
    for name, value in {"all_objects": 1, "public.kept": 2, "parted": 3}.items():
        assert harvested(url, name, id=pl.Int32) == [(value,)]
    with pytest.raises(SourceError, match=r"no table 'object'.* 'tms\.objects'"):
        source.harvest("object", schema(id=pl.Int32))


def test_a_query_may_end_as_people_end_queries(postgresql_url: str) -> None:
    query = "WITH two AS (SELECT 1 AS id, 2 AS id, 3 AS n) SELECT * FROM two ORDER BY n -- all\n;\n"
    source = DatabaseSource(url=postgresql_url, queries={"rows": query})
    assert source.harvest("rows", schema(n=pl.Int32)).collect().rows() == [(3,)]
    with pytest.raises(SourceError, match="more than one column 'id'"):
        source.harvest("rows", schema(id=pl.Int32))


def test_a_query_that_fails_says_why(postgresql_url: str) -> None:
    source = DatabaseSource(url=postgresql_url, queries={"rows": "SELECT nope FROM pg_class"})
    with pytest.raises(SourceError, match='column "nope" does not exist'):
        source.harvest("rows", schema(id=pl.Int32))
    divided = "SELECT 1 / (3 - i) AS id FROM generate_series(1, 5) i"
    source = DatabaseSource(url=postgresql_url, queries={"rows": divided})
    with pytest.raises(
        SourceError, match=r"The query for 'rows' cannot be read: .*division by zero"
    ):
        source.harvest("rows", schema(id=pl.Int32)).collect()


def test_missing_columns_and_others_are_told(url: str, caplog: pytest.LogCaptureFixture) -> None:
    execute(url, "CREATE TABLE objects (object_id int, title text)")
    with pytest.raises(
        SourceError, match=r"Column 'objectid' is missing.* Is 'objectid' now 'object_id'"
    ):
        harvested(url, "objects", objectid=pl.Int32)
    assert harvested(url, "objects", title=pl.String) == []
    assert "has columns that Rows does not name: 'object_id'" in caplog.text


def test_a_password_may_have_any_character(postgresql_url: str) -> None:
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


def test_nothing_can_be_written(postgresql_url: str) -> None:
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
    postgresql_url: str, change: Any, error: type[Exception], told: str
) -> None:
    url = make_url(postgresql_url).set(**change)
    with pytest.raises(error, match=told) as raised:
        harvested(url.render_as_string(hide_password=False), "objects", id=pl.Int32)
    assert str(url.password) not in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.fixture(scope="module")
def server(postgresql_url: str) -> Iterator[postgresql.Server]:
    """A server that may be hurt. Where `postgresql_url` is skipped, so is this."""
    with postgresql.running() as server:
        server.execute(
            "CREATE TABLE objects AS SELECT i / 7 AS part, 'Nr. ' || i % 7 AS nr, i AS id, "
            "repeat('x', 400) AS title FROM generate_series(1, 60000) i ORDER BY random();"
            'ALTER TABLE objects ALTER nr TYPE text COLLATE "en-x-icu";'
            "CREATE TABLE keyless AS SELECT * FROM objects;"
            "ALTER TABLE objects ADD PRIMARY KEY (part, nr);"
        )
        yield server


def cut(server: postgresql.Server) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
    )


def restart(server: postgresql.Server) -> None:
    server.stop()
    server.start()


def broken(url: str, table: str, break_: Callable[[], None]) -> tuple[list[int], Harvest]:
    """Return the ids that come where the connection breaks after the first batch, and the count."""
    relation = DatabaseSource(url=url)._relation(dialect_of(url), table)
    wanted = {"id": pl.Int64(), "title": pl.String()}
    reading = Reading(dialect=dialect_of(url), relation=relation, wanted=wanted)
    harvest = Harvest(table=table, source="a server")
    ids = []
    for batch in batches(reading, harvest, Notes(), ["id", "title"]):
        if not ids:
            break_()
        ids += batch["id"].to_list()
        harvest.count(received=batch.height)
    return ids, harvest


@pytest.mark.parametrize("break_", [cut, restart])
def test_a_broken_read_goes_on_behind_the_last_key(
    server: postgresql.Server, break_: Callable[[postgresql.Server], None]
) -> None:
    ids, harvest = broken(server.url, "objects", lambda: break_(server))
    assert sorted(ids) == list(range(1, 60_001))
    assert harvest.expected == harvest.received == 60_000
    assert harvest.retries == 1


def test_a_broken_read_without_a_key_says_so(server: postgresql.Server) -> None:
    with pytest.raises(SourceUnavailable, match=r"Table 'keyless' has no primary key"):
        broken(server.url, "keyless", lambda: cut(server))


def test_rows_that_come_while_the_rest_is_read_are_counted(server: postgresql.Server) -> None:
    def more() -> None:
        server.execute("INSERT INTO objects VALUES (100000, '', 0, 'new'), (-1, '', 0, 'missed')")
        cut(server)

    ids, harvest = broken(server.url, "objects", more)
    server.execute("DELETE FROM objects WHERE id = 0")
    assert sorted(ids) == list(range(60_001))
    assert harvest.expected == harvest.received == 60_001


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
    url: str, run: Callable[..., Any]
) -> None:
    @dg.asset(metadata=drop_guard(stop=1.0))
    def objects(tms: DatabaseSource) -> Frame[Objects]:
        return tms.harvest("objects", Objects)

    def update() -> tuple[list[tuple[Any, ...]], int, str | None]:
        source = DatabaseSource(url=url, changed={"objects": "changed"}, overlap=60)
        result = run(objects, resources={"tms": source})
        assert result.is_success, result.reason()
        ledger = pl.read_ndjson(result.folder / ".collectionflow/ledger/objects.ndjson")
        (line,) = ledger.tail(1).to_dicts()
        rows = result.stored("objects").sort("part", "nr").select("part", "nr", "title").rows()
        return rows, line["received"], line["since"]

    execute(
        url,
        "CREATE TABLE objects (part numeric(5), nr text, title text, changed timestamptz,"
        " PRIMARY KEY (part, nr))",
        "INSERT INTO objects VALUES (1, 'it''s \\', 'a', '2020-10-25 02:30:00 Europe/Amsterdam'),"
        " (1, 'B', 'b', '2020-10-25 01:00:00+00'), (2, 'B', 'c', '2020-10-25 00:00:00+00')",
    )
    assert update() == ([(1, "B", "b"), (1, "it's \\", "a"), (2, "B", "c")], 3, None)
    execute(
        url,
        "DELETE FROM objects WHERE part = 2",
        "UPDATE objects SET title = 'B', changed = '2020-10-26 00:00:00+00' WHERE nr = 'B'",
        "INSERT INTO objects VALUES (3, 'o''ld \\', 'imported', '1999-01-01')",
    )
    rows = [(1, "B", "B"), (1, "it's \\", "a"), (3, "o'ld \\", "imported")]
    assert update() == (rows, 3, "2020-10-25 01:29:00+00:00")
    assert update() == (rows, 1, "2020-10-25 23:59:00+00:00")


def test_a_column_of_words_cannot_say_what_changed(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    execute(url, "CREATE TABLE objects (part int, nr text, title text, changed text)")
    source = DatabaseSource(url=url, changed={"objects": "changed"})
    assert source.harvest("objects", Worded).collect().height == 0
    assert "column 'changed' is 'text' in the database, which cannot be compared" in caplog.text
