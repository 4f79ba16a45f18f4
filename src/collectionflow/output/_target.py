"""The contract of every target: publish a frame whole or not at all, and never read it back."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NoReturn

import dagster as dg
import polars as pl

from collectionflow.contract import contract_of
from collectionflow.errors import Refused, StopRun
from collectionflow.frame import schema_of
from collectionflow.markdown import bullet_list, markdown_table
from collectionflow.metadata import preview
from collectionflow.notes import notes_of
from collectionflow.progress import counted
from collectionflow.storage.gate import breaches, measure


class Target(dg.ConfigurableIOManager, ABC):
    """An IO manager that publishes an output asset's frame outside the pipeline.

    A contract in the asset's signature is checked before anything is written.
    """

    @abstractmethod
    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        """Publish `frame` under `name` in one step and return metadata about it."""

    def handle_output(self, context: dg.OutputContext, obj: pl.LazyFrame | pl.DataFrame) -> None:
        """Check a frame against its contract, publish it and tell Dagster about it."""
        started = time.monotonic()
        name = context.asset_key.path[-1]
        frame = _conforming(context, name, obj.lazy())
        rows = 0

        def keep_count(_table: str, count: int) -> None:
            nonlocal rows
            rows = count

        published = self.publish(name, counted(frame, name, context.log.info, keep_count))
        notes = notes_of(context.step_context)
        metadata: dict[str, Any] = {
            "dagster/row_count": rows,
            "seconds": round(time.monotonic() - started, 3),
            "preview": dg.MetadataValue.md(preview(frame)),
            **published,
            **notes.metadata,
        }
        if notes.warnings:
            metadata["warnings"] = dg.MetadataValue.md(bullet_list(notes.warnings))
        context.add_output_metadata(metadata)

    def load_input(self, context: dg.InputContext) -> NoReturn:
        """Refuse: what is published outside is not the pipeline's to read."""
        message = (
            f"'{context.asset_key.to_user_string()}' is published by a target, which does not read "
            "back. Take the asset that it was made from, or declare the dependency with deps=[...]."
        )
        raise StopRun(message)


def _conforming(context: dg.OutputContext, name: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    schema = schema_of(context.dagster_type.typing_type)
    if schema is None:
        return frame
    contract = contract_of(schema)
    present = frame.collect_schema()
    problems = contract.wrong_types(present)
    if missing := contract.missing(present):
        problems.insert(0, f"Columns missing: {', '.join(missing)}.")
    if not problems:
        frame = contract.select(frame)
        stopping, _ = breaches(frame, measure(frame, contract.rules), contract)
        problems = [f"{each}\n\n{markdown_table(each.examples)}\n" for each in stopping]
    if problems:
        message = (
            f"'{name}' breaks its contract {contract.name}. What was published stays.\n"
            f"{bullet_list(problems)}"
        )
        raise Refused(message)
    return frame
