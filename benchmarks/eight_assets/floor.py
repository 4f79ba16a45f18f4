"""The least that Dagster takes: import, an instance with history, eight assets doing nothing."""

import dagster as dg
import polars as pl  # noqa: F401 (every pipeline has it loaded)


def _nothing(number: int) -> dg.AssetsDefinition:
    @dg.asset(name=f"stage_{number}", deps=[f"stage_{number - 1}"] if number > 1 else [])
    def nothing() -> None: ...

    return nothing


assets = [_nothing(number) for number in range(1, 9)]
job = dg.define_asset_job("all", executor_def=dg.in_process_executor)
definitions = dg.Definitions(assets=assets, jobs=[job])
result = definitions.resolve_job_def("all").execute_in_process(
    instance=dg.DagsterInstance.get(),
    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
)
