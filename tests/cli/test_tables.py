import pytest

from tests.cli.conftest import Project


@pytest.fixture
def twice(project: Project) -> Project:
    """Return a project that has stored its tables twice, with a change between."""
    project("run", "collection")
    project.set(rows=11, title="Bust {}")
    assert project("run", "collection").exit_code == 0
    return project


def test_inspect_shows_columns_sample_and_versions(twice: Project) -> None:
    output = twice("inspect", "titles").output
    assert "titles  11 rows" in output
    assert "├── title  String  100.0%" in output
    assert "└── person  struct  100.0%" in output
    assert "    └── names  list of String" in output
    assert "Bust 0" in output
    assert "published" in output


def test_inspect_answers_machines(twice: Project) -> None:
    answer = twice("inspect", "objects", "--json").json
    assert answer["rows"] == 11
    assert answer["columns"][0] == {"name": "object_id", "type": "Int64", "filled": 1.0}
    assert answer["sample"][0] == {"object_id": 0, "title": "Bust 0", "terms": ["chalk"]}
    assert [each["published"] for each in answer["versions"]] == [True, False]


def test_inspect_shows_a_partition(project: Project) -> None:
    project("run", "lending", "--partition", "a")
    project("run", "visiting", "--partition", "north|2025")
    assert "loans/a  2 rows" in project("inspect", "loans", "--partition", "a").output
    assert "1 rows" in project("inspect", "visits", "--partition", "north|2025").output


def test_inspect_shows_the_harvests_newest_first(project: Project) -> None:
    project("run", "numbers")
    project.set(missing=True)
    project("run", "numbers")
    shown = project("inspect", "harvested").output.partition("Harvests, newest first")[2]
    newest, oldest = [line for line in shown.splitlines() if line.startswith("│")]
    assert "failed" in newest
    assert "The last harvest failed: There is no table 'objects'." in shown
    assert "3 of 3" in oldest
    assert "all" in oldest


def test_inspect_shows_the_windows_that_are_missing(project: Project) -> None:
    for day in ("01", "03"):
        project.set(window=[f"2026-01-{day}", f"2026-01-{day}T23:59:59"])
        project("run", "numbers")
    output = project("inspect", "harvested").output
    assert "2026-01-03 to 2026-01-03T23:59:59" in output
    assert "No published harvest covers 2026-01-01T23:59:59 to 2026-01-03." in output
    answer = project("inspect", "harvested", "--json").json
    assert [each["received"] for each in answer["harvests"]] == [3, 3]
    assert answer["gaps"] == [{"since": "2026-01-01T23:59:59", "until": "2026-01-03"}]


def test_inspect_tells_why_a_table_was_never_published(project: Project) -> None:
    project.set(missing=True)
    project("run", "numbers")
    errors = project("inspect", "harvested").errors.replace("\n", " ")
    assert "The last harvest failed: There is no table 'objects'." in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "nope"], "There is no asset 'nope'."),
        (["inspect", "objects"], "'objects' is not published yet. Run a job that materializes it."),
        (["inspect", "documents"], "'documents' is not stored by a ParquetIOManager"),
        (["inspect", "loans"], "'loans' has partitions. Name one with --partition."),
        (["inspect", "objects", "--partition", "a"], "'objects' has no partitions."),
        (["diff", "objects"], "'objects' has no two versions to compare."),
        (["rollback", "objects"], "'objects' has no version older than the published one."),
    ],
)
def test_what_is_not_there_is_told(project: Project, arguments: list[str], message: str) -> None:
    answer = project(*arguments)
    assert answer.exit_code == 2
    assert message in answer.errors.replace("\n", " ")


def test_diff_shows_what_changed_by_key_and_column(twice: Project) -> None:
    output = twice("diff", "objects").output
    assert "10 → 11 rows: 1 added, 0 removed, 10 changed" in output
    assert "Portrait 0" in output
    assert "Added, the first" in output


def test_diff_answers_machines(twice: Project) -> None:
    answer = twice("diff", "objects", "--json").json
    assert (answer["added"], answer["removed"], answer["changed"]) == (1, 0, 10)
    assert answer["changed_by_column"] == {"title": 10}
    assert answer["examples"]["changed"][0] == {
        "object_id": 0,
        "column": "title",
        "before": "Portrait 0",
        "after": "Bust 0",
    }


def test_diff_takes_a_key_where_the_contract_has_none(twice: Project) -> None:
    assert "the contract names none" in twice("diff", "titles").errors.replace("\n", " ")
    answer = twice("diff", "titles", "--key", "title", "--json").json
    assert (answer["added"], answer["removed"]) == (11, 10)


def test_diff_compares_any_two_versions(twice: Project) -> None:
    newer, older = (
        each["version"] for each in twice("inspect", "objects", "--json").json["versions"]
    )
    backwards = twice("diff", "objects", "--from", newer, "--to", older, "--json").json
    assert (backwards["added"], backwards["removed"]) == (0, 1)
    answer = twice("diff", "objects", "--to", older)
    assert f"No version is older than '{older}'." in answer.errors.replace("\n", " ")


def test_diff_tells_new_and_lost_columns(twice: Project) -> None:
    source = twice.folder / twice.module / "definitions.py"
    changed = source.read_text().replace('select("title", person', 'select(heading="title", person')
    source.write_text(changed)
    import sys

    for name in [each for each in sys.modules if each.startswith(twice.module)]:
        del sys.modules[name]
    assert twice("run", "collection").exit_code == 0
    answer = twice("diff", "titles", "--key", "person").output
    assert "Columns added: heading" in answer
    assert "Columns removed: title" in answer


def test_rollback_publishes_the_version_before_and_tells_dagster(twice: Project) -> None:
    newer, older = (
        each["version"] for each in twice("inspect", "objects", "--json").json["versions"]
    )
    output = twice("rollback", "objects").output
    assert f"objects: version {older}" in output
    assert twice("inspect", "objects", "--json").json["rows"] == 10
    assert twice("rollback", "objects", "--to", newer, "--json").json == {
        "asset": "objects",
        "version": newer,
    }
    assert twice("inspect", "objects", "--json").json["rows"] == 11
