"""The website's search index, where there is a server for it.

`PORTRAIT_GALLERY_SEARCH_URL` says where; `search.json` says how texts are taken apart, so that
"bronte" finds Brontë.
"""

from pathlib import Path

import dagster as dg
import polars as pl

from collectionflow import Frame
from collectionflow.output import SearchIndexTarget
from portrait_gallery.contracts import ObjectDocuments
from portrait_gallery.defs.output.website import NIGHTLY


@dg.asset(
    code_version="1",
    group_name="output",
    owners=["team:collections"],
    kinds={"opensearch"},
    io_manager_key="search",
    freshness_policy=NIGHTLY,
)
def objects_search(object_documents: Frame[ObjectDocuments]) -> Frame[ObjectDocuments]:
    """The documents that visitors search, behind the alias of the same name."""
    return object_documents


@dg.asset_check(
    asset=objects_search,
    required_resource_keys={"search"},
    additional_ins={"object_documents": dg.AssetIn("object_documents")},
)
def every_object_is_found(
    context: dg.AssetCheckExecutionContext, object_documents: Frame[ObjectDocuments]
) -> dg.AssetCheckResult:
    """A search over all finds as many objects as there are documents."""
    found = context.resources.search.count("objects_search")
    expected = object_documents.select(pl.len()).collect().item()
    return dg.AssetCheckResult(
        passed=found == expected, metadata={"found": found, "documents": expected}
    )


def definitions(url: str | None) -> list[dg.Definitions]:
    """Return the asset, its check and its target, nothing where no server is named."""
    if not url:
        return []
    settings = Path(__file__).with_suffix(".json")
    target = SearchIndexTarget(
        url=dg.EnvVar("PORTRAIT_GALLERY_SEARCH_URL"), settings_file=str(settings)
    )
    return [
        dg.Definitions(
            assets=[objects_search],
            asset_checks=[every_object_is_found],
            resources={"search": target},
        )
    ]
