"""`pipeline_job`: a job over stages, with retries and an executor that suit a pipeline."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

_RETRIES = dg.RetryPolicy(
    max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)
_PRELOADED = ["collectionflow", "dagster", "polars", "pandera.polars"]


def pipeline_job(
    name: str,
    *,
    description: str,
    groups: Sequence[str] = (),
    assets: Sequence[str | dg.AssetKey] = (),
    is_isolated: bool = False,
    preload: Sequence[str] = (),
) -> "UnresolvedAssetJobDefinition":
    """Return a job over all assets of the named groups and the named assets.

    A step that waiting can cure is tried three more times, after 2, 6 and 14 seconds give or take.
    A refused table or a broken source stops at once. Steps run in the run's own process, since
    Polars uses every core by itself; `is_isolated` gives each step a process of its own, forked
    from one that has loaded the libraries and the modules in `preload`.

    Raises:
        ValueError: where neither groups nor assets are named.

    Examples:
        >>> from collectionflow import pipeline_job
        >>> job = pipeline_job(
        ...     "collection",
        ...     description="Harvests the collection and publishes the website's documents.",
        ...     groups=["harvest", "clean", "enrich", "reshape", "output"],
        ... )
        >>> job.name
        'collection'
    """
    if not groups and not assets:
        message = f"Job '{name}' selects nothing. Name its groups or its assets."
        raise ValueError(message)
    selection = dg.AssetSelection.groups(*groups) | dg.AssetSelection.assets(*assets)
    return dg.define_asset_job(
        name,
        selection=selection,
        description=description,
        op_retry_policy=_RETRIES,
        executor_def=_isolated(preload) if is_isolated else dg.in_process_executor,
    )


def _isolated(preload: Sequence[str]) -> dg.ExecutorDefinition:
    server = {"preload_modules": [*_PRELOADED, *preload]}
    return dg.multiprocess_executor.configured({"start_method": {"forkserver": server}})
