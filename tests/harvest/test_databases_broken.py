"""A connection that breaks while rows are on their way, on PostgreSQL and on MariaDB."""

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest
from servers import mariadb, postgresql

from collectionflow.errors import SourceUnavailable
from collectionflow.harvest import DatabaseSource
from collectionflow.harvest.databases._dialect import dialect_of
from collectionflow.harvest.databases._reading import Reading, batches
from collectionflow.harvest.databases.mariadb import MariaDB
from collectionflow.ledger import Harvest
from collectionflow.notes import Notes

Server = postgresql.Server | mariadb.Server

RUNNING = {"postgresql": postgresql.running, "mariadb": mariadb.running}
# More than can be on its way, in no order, with a key that sorts by its own rules.
OBJECTS = {
    "postgresql": (
        "CREATE TABLE objects AS SELECT i / 7 AS part, 'Nr. ' || i % 7 AS nr, i AS id, "
        "repeat('x', 400) AS title FROM generate_series(1, 60000) i ORDER BY random();"
        'ALTER TABLE objects ALTER nr TYPE text COLLATE "en-x-icu";'
        "CREATE TABLE keyless AS SELECT * FROM objects;"
        "ALTER TABLE objects ADD PRIMARY KEY (part, nr);"
    ),
    "mariadb": (
        "CREATE TABLE objects (part bigint unsigned, nr varchar(20) COLLATE utf8mb4_unicode_ci,"
        " made date, id int, title varchar(3000), PRIMARY KEY (part, made, nr));"
        "INSERT INTO objects SELECT 18446744073709551615 - seq DIV 7, concat('O''\\\\r. ', seq % 7),"
        " '2020-01-01', seq, repeat('x', 3000) FROM seq_1_to_60000;"
        "CREATE VIEW keyless AS SELECT * FROM objects;"
        "CREATE TABLE moods (mood enum('z', 'a') PRIMARY KEY, id int, title text)"
    ),
}
CUT: dict[type[Server], str] = {
    postgresql.Server: (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'"
    ),
    mariadb.Server: "KILL USER collection",
}

on_postgresql = pytest.mark.parametrize("server", ["postgresql"], indirect=True)
on_mariadb = pytest.mark.parametrize("server", ["mariadb"], indirect=True)


@pytest.fixture(scope="module", params=[*RUNNING])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that may be hurt. Where the URL of the product is skipped, so is this."""
    request.getfixturevalue(f"{request.param}_url")
    with RUNNING[request.param]() as server:
        server.execute(OBJECTS[request.param])
        yield server


def cut(server: Server) -> None:
    server.execute(CUT[type(server)])


def restart(server: Server) -> None:
    server.stop()
    server.start()


def broken(server: Server, table: str, break_: Callable[[], None]) -> tuple[list[int], Harvest]:
    """Return the ids that come where the connection breaks after the first batch, and the count."""
    dialect = dialect_of(server.url)
    relation = DatabaseSource(url=server.url)._relation(dialect, table)
    wanted = {"id": pl.Int64(), "title": pl.String()}
    reading = Reading(dialect=dialect, relation=relation, wanted=wanted)
    harvest = Harvest(table=table, source="a server")
    ids = []
    for batch in batches(reading, harvest, Notes(), ["id", "title"]):
        if not ids:
            break_()
        ids += batch["id"].to_list()
        harvest.count(received=batch.height)
    return ids, harvest


@pytest.mark.parametrize("break_", [cut, restart])
def test_a_broken_read_goes_on_behind_the_last_key(server: Any, break_: Any) -> None:
    ids, harvest = broken(server, "objects", lambda: break_(server))
    assert sorted(ids) == list(range(1, 60_001))
    assert harvest.expected == harvest.received == 60_000
    assert harvest.retries == 1


def test_a_broken_read_without_a_key_says_so(server: Any) -> None:
    with pytest.raises(SourceUnavailable, match=r"Table 'keyless' has no primary key"):
        broken(server, "keyless", lambda: cut(server))


@on_postgresql
def test_rows_that_come_while_the_rest_is_read_are_counted(server: Any) -> None:
    def more() -> None:
        server.execute("INSERT INTO objects VALUES (100000, '', 0, 'new'), (-1, '', 0, 'missed')")
        cut(server)

    ids, harvest = broken(server, "objects", more)
    server.execute("DELETE FROM objects WHERE id = 0")
    assert sorted(ids) == list(range(60_001))
    assert harvest.expected == harvest.received == 60_001


@on_postgresql
def test_rows_that_come_between_the_count_and_the_rows_are_not_seen(server: Any) -> None:
    def read(sql: str) -> int:
        return pl.concat(session.read(sql, {"count": pl.Int64()})).item()

    with dialect_of(server.url).connect() as session:
        before = read("SELECT count(*) FROM keyless")
        server.execute("INSERT INTO keyless VALUES (0, '', 0, '')")
        assert read("SELECT count(*) FROM keyless") == before
    with dialect_of(server.url).connect() as session:
        assert read("SELECT count(*) FROM keyless") == before + 1
    server.execute("DELETE FROM keyless WHERE id = 0")


@on_mariadb
def test_a_table_is_read_in_statements_of_so_many_rows(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows in (7_000, 20_000, 60_000):
        monkeypatch.setattr(MariaDB, "page_rows", rows)
        ids, harvest = broken(server, "objects", lambda: None)
        assert sorted(ids) == list(range(1, 60_001))
        assert harvest.expected == harvest.received == 60_000


@on_mariadb
def test_an_enum_is_no_key_to_go_on_by(server: Any) -> None:
    dialect = dialect_of(server.url)
    relation = DatabaseSource(url=server.url)._relation(dialect, "moods")
    assert [column.name for column in relation.key] == ["mood"]
    assert Reading(dialect=dialect, relation=relation, wanted={}).key == ()
