"""The table that the running asset writes: its published version is where a harvest goes on."""

import dagster as dg
from dagster._core.execution.plan.outputs import StepOutputHandle

from collectionflow.storage.parquet import ParquetIOManager
from collectionflow.storage.versions import StoredTable


def current_table() -> StoredTable | None:
    """Return the stored table of the asset that is running, None where there is no such table.

    There is none outside of a run, for an asset on another IO manager, and for an asset that
    materializes several tables or partitions at once.

    Examples:
        >>> from collectionflow.storage.current import current_table
        >>> current_table() is None
        True
    """
    try:
        context = dg.AssetExecutionContext.get().get_step_execution_context()
    except dg.DagsterInvariantViolationError:
        return None
    outputs = context.step.step_outputs
    if len(outputs) != 1:
        return None
    handle = StepOutputHandle(context.step.key, outputs[0].name)
    manager = context.get_io_manager(handle)
    if not isinstance(manager, ParquetIOManager):
        return None
    return manager.table_of(context.get_output_context(handle))
