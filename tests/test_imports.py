import subprocess
import sys

import pytest


def output_of(code: str) -> str:
    command = [sys.executable, "-c", f"import gc\n{code}\nprint(gc.isenabled())"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_what_is_imported_is_not_looked_through_for_garbage() -> None:
    frozen, is_enabled = output_of("import collectionflow\nprint(gc.get_freeze_count())").split()
    assert int(frozen) > 100_000
    assert is_enabled == "True"


@pytest.mark.parametrize(("before", "after"), [("enable", "True"), ("disable", "False")])
def test_the_collector_works_on_as_it_did(before: str, after: str) -> None:
    assert output_of(f"gc.{before}()\nimport collectionflow").strip() == after
