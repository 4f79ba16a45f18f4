"""A run of assets with their checks, and what each check said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from collectionflow import ParquetIOManager


class Checked:
    """A finished run, by what its checks said."""

    def __init__(self, result: dg.ExecuteInProcessResult) -> None:
        self.result = result
        self.by_name = {each.check_name: each for each in result.get_asset_check_evaluations()}

    @property
    def is_success(self) -> bool:
        return self.result.success

    @property
    def failed(self) -> set[str]:
        return {name for name, each in self.by_name.items() if not each.passed}

    def __getitem__(self, name: str) -> dg.AssetCheckEvaluation:
        return self.by_name[name]

    def said(self, name: str) -> str:
        return self.by_name[name].description or ""

    def metadata(self, name: str) -> dict[str, Any]:
        return {key: value.value for key, value in self.by_name[name].metadata.items()}

    def steps(self) -> set[str]:
        return {str(event.step_key) for event in self.result.all_events if event.is_step_success}


@pytest.fixture
def check(tmp_path: Path, instance: dg.DagsterInstance) -> Callable[..., Checked]:
    """Materialize assets and make their checks, as often as a test likes."""

    def run(*definitions: Any, **options: Any) -> Checked:
        resources = options.pop("resources", {})
        storage = ParquetIOManager(base_dir=str(tmp_path / "tables"))
        return Checked(
            dg.materialize(
                definitions,
                resources={"io_manager": storage} | resources,
                instance=instance,
                raise_on_error=False,
                **options,
            )
        )

    return run
