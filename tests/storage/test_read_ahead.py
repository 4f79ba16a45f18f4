import os

import pytest

from collectionflow.storage._read_ahead import limit_read_ahead


@pytest.mark.parametrize(("told", "expected"), [(None, "2"), ("64", "64")])
def test_two_row_groups_are_read_ahead_unless_polars_is_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, told: str | None, expected: str
) -> None:
    monkeypatch.delenv("POLARS_ROW_GROUP_PREFETCH_SIZE", raising=False)
    if told:
        monkeypatch.setenv("POLARS_ROW_GROUP_PREFETCH_SIZE", told)
    limit_read_ahead()
    assert os.environ["POLARS_ROW_GROUP_PREFETCH_SIZE"] == expected
