"""The steps of a job as people call them."""

import dagster as dg


def step_names(job: dg.JobDefinition) -> dict[str, str]:
    """Return by step key what a step makes or checks: an asset's key with slashes, or a check."""
    # Dagster names a check's step after its asset and itself.
    checks = {
        f"{key.asset_key.to_python_identifier()}_{key.name}": f"check {key.name}"
        for key in job.asset_layer.asset_graph.asset_check_keys
    }
    return {name: checks.get(name, name.replace("__", "/")) for name in job.graph.node_names()}
