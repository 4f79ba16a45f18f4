"""The reshape stage in DuckDB's SQL. Needs the extra `collectionflow[duckdb]`."""

import dagster as dg
from duckdb import DuckDBPyRelation, sql

from collectionflow.checks import parity_check
from collectionflow.storage.engines.duckdb import DuckDB, Relation
from portrait_gallery.contracts import EnrichedObjects, LinkedPeople, ObjectDocuments

# It finds `objects` and `people` by the names that they have where it is run.
RESHAPE = """
    WITH links AS (
        SELECT *, NOT is_placeholder AS is_listed, {
            id: constituent_id, name: name, credit: credit, suffix: suffix, gender: gender,
            fields: fields, life: {text: life_dates, begin_year: begin_year, end_year: end_year}
        } AS person
        FROM people
    ), grouped AS (
        SELECT object_id, bool_and(name <> '(Non-Portrait)') AS is_portrait,
            list(person ORDER BY display_order, link_id)
                FILTER (is_listed AND role = 'sitter') AS sitters,
            list(person ORDER BY display_order, link_id)
                FILTER (is_listed AND role = 'artist') AS artists,
            list(person ORDER BY display_order, link_id)
                FILTER (is_listed AND role = 'related') AS related
        FROM links GROUP BY object_id
    )
    SELECT object_id AS id, object_number AS number, title, other_titles, classification, medium,
        dimensions, credit_line,
        {text: dated, earliest_year: earliest_year, latest_year: latest_year} AS date,
        coalesce(is_portrait, true) AS is_portrait, coalesce(sitters, []) AS sitters,
        coalesce(artists, []) AS artists, coalesce(related, []) AS related,
        CASE WHEN image_url IS NOT NULL THEN {
            url: image_url, is_thumbnail: image_is_thumbnail, credit: image_credit,
            rights: image_rights
        } END AS image
    FROM objects LEFT JOIN grouped USING (object_id)
    ORDER BY id
"""


@dg.asset(
    code_version="1",
    group_name="reshape",
    owners=["team:collections"],
    kinds={"duckdb", "parquet"},
)
def object_documents_in_sql(
    enriched_objects: Relation[EnrichedObjects], linked_people: Relation[LinkedPeople]
) -> Relation[ObjectDocuments]:
    """The same documents as `object_documents`, by DuckDB."""
    return reshape(enriched_objects, linked_people)


def reshape(objects: DuckDBPyRelation, people: DuckDBPyRelation) -> DuckDBPyRelation:  # noqa: ARG001
    """Return `ObjectDocuments` from `EnrichedObjects` and `LinkedPeople`."""
    return sql(RESHAPE)  # ty: ignore[invalid-explicit-return] (a SELECT has a relation)


defs = dg.Definitions(
    assets=[object_documents_in_sql],
    asset_checks=[parity_check("object_documents", object_documents_in_sql)],
    resources={"duckdb": DuckDB()},
)
