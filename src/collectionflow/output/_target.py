"""The contract of every target: publish a frame whole or not at all, and never read it back."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import dagster as dg
import polars as pl

from collectionflow.contract import Contract, contract_of
from collectionflow.errors import ProjectError, Refused, StopRun
from collectionflow.frame import schema_of
from collectionflow.markdown import bullet_list, markdown_table
from collectionflow.metadata import preview
from collectionflow.notes import notes_of
from collectionflow.progress import counted
from collectionflow.storage.drop_guard import ALLOW_TAG, DropGuard, drops, guard_of, is_allowed
from collectionflow.storage.gate import Measurement, breaches, measure

_log = logging.getLogger("collectionflow")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On which terms a frame is published: what its asset and its run say beside it."""

    contract: Contract | None = None
    guard: DropGuard = field(default_factory=DropGuard)
    is_drop_allowed: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warn: Callable[[str], None] = _log.warning
    log: Callable[[str], None] = _log.info


def check_drop(name: str, before: int | None, now: int, terms: Terms) -> None:
    """Compare how many documents are to be published with how many are, None where none are.

    Raises:
        Refused: where the drop guard says no.
    """
    if terms.is_drop_allowed:
        return
    advice = (
        f"If this is meant, let one run pass: run tag '{ALLOW_TAG}' with the asset's name, or "
        "`collectionflow run JOB --allow-drop ASSET`."
    )
    if not now and not terms.guard.allow_empty:
        message = f"'{name}' has no documents. What was published stays.\n{advice}"
        raise Refused(message)
    lost = drops(Measurement(rows=before or 0, filled={}), Measurement(rows=now, filled={}))
    for drop in lost:
        if drop.share >= terms.guard.stop:
            message = f"'{name}' lost too much. What was published stays.\n{drop.text} {advice}"
            raise Refused(message)
        if drop.share >= terms.guard.warn:
            terms.warn(f"'{name}': {drop.text}")


class Target(dg.ConfigurableIOManager, ABC):
    """An IO manager that publishes an output asset's frame outside the pipeline.

    A contract in the asset's signature is checked before anything is written.
    """

    @abstractmethod
    def publish(self, name: str, frame: pl.LazyFrame) -> Mapping[str, Any]:
        """Publish `frame` under `name` in one step and return metadata about it."""

    def publish_on_terms(self, name: str, frame: pl.LazyFrame, terms: Terms) -> Mapping[str, Any]:  # noqa: ARG002 (for those that need them)
        """Publish `frame`, by what its asset and its run say where the target heeds it."""
        return self.publish(name, frame)

    def count(self, name: str) -> int:
        """Return how many documents are published under `name`, read back from where they are."""
        message = f"{type(self).__name__} cannot count what it has published as '{name}'."
        raise StopRun(message)

    def rollback(self, name: str, to: str | None = None) -> str:  # noqa: ARG002 (for those that can)
        """Publish again what was published before, or what `to` names, and return its name.

        Raises:
            ProjectError: where there is nothing to go back to.
        """
        message = (
            f"'{name}' is published by {type(self).__name__}, which keeps nothing earlier. Roll "
            "back the asset that it is made from, and publish it again."
        )
        raise ProjectError(message)

    def handle_output(self, context: dg.OutputContext, obj: pl.LazyFrame | pl.DataFrame) -> None:
        """Check a frame against its contract, publish it and tell Dagster about it."""
        started = time.monotonic()
        name = context.asset_key.path[-1]
        schema = schema_of(context.dagster_type.typing_type)
        contract = contract_of(schema) if schema else None
        notes = notes_of(context.step_context)
        terms = Terms(
            contract=contract,
            guard=guard_of(context.definition_metadata),
            is_drop_allowed=is_allowed(context.step_context.run_tags, name),
            metadata=context.definition_metadata,
            warn=notes.warn,
            log=context.log.info,
        )
        frame = _conforming(name, obj.lazy(), contract)
        rows = 0

        def keep_count(_table: str, count: int) -> None:
            nonlocal rows
            rows = count

        counting = counted(frame, name, context.log.info, keep_count)
        published = self.publish_on_terms(name, counting, terms)
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


def _conforming(name: str, frame: pl.LazyFrame, contract: Contract | None) -> pl.LazyFrame:
    if contract is None:
        return frame
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
