"""The project that a command works on: its definitions, its Dagster home, its stored tables."""

import importlib
import os
import sys
import tomllib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
import dagster as dg
from dotenv import load_dotenv

from collectionflow.contract import Contract, contract_of
from collectionflow.errors import ProjectError
from collectionflow.frame import schema_of
from collectionflow.output._target import Target
from collectionflow.storage import ParquetIOManager
from collectionflow.storage.versions import StoredTable

P = ParamSpec("P")
R = TypeVar("R")

_HOME_CONFIG = "telemetry:\n  enabled: false\nrun_retries:\n  enabled: true\n"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A loaded project: the folder of its `pyproject.toml` and what it defines."""

    folder: Path
    definitions: dg.Definitions

    def job(self, name: str) -> dg.JobDefinition:
        """Return a job by its name."""
        names = [
            each
            for each in self.definitions.get_repository_def().job_names
            if not each.startswith("__")
        ]
        if name not in names:
            there = ", ".join(f"'{each}'" for each in sorted(names)) or "none"
            message = f"There is no job '{name}'. Jobs of this project: {there}."
            raise ProjectError(message)
        return self.definitions.resolve_job_def(name)

    def asset_key(self, name: str) -> dg.AssetKey:
        """Return the key of an asset by its name, slashes between the parts of a longer key."""
        key = dg.AssetKey.from_user_string(name)
        known = self.definitions.resolve_asset_graph().get_all_asset_keys()
        if key not in known:
            there = ", ".join(sorted(each.to_user_string() for each in known))
            message = f"There is no asset '{name}'. Assets of this project: {there}."
            raise ProjectError(message)
        return key

    def contract(self, key: dg.AssetKey) -> Contract | None:
        """Return the contract in an asset's signature, if it has one."""
        asset = self.definitions.resolve_assets_def(key)
        output = asset.get_output_name_for_asset_key(key)
        schema = schema_of(asset.node_def.output_dict[output].dagster_type.typing_type)
        return contract_of(schema) if schema else None

    @contextmanager
    def stored_table(self, key: dg.AssetKey, partition: str | None) -> Generator[StoredTable]:
        """Yield the stored table of an asset or of one of its partitions."""
        asset = self.definitions.resolve_assets_def(key)
        resource = self._io_manager(key)
        name = key.to_user_string()
        if not isinstance(resource, ParquetIOManager):
            message = (
                f"'{name}' is not stored by a ParquetIOManager, so it has no versions here. Look "
                "at the asset that it is made from."
            )
            raise ProjectError(message)
        folder = "/".join((name, *_partition_path(asset, key, partition)))
        with dg.build_resources({"storage": resource}, instance=self.instance()) as resources:
            yield resources.storage.stored_table(folder)

    @contextmanager
    def target(self, key: dg.AssetKey) -> Generator[Target | None]:
        """Yield the target that publishes an asset, None where storage keeps it."""
        resource = self._io_manager(key)
        if not isinstance(resource, Target):
            yield None
            return
        with dg.build_resources({"target": resource}, instance=self.instance()) as resources:
            yield resources.target

    def _io_manager(self, key: dg.AssetKey) -> Any:
        asset = self.definitions.resolve_assets_def(key)
        return (self.definitions.resources or {}).get(asset.get_io_manager_key_for_asset_key(key))

    def instance(self) -> dg.DagsterInstance:
        """Return the Dagster instance: that of `DAGSTER_HOME`, or `.dagster` in the project."""
        if "DAGSTER_HOME" in os.environ:
            return dg.DagsterInstance.get()
        home = self.folder / ".dagster"
        home.mkdir(exist_ok=True)
        config = home / "dagster.yaml"
        if not config.exists():
            config.write_text(_HOME_CONFIG)
        return dg.DagsterInstance.from_config(str(home))


def load_project(start: Path) -> Project:
    """Load the project whose `pyproject.toml` is in `start` or above it.

    The file says `[tool.dg.project] root_module = "..."`, as `dg` writes it. A `.env` file beside
    it is read; what the environment already says wins.

    Raises:
        ProjectError: where there is no such file, or the module defines nothing.
    """
    folder, settings = _find_settings(start.resolve())
    load_dotenv(folder / ".env")
    sys.path[:0] = [str(folder / "src"), str(folder)]
    name = settings.get("code_location_target_module", f"{settings['root_module']}.definitions")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        message = f"Module '{name}' is not in '{folder}'. Is root_module in pyproject.toml right?"
        raise ProjectError(message) from error
    return Project(folder=folder, definitions=_definitions(module))


def _find_settings(start: Path) -> tuple[Path, dict[str, Any]]:
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
            settings = tools.get("dg", {}).get("project", {})
            if "root_module" in settings:
                return folder, settings
    message = (
        f"No pyproject.toml with [tool.dg.project] root_module is in '{start}' or above it. Run "
        "the command in a project's folder, or name it with --project."
    )
    raise ProjectError(message)


def _definitions(module: Any) -> dg.Definitions:
    found = [value for value in vars(module).values() if isinstance(value, dg.Definitions)]
    if found:
        return found[0]
    # A function decorated with @dg.definitions loads when it is called.
    lazy = [value for value in vars(module).values() if type(value).__name__ == "LazyDefinitions"]
    if lazy:
        return lazy[0]()
    message = f"Module '{module.__name__}' holds no dg.Definitions."
    raise ProjectError(message)


def _partition_path(
    asset: dg.AssetsDefinition, key: dg.AssetKey, partition: str | None
) -> tuple[str, ...]:
    definition = asset.specs_by_key[key].partitions_def
    if definition is None and partition is None:
        return ()
    if definition is None:
        message = f"'{key.to_user_string()}' has no partitions. Leave --partition out."
        raise ProjectError(message)
    if partition is None:
        message = f"'{key.to_user_string()}' has partitions. Name one with --partition."
        raise ProjectError(message)
    if isinstance(definition, dg.MultiPartitionsDefinition):
        dimensions = definition.get_partition_key_from_str(partition).keys_by_dimension
        return tuple(value for _, value in sorted(dimensions.items()))
    return (partition,)


def project_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add `--project` to a command."""
    return click.option(
        "--project",
        "folder",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=Path(),
        help="Folder of the project; the current one if not given.",
    )(function)
