"""Publishes the documents as storage does it: computed, judged by their contract, put in place.

Run: python publish.py ENGINE TABLES RESULT, for an ENGINE polars, buckets, duckdb or spark.
"""

import sys
from pathlib import Path
from typing import Any

from contracts import Documents
from upath import UPath

from collectionflow import in_buckets
from collectionflow.contract import contract_of
from collectionflow.storage.publication import publish_frame
from collectionflow.storage.terms import Terms
from collectionflow.storage.versions import StoredTable

TABLES = ("objects", "constituents", "links", "media", "terms")
BUCKET_ROWS = 1_000_000


def main(name: str, tables: str, result: str) -> None:
    """Publish the documents of one engine below a folder."""
    engine, reshape = chosen(name)
    inputs = [engine.scan([UPath(tables, f"{each}.parquet")], None) for each in TABLES]
    terms = Terms(contract=contract_of(Documents), engine=engine)
    table = StoredTable(base=UPath(result), name=name)
    publication = publish_frame(reshape(*inputs), table, terms)
    print(publication.measurement.rows, "documents")


def chosen(name: str) -> tuple[Any, Any]:
    """Return an engine, and the stage that is written for it."""
    if name == "duckdb":
        import by_duckdb

        from collectionflow.storage.engines.duckdb import DuckDB

        return DuckDB(), by_duckdb.reshape
    if name == "spark":
        import by_spark

        from collectionflow.storage.engines.spark import SparkCluster

        return SparkCluster(remote=sys.argv[4]), by_spark.reshape

    import by_polars

    from collectionflow.storage.engines.polars import POLARS

    if name == "polars":
        return POLARS, by_polars.reshape
    return POLARS, in_buckets(key="object_id", rows=BUCKET_ROWS)(by_polars.reshape)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], str(Path(sys.argv[3]).resolve()))
