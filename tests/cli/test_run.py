import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pyte
import pytest

from tests.cli.conftest import DEFINITIONS, MakeProject, Project


def test_a_run_ends_with_a_table_of_its_assets(project: Project) -> None:
    answer = project("run", "collection")
    assert answer.exit_code == 0
    assert "✓ objects 10 rows" in answer.output
    assert "! check titles_are_long" in answer.output
    assert "✓ check titles_are_there" in answer.output
    assert "! titles_in_general" in answer.output
    assert "tables/objects.parquet" in answer.output
    assert f"below {project.folder / project.module}" in answer.output
    assert "! One title is odd." in answer.output
    assert "! check titles_are_long of titles: 3 titles are short." in answer.output
    assert "collection: done, 3 assets in" in answer.output


def test_the_second_run_says_what_changed(project: Project) -> None:
    project("run", "collection")
    project.set(rows=11)
    changes = {
        each["asset"]: each["change"]
        for each in project("run", "collection", "--json").json["assets"]
    }
    assert changes == {"objects": "+1 -0", "titles": "+1", "documents": ""}


def test_json_is_for_machines(project: Project) -> None:
    report = project("run", "collection", "--json").json
    assert report["is_success"] is True
    assert report["failures"] == []
    assert report["assets"][0] == {
        "asset": "objects",
        "rows": 10,
        "change": "first",
        "seconds": report["assets"][0]["seconds"],
        "warnings": [],
        "path": str(project.folder / project.module / "tables" / "objects.parquet"),
    }
    assert [each["check"] for each in report["checks"]] == ["are_many", "titles_are_long"]
    assert report["checks"][1:] == [
        {
            "check": "titles_are_long",
            "asset": "titles",
            "is_blocking": False,
            "reason": "3 titles are short.",
        }
    ]


def test_a_refusal_says_the_reason_first_and_leaves_1(project: Project) -> None:
    project("run", "collection")
    project.set(rows=2)
    answer = project("run", "collection")
    assert answer.exit_code == 1
    assert "✗ objects\n'objects' lost too much since the published version." in answer.output
    assert "Traceback" not in answer.output
    assert "not run: " in answer.output
    assert "collection: failed, 0 assets" in answer.output


def test_allow_drop_lets_one_run_pass(project: Project) -> None:
    project("run", "collection")
    project.set(rows=2)
    answer = project(
        "run",
        "collection",
        "--allow-drop",
        "objects",
        "--allow-drop",
        "titles",
        "--allow-drop",
        "documents",
    )
    assert answer.exit_code == 0
    assert "! 'objects': Rows fell from 10 to 2 (-80%)." in answer.output


def test_an_error_shows_its_own_words(project: Project) -> None:
    project.set(error="The database is away.")
    answer = project("run", "patient")
    assert answer.exit_code == 1
    assert "↻ objects waits to be tried again" in answer.output
    assert "ValueError: The database is away." in answer.output
    assert "Traceback" not in answer.output


def test_verbose_shows_the_trace_and_dagsters_log(project: Project) -> None:
    project.set(boom="No.")
    answer = project("run", "collection", "--verbose")
    assert answer.exit_code == 1
    assert "Failure: No." in answer.output
    assert "Stack Trace" in answer.output


def test_failures_are_in_the_json_without_their_trace(project: Project) -> None:
    project.set(boom="No.")
    report = project("run", "collection", "--json").json
    assert report["failures"] == [{"step": "objects", "reason": "No."}]
    assert sorted(report["not_run"]) == [
        "check titles_are_long",
        "check titles_are_there",
        "documents",
        "titles",
        "titles_in_general",
    ]


def test_a_partition_is_run_by_name(project: Project) -> None:
    assert "loans/a" in project("run", "lending", "--partition", "a").output
    visits = project("run", "visiting", "--partition", "north|2025", "--json").json["assets"]
    assert visits[0]["path"].endswith("visits/north/2025.parquet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nope"], "There is no job 'nope'. Jobs of this project: 'collection', 'lending'"),
        (
            ["run", "lending"],
            "Job 'lending' runs one partition at a time. Name it with --partition",
        ),
        (["run", "lending", "--partition", "z"], "Could not find a partition with key `z`"),
        (["run", "collection", "--allow-drop", "nope"], "There is no asset 'nope'. Assets of this"),
    ],
)
def test_what_cannot_start_leaves_2(project: Project, arguments: list[str], message: str) -> None:
    answer = project(*arguments)
    assert answer.exit_code == 2
    assert message in answer.errors.replace("\n", " ")
    assert answer.output == ""


def test_what_cannot_start_is_json_too(project: Project) -> None:
    answer = project("run", "nope", "--json")
    assert answer.exit_code == 2
    assert answer.json["error"].startswith("There is no job 'nope'.")


