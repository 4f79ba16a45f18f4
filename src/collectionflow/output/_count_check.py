"""An asset check that reads an output back and counts."""

import dagster as dg
import polars as pl

from collectionflow.errors import CollectionflowError
from collectionflow.output._target import Target


def published_count_check(asset: dg.AssetsDefinition, *, of: str) -> dg.AssetChecksDefinition:
    """Return a check that as many documents are published as the table `of` has rows.

    The target reads back what it has published, so the check also finds what others have changed
    or removed since.

    Examples:
        >>> import dagster as dg
        >>> import polars as pl
        >>> from collectionflow.output import published_count_check
        >>> @dg.asset(io_manager_key="json")
        ... def objects_json(object_documents: pl.LazyFrame) -> pl.LazyFrame:
        ...     return object_documents
        >>> check = published_count_check(objects_json, of="object_documents")
    """
    key = asset.get_io_manager_key_for_asset_key(asset.key)

    @dg.asset_check(
        asset=asset.key,
        name="published_count",
        description=f"As many documents are published as '{of}' has rows.",
        additional_ins={"table": dg.AssetIn(dg.AssetKey.from_user_string(of))},
        required_resource_keys={key},
    )
    def published_count(
        context: dg.AssetCheckExecutionContext, table: pl.LazyFrame
    ) -> dg.AssetCheckResult:
        target: Target = getattr(context.resources, key)
        rows = table.select(pl.len()).collect().item()
        try:
            documents = target.count(asset.key.path[-1])
        except CollectionflowError as error:
            description = getattr(error, "description", None) or str(error)
            return dg.AssetCheckResult(passed=False, description=description)
        return dg.AssetCheckResult(
            passed=documents == rows,
            description=f"{documents:,} documents are published, of {rows:,} rows.",
            metadata={"documents": documents, "rows": rows},
        )

    return published_count
