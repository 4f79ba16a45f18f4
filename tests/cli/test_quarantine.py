from tests.cli.conftest import MakeProject

DEFINITIONS = """
from pathlib import Path

import dagster as dg
import pandera.polars as pa
import polars as pl

from collectionflow import Frame, ParquetIOManager, pipeline_job, quarantine


class Loans(pa.DataFrameModel):
    loan: int = pa.Field(unique=True)
    days: int = pa.Field(ge=1, le=900, raise_warning=True)


@dg.asset(metadata=quarantine(max_share=0.5))
def loans() -> Frame[Loans]:
    return pl.LazyFrame({"loan": range(9), "days": [1, 2, 3, 4, 5, 6, 0, 999, 998]})


defs = dg.Definitions(
    assets=[loans],
    jobs=[pipeline_job("lending", description="Loans.", assets=["loans"])],
    resources={"io_manager": ParquetIOManager(base_dir=str(Path(__file__).parent / "tables"))},
)
"""


def test_inspect_tells_of_the_quarantine(make_project: MakeProject) -> None:
    project = make_project(DEFINITIONS)
    assert "quarantined in" in project("run", "lending").output
    output = project("inspect", "loans").output
    assert "loans  6 rows" in output
    assert "Quarantined, by reason" in output
    assert "'days' must be at most 900" in output
    assert f"in {project.folder / project.module / 'tables' / 'quarantine' / 'loans.parquet'}" in (
        output
    )
    assert project("inspect", "loans", "--json").json["quarantined"] == [
        {"reason": "'days' must be at most 900", "rows": 2},
        {"reason": "'days' must be at least 1", "rows": 1},
    ]
