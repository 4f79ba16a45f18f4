import secrets

import urllib3

from tests.cli.conftest import MakeProject

DEFINITIONS = """
import dagster as dg
import polars as pl

from collectionflow import pipeline_job
from collectionflow.output import SearchIndexTarget, document_id
from collectionflow.output._target import Target


class Fax(Target):
    number: str = "1"

    def publish(self, name, frame):
        return {}


@dg.asset(io_manager_key="search", metadata=document_id("id"))
def NAME() -> pl.LazyFrame:
    return pl.LazyFrame({"id": [1, 2]})


@dg.asset(io_manager_key="fax")
def objects_fax() -> pl.LazyFrame:
    return pl.LazyFrame({"id": [1, 2]})


defs = dg.Definitions(
    assets=[NAME, objects_fax],
    jobs=[pipeline_job("index", description="The index.", assets=["NAME"])],
    resources={
        "search": SearchIndexTarget(url="URL"), "fax": Fax()
    },
)
"""


def test_rollback_points_an_alias_back_and_tells_dagster(
    make_project: MakeProject, opensearch_url: str
) -> None:
    name = f"t{secrets.token_hex(4)}"
    project = make_project(DEFINITIONS.replace("NAME", name).replace("URL", opensearch_url))
    for _ in range(2):
        assert project("run", "index").exit_code == 0
    with urllib3.PoolManager() as pool:
        older, newer = sorted(pool.request("GET", f"{opensearch_url}/{name}-*").json())
        output = project("rollback", name).output
        assert f"{name}: '{older}' is published again." in output
        assert list(pool.request("GET", f"{opensearch_url}/{name}").json()) == [older]
        answer = project("rollback", name, "--to", newer, "--json")
        assert answer.json == {"asset": name, "version": newer}
        wrong = project("rollback", name, "--to", "nothing")
        assert wrong.exit_code == 2
        assert f"There are: '{newer}', '{older}'." in " ".join(wrong.errors.split())
        for each in (older, newer):
            pool.request("DELETE", f"{opensearch_url}/{each}")


def test_a_target_that_keeps_nothing_earlier_says_where_to_go_back(
    make_project: MakeProject,
) -> None:
    project = make_project(DEFINITIONS.replace("NAME", "objects"))
    answer = project("rollback", "objects_fax")
    assert answer.exit_code == 2
    assert "Fax, which keeps nothing earlier" in " ".join(answer.errors.split())
