"""What Dagster shows of the project."""

import dagster as dg
import pytest

from portrait_gallery.definitions import defs
from portrait_gallery.resources import SOURCES, chosen_source

STAGES = ["harvest", "clean", "enrich", "reshape", "output"]


@pytest.fixture
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_assets_belong_to_the_stage_of_their_folder(specs: dict[str, dg.AssetSpec]) -> None:
    groups: dict[str, list[str]] = {stage: [] for stage in STAGES}
    for name, spec in sorted(specs.items()):
        groups[spec.group_name or ""].append(name)
    assert groups == {
        "harvest": [
            "harvested_constituent_terms",
            "harvested_constituents",
            "harvested_images",
            "harvested_links",
            "harvested_objects",
            "harvested_titles",
        ],
        "clean": ["cleaned_constituents", "cleaned_objects"],
        "enrich": ["enriched_objects", "linked_people"],
        "reshape": ["object_documents"],
        "output": ["objects_json", "objects_sitemap"],
    }


def test_every_asset_says_what_it_is_whose_it_is_and_which_code_made_it(
    specs: dict[str, dg.AssetSpec],
) -> None:
    for name, spec in specs.items():
        assert spec.description, name
        assert spec.code_version, name
        assert spec.kinds, name
        assert list(spec.owners) == ["team:collections"], name


def test_outputs_must_be_fresh(specs: dict[str, dg.AssetSpec]) -> None:
    fresh = {name for name, spec in specs.items() if spec.freshness_policy}
    assert fresh == {"objects_json", "objects_sitemap"}


def test_of_what_tables_are_to_each_other_only_what_documents_are_built_on_blocks() -> None:
    steps = {check.node_def.name: check for check in defs.asset_checks or []}
    others = {name: step for name, step in steps.items() if name.endswith(("_others", "_aside"))}
    blocking = [spec for step in others.values() for spec in step.check_specs if spec.blocking]
    assert {spec.name for spec in blocking} == {
        "ObjectID_is_in_harvested_objects",
        "ConstituentID_is_in_harvested_constituents",
    }
    assert {spec.asset_key.to_user_string() for spec in blocking} == {"harvested_links"}


def test_every_table_has_checks_of_its_columns() -> None:
    checked = {
        spec.asset_key.to_user_string()
        for step in defs.asset_checks or []
        for spec in step.check_specs
        if spec.name == "columns"
    }
    stored = {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}
    assert stored - checked == {"objects_json", "objects_sitemap"}


def test_the_job_documents_harvests_nothing() -> None:
    nodes = [node.name for node in defs.resolve_job_def("documents").nodes]
    assert nodes
    assert not [name for name in nodes if name.startswith("harvested")]


def test_the_environment_chooses_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTRAIT_GALLERY_SOURCE", raising=False)
    assert chosen_source() is SOURCES["sample"]
    monkeypatch.setenv("PORTRAIT_GALLERY_SOURCE", "database")
    assert chosen_source() is SOURCES["database"]
    monkeypatch.setenv("PORTRAIT_GALLERY_SOURCE", "staging")
    with pytest.raises(ValueError, match="Expected one of 'sample', 'export', 'database'"):
        chosen_source()
