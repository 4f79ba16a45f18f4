"""The same eight assets for every runner; `STORAGE` says where their tables lie."""

import os

import dagster as dg
import pandera.polars as pa
import polars as pl

from collectionflow import Frame, ParquetIOManager, pipeline_job


class Objects(pa.DataFrameModel):
    """One row an object."""

    object_id: int = pa.Field(unique=True)
    title: str


def _stage(number: int) -> dg.AssetsDefinition:
    @dg.asset(name=f"stage_{number}")
    def first() -> Frame[Objects]:
        return pl.LazyFrame({"object_id": range(1_000)}).with_columns(
            title=pl.format("Portrait {}", "object_id")
        )

    @dg.asset(name=f"stage_{number}", ins={"objects": dg.AssetIn(f"stage_{number - 1}")})
    def later(objects: Frame[Objects]) -> Frame[Objects]:
        return objects.with_columns(pl.col("title").str.to_uppercase())

    return first if number == 1 else later


defs = dg.Definitions(
    assets=[_stage(number) for number in range(1, 9)],
    jobs=[
        pipeline_job(
            "in_process",
            description="All eight in the run's own process.",
            assets=[f"stage_{number}" for number in range(1, 9)],
        ),
        pipeline_job(
            "isolated",
            description="Each in a process of its own, forked from one that has all loaded.",
            assets=[f"stage_{number}" for number in range(1, 9)],
            is_isolated=True,
            preload=["eight_assets.definitions"],
        ),
        dg.define_asset_job("process_a_step", executor_def=dg.multiprocess_executor),
    ],
    resources={"io_manager": ParquetIOManager(base_dir=os.environ["STORAGE"])},
)
