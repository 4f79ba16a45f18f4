"""Nested documents by DuckDB."""

# ruff: noqa: ARG001 (the SQL finds the tables by their names)

from duckdb import DuckDBPyRelation, sql

DOCUMENTS = """
    WITH people AS (
        SELECT object_id, list({
            constituent_id: constituent_id, name: name, role: role,
            life_dates: life_dates, gender: gender
        } ORDER BY display_order, link_id) AS people
        FROM links LEFT JOIN constituents USING (constituent_id) GROUP BY object_id
    ), images AS (
        SELECT object_id, list({media_id: media_id, url: url, rights: rights}
            ORDER BY rank, media_id) AS media
        FROM media GROUP BY object_id
    ), distinct_terms AS (
        SELECT object_id, list(term ORDER BY term) AS terms
        FROM (SELECT DISTINCT object_id, term FROM terms) GROUP BY object_id
    )
    SELECT objects.*, coalesce(people, []) AS people, coalesce(media, []) AS media,
        coalesce(terms, []) AS terms
    FROM objects LEFT JOIN people USING (object_id) LEFT JOIN images USING (object_id)
        LEFT JOIN distinct_terms USING (object_id)
    ORDER BY object_id
"""


def reshape(
    objects: DuckDBPyRelation,
    constituents: DuckDBPyRelation,
    links: DuckDBPyRelation,
    media: DuckDBPyRelation,
    terms: DuckDBPyRelation,
) -> DuckDBPyRelation:
    """Return one document an object, ordered by id."""
    return sql(DOCUMENTS)  # ty: ignore[invalid-explicit-return] (a SELECT has a relation)