def test_history_is_kept_in_the_project_without_telemetry(project: Project) -> None:
    project("run", "lending", "--partition", "a")
    home = project.folder / ".dagster"
    assert "enabled: false" in (home / "dagster.yaml").read_text()
    assert (home / "history").is_dir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    project("run", "lending", "--partition", "a")
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


def test_dagster_home_is_respected(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    project("run", "lending", "--partition", "a")
    assert (home / "history").is_dir()
    assert not (project.folder / ".dagster").exists()


def test_a_file_of_variables_is_read(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOW_MANY", raising=False)
    monkeypatch.setenv("UNRELATED", "1")
    definitions = DEFINITIONS.replace(
        '.get("rows", 10)', '.get("rows", int(os.environ["HOW_MANY"]))'
    )
    project = make_project("import os\n" + definitions, **{".env": "HOW_MANY=3\n"})
    assert "✓ objects 3 rows" in project("run", "collection").output
    monkeypatch.delenv("HOW_MANY")


def test_a_job_keeps_its_own_configuration(make_project: MakeProject) -> None:
    project = make_project(
        """
import dagster as dg
import polars as pl
from collectionflow import ParquetIOManager

class Count(dg.Config):
    rows: int

@dg.asset
def plain(config: Count) -> None:
    assert config.rows == 3

@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a"]))
def parted(config: Count) -> None:
    assert config.rows == 4

@dg.static_partitioned_config(["a"])
def by_partition(key: str):
    return {"ops": {"parted": {"config": {"rows": 4}}}}

defs = dg.Definitions(
    assets=[plain, parted],
    jobs=[
        dg.define_asset_job("set", ["plain"], config={"ops": {"plain": {"config": {"rows": 3}}}}),
        dg.define_asset_job("by_key", ["parted"], config=by_partition),
    ],
)
"""
    )
    assert project("run", "set").exit_code == 0
    assert project("run", "by_key", "--partition", "a").exit_code == 0


def test_definitions_may_be_a_function(make_project: MakeProject) -> None:
    project = make_project(
        """
import dagster as dg

@dg.asset
def one() -> None: ...

@dg.definitions
def defs():
    return dg.Definitions(assets=[one], jobs=[dg.define_asset_job("all")])
"""
    )
    assert project("run", "all").exit_code == 0


@pytest.mark.parametrize(
    ("definitions", "files", "message"),
    [
        ("x = 1", {}, "holds no dg.Definitions"),
        ("", {"pyproject.toml": "[project]\n"}, "No pyproject.toml with [tool.dg.project]"),
        (
            "",
            {"pyproject.toml": '[tool.dg.project]\nroot_module = "project_nowhere"\n'},
            "Module 'project_nowhere.definitions' is not in",
        ),
    ],
)
def test_a_folder_that_is_no_project_is_told(
    make_project: MakeProject, definitions: str, files: dict[str, str], message: str
) -> None:
    answer = make_project(definitions, **files)("run", "all")
    assert answer.exit_code == 2
    assert message in answer.errors.replace("\n", " ")


def test_a_module_that_is_missing_inside_the_project_is_its_own_error(
    make_project: MakeProject,
) -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        make_project("import nowhere_at_all")("run", "all")


def test_on_a_terminal_each_line_is_there_once(project: Project) -> None:
    lines = _on_a_terminal(project, "run", "collection")
    table = next(number for number, line in enumerate(lines) if line.startswith("┏"))
    progress = [line.split() for line in lines[:table]]
    assert [words[:3] for words in progress if words[2].isdigit()] == [
        ["✓", "objects", "10"],
        ["✓", "documents", "10"],
        ["✓", "titles", "10"],
    ]
    assert sorted(words[:3] for words in progress if words[1] == "check") == [
        ["!", "check", "titles_are_long"],
        ["✓", "check", "titles_are_there"],
    ]


def test_on_a_terminal_a_retry_and_a_failure_are_marked(project: Project) -> None:
    project.set(error="The database is away.")
    lines = _on_a_terminal(project, "run", "patient")
    assert lines[0].split()[:2] == ["✗", "objects"]
    assert "waits to be tried again" not in "".join(lines)


def _on_a_terminal(project: Project, *arguments: str) -> list[str]:
    """Run the installed command on a pseudo-terminal and return the lines that are left on it."""
    command = Path(sys.executable).with_name("collectionflow")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (60, 100))
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [str(command), *arguments, "--project", str(project.folder)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    output = b""
    while True:
        try:
            chunk = os.read(ours, 1 << 16)
        except OSError:  # The other end is closed.
            break
        if not chunk:
            break
        output += chunk
    process.wait()
    os.close(ours)
    screen = pyte.Screen(100, 60)
    pyte.ByteStream(screen).feed(output)
    return [line.rstrip() for line in screen.display]
