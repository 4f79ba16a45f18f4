"""A small project on disk, and the command run on it."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from collectionflow.cli import main

DEFINITIONS = """
import json
from pathlib import Path

import dagster as dg
import pandera.polars as pa
import polars as pl

from collectionflow import Frame, ParquetIOManager, SourceError, pipeline_job, warn
from collectionflow.harvest import TableSource
from collectionflow.harvest._source import tallied
from collectionflow.output import NdjsonTarget

HERE = Path(__file__).parent


class Objects(pa.DataFrameModel):
    object_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)
    terms: list[str]


def settings() -> dict:
    path = HERE / "settings.json"
    return json.loads(path.read_text()) if path.exists() else {}


@dg.asset
def objects() -> Frame[Objects]:
    if "boom" in settings():
        raise dg.Failure(settings()["boom"], allow_retries=False)
    if "error" in settings():
        raise ValueError(settings()["error"])
    rows = settings().get("rows", 10)
    return pl.LazyFrame({"object_id": range(rows)}).select(
        "object_id",
        title=pl.format(settings().get("title", "Portrait {}"), "object_id"),
        terms=pl.concat_list(pl.lit("chalk")),
    )


@dg.asset
def titles(objects: Frame[Objects]) -> pl.LazyFrame:
    warn("One title is odd.")
    return objects.select("title", person=pl.struct(id="object_id", names=pl.concat_list("title")))


@dg.asset(io_manager_key="json")
def documents(objects: Frame[Objects]) -> pl.LazyFrame:
    return objects


class Numbers(TableSource):
    rows: int = 3

    def scan(self, table, contract, notes):
        if "missing" in settings():
            raise SourceError(f"There is no table '{table}'.")
        harvest = notes.begin(table, "a list")
        harvest.since, harvest.until = settings().get("window", (None, None))
        frame = pl.LazyFrame({"object_id": range(self.rows)}, schema=contract.dtypes)
        harvest.expected = self.rows
        return tallied(frame, harvest)


class Harvested(pa.DataFrameModel):
    object_id: int


@dg.asset
def harvested(source: Numbers) -> Frame[Harvested]:
    return source.harvest("objects", Harvested)


@dg.asset_check(asset=titles)
def titles_are_long() -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(passed=False, severity=severity, description="3 titles are short.")


@dg.asset_check(asset=titles)
def titles_are_there() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec("are_many", asset=titles), dg.AssetCheckSpec("are_tidy", asset=titles)]
)
def titles_in_general():
    severity = dg.AssetCheckSeverity.WARN
    yield dg.AssetCheckResult(check_name="are_many", passed=False, severity=severity)
    yield dg.AssetCheckResult(check_name="are_tidy", passed=True)


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def loans() -> pl.LazyFrame:
    return pl.LazyFrame({"loan": [1, 2]})


@dg.asset(
    partitions_def=dg.MultiPartitionsDefinition(
        {
            "year": dg.StaticPartitionsDefinition(["2025", "2026"]),
            "house": dg.StaticPartitionsDefinition(["north", "south"]),
        }
    )
)
def visits() -> pl.LazyFrame:
    return pl.LazyFrame({"visitor": [1]})


jobs = [
    pipeline_job("collection", description="All of it.", assets=["objects", "titles", "documents"]),
    pipeline_job("numbers", description="From the source.", assets=["harvested"]),
    pipeline_job("lending", description="By house.", assets=["loans"]),
    pipeline_job("visiting", description="By year and house.", assets=["visits"]),
    dg.define_asset_job(
        "patient",
        ["objects"],
        executor_def=dg.in_process_executor,
        op_retry_policy=dg.RetryPolicy(max_retries=1, delay=0.01),
    ),
]
defs = dg.Definitions(
    assets=[objects, titles, documents, harvested, loans, visits],
    asset_checks=[titles_are_long, titles_are_there, titles_in_general],
    jobs=jobs,
    resources={
        "io_manager": ParquetIOManager(base_dir=str(HERE / "tables")),
        "json": NdjsonTarget(directory=str(HERE / "website")),
        "source": Numbers(),
    },
)
"""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and the exit code it left."""

    exit_code: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


@dataclass(frozen=True)
class Project:
    """A project on disk."""

    folder: Path
    module: str

    def set(self, **settings: Any) -> None:
        """Change what the project's source sends."""
        (self.folder / self.module / "settings.json").write_text(json.dumps(settings))

    def __call__(self, *arguments: str) -> Answer:
        """Run a command on the project."""
        result = CliRunner().invoke(main, [*arguments, "--project", str(self.folder)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(exit_code=result.exit_code, output=result.stdout, errors=result.stderr)


MakeProject = Callable[..., Project]


@pytest.fixture
def make_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[MakeProject]:
    """Write a project whose module no other test has loaded."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "140")
    path, modules = list(sys.path), set(sys.modules)

    def make(definitions: str = DEFINITIONS, **files: str) -> Project:
        module = f"project_{abs(hash(request.node.nodeid))}"
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").touch()
        (tmp_path / module / "definitions.py").write_text(definitions)
        (tmp_path / "pyproject.toml").write_text(f'[tool.dg.project]\nroot_module = "{module}"\n')
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        return Project(folder=tmp_path, module=module)

    yield make
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("project_"):
            del sys.modules[name]


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """Return a project with a table of objects."""
    return make_project()
