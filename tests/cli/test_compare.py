from pathlib import Path

import polars as pl
import pytest

from tests.cli.conftest import Project

TABLE = pl.DataFrame(
    {"id": [1, 2, 3], "width": [1.0, 2.0, 3.0], "terms": [["oil"], ["ink"], []]},
    schema_overrides={"terms": pl.List(pl.String)},
)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two files that differ, where no project is, and be there."""
    folder = tmp_path / "files"
    folder.mkdir()
    TABLE.write_parquet(folder / "a.parquet")
    changed = TABLE.with_columns(id=pl.Series([1, 2, 4]), terms=pl.Series([["oil"], ["wax"], []]))
    changed.reverse().write_parquet(folder / "b.parquet")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def twice(project: Project) -> Project:
    project("run", "collection")
    project.set(rows=11, title="Bust {}")
    assert project("run", "collection").exit_code == 0
    return project


def test_two_files_are_compared_without_a_project(project: Project, files: Path) -> None:
    answer = project("compare", "a.parquet", "b.parquet", "--key", "id")
    assert answer.exit_code == 1
    assert "A: a.parquet, 3 rows" in answer.output
    assert "1 rows only in A; 1 rows only in B; 1 rows differ (terms in 1)." in answer.output
    assert "│  2 │ terms  │ ['ink'] │ ['wax'] │" in answer.output
    assert "\nOnly in A" in answer.output
    assert "\nOnly in B" in answer.output


def test_a_file_is_the_same_as_itself(project: Project, files: Path) -> None:
    answer = project("compare", "a.parquet", "a.parquet", "--key", "id")
    assert answer.exit_code == 0
    assert "A and B are the same: 3 rows." in answer.output


def test_machines_get_json(project: Project, files: Path) -> None:
    answer = project("compare", "a.parquet", "b.parquet", "--key", "id", "--json")
    assert answer.exit_code == 1
    assert answer.json == {
        "a": "a.parquet",
        "b": "b.parquet",
        "same": False,
        "rows_a": 3,
        "rows_b": 3,
        "only_in_a": 1,
        "only_in_b": 1,
        "differing": 1,
        "differing_by_column": {"terms": 1},
        "columns_only_in_a": [],
        "columns_only_in_b": [],
        "columns_of_other_types": {},
        "examples": {
            "differing": [{"id": 2, "column": "terms", "a": "['ink']", "b": "['wax']"}],
            "only_in_a": [{"id": 3, "width": 3.0, "terms": []}],
            "only_in_b": [{"id": 4, "width": 3.0, "terms": []}],
        },
    }


def test_floats_are_compared_with_a_tolerance(project: Project, files: Path) -> None:
    TABLE.with_columns(pl.col("width") * (1 + 1e-10)).write_parquet("near.parquet")
    arguments = ["compare", "a.parquet", "near.parquet", "--key", "id"]
    assert project(*arguments).exit_code == 1
    assert project(*arguments, "--tolerance", "1e-9").exit_code == 0


def test_a_folder_of_parts_is_a_table(project: Project, files: Path) -> None:
    Path("parts").mkdir()
    TABLE.head(1).write_parquet("parts/0.parquet")
    TABLE.tail(2).write_parquet("parts/1.parquet")
    assert project("compare", "a.parquet", "parts", "--key", "id").exit_code == 0


def test_two_assets_are_compared_by_the_contracts_key(twice: Project) -> None:
    answer = twice("compare", "titles", "objects", "--json")
    assert answer.exit_code == 2
    assert "Key column 'object_id' is not in" in answer.json["error"]
    answer = twice("compare", "objects", "titles", "--key", "title", "--json").json
    assert (answer["only_in_a"], answer["only_in_b"], answer["differing"]) == (0, 0, 0)
    assert answer["columns_only_in_a"] == ["object_id", "terms"]
    assert answer["columns_only_in_b"] == ["person"]


def test_two_versions_of_an_asset_are_compared(twice: Project) -> None:
    newer, older = (
        each["version"] for each in twice("inspect", "objects", "--json").json["versions"]
    )
    answer = twice("compare", f"objects@{older}", "objects", "--json").json
    assert (answer["only_in_a"], answer["only_in_b"], answer["differing"]) == (0, 1, 10)
    assert twice("compare", f"objects@{newer}", "objects").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope.parquet", "a.parquet", "--key", "id"], "There is no Parquet file 'nope.parquet'"),
        (["empty", "a.parquet", "--key", "id"], "There is no Parquet file 'empty', and no folder"),
        (["a.parquet", "a.parquet"], "Records are matched by a key"),
        (["a.parquet", "nope", "--key", "id"], "There is no asset 'nope'."),
        (["a.parquet", "objects", "--key", "id"], "'objects' is not published yet."),
        (["a.parquet", "objects@2020", "--key", "id"], "No version of 'objects' begins with"),
        (["twice.parquet", "a.parquet", "--key", "id"], "The key 'id' is not unique"),
    ],
)
def test_what_cannot_be_compared_is_told(
    project: Project, files: Path, arguments: list[str], message: str
) -> None:
    Path("empty").mkdir()
    pl.concat([TABLE, TABLE]).write_parquet("twice.parquet")
    answer = project("compare", *arguments)
    assert answer.exit_code == 2
    assert message in answer.errors.replace("\n", " ")
