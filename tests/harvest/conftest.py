"""Databases: SQL run past our own code, and what a harvest by a contract of few words finds."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pandera.polars as pa
import pytest
from sqlalchemy.engine import make_url

from collectionflow.harvest import DatabaseSource


def _execute(url: str, *statements: str) -> None:
    if url.startswith("mysql"):
        import connectorx

        # It runs statements before a query, and must be given one that answers.
        options: Any = {"return_type": "arrow", "pre_execution_query": list(statements)}
        connectorx.read_sql(url, "SELECT 1 AS one", **options)
        return
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(scope="session")
def execute() -> Callable[..., None]:
    """Run statements that answer nothing on PostgreSQL or MariaDB."""
    return _execute


@pytest.fixture
def own_database(postgresql_url: str) -> Iterator[str]:
    """The URL of a PostgreSQL database that no other test uses."""
    name = f"test_{uuid4().hex}"
    _execute(postgresql_url, f'CREATE DATABASE "{name}"')
    yield make_url(postgresql_url).set(database=name).render_as_string(hide_password=False)
    _execute(postgresql_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _schema(**columns: Any) -> Any:
    fields = {name: pa.Column(dtype, nullable=True) for name, dtype in columns.items()}
    built = pa.DataFrameSchema(fields, name="Rows", coerce=True)

    class Rows:
        to_schema = staticmethod(lambda: built)

    return Rows


@pytest.fixture(scope="session")
def schema() -> Callable[..., Any]:
    """Return a Pandera schema of nullable columns, by their types."""
    return _schema


@pytest.fixture(scope="session")
def harvested() -> Callable[..., list[tuple[Any, ...]]]:
    """Harvest a table of a database and return its rows."""

    def harvested(url: str, table: str, **columns: Any) -> list[tuple[Any, ...]]:
        return DatabaseSource(url=url).harvest(table, _schema(**columns)).collect().rows()

    return harvested
