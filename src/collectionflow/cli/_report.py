"""What a run did: a table for people, the same as JSON for machines."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from collectionflow.cli._screen import console
from collectionflow.cli._steps import step_names


@dataclass(frozen=True, kw_only=True)
class AssetReport:
    """One materialized asset; `change` is None for the first version."""

    asset: str
    rows: int | None
    change: str
    seconds: float | None
    warnings: tuple[str, ...]
    path: str


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """One asset check that did not pass."""

    check: str
    asset: str
    is_blocking: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class FailureReport:
    """One step that failed: the reason for people, the trace for developers."""

    step: str
    reason: str
    trace: str


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """All that there is to tell of one run."""

    job: str
    run_id: str
    is_success: bool
    seconds: float
    assets: tuple[AssetReport, ...]
    checks: tuple[CheckReport, ...]
    failures: tuple[FailureReport, ...]
    not_run: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report for a machine, without traces."""
        report = asdict(self)
        report["failures"] = [{"step": each.step, "reason": each.reason} for each in self.failures]
        return report


def report_of(
    job: dg.JobDefinition, result: dg.ExecuteInProcessResult, *, seconds: float
) -> RunReport:
    """Gather a report from the events of a run."""
    names = step_names(job)
    ended = {
        event.step_key
        for event in result.all_events
        if event.is_step_success or event.is_step_failure
    }
    return RunReport(
        job=job.name,
        run_id=result.run_id,
        is_success=result.success,
        seconds=round(seconds, 3),
        assets=tuple(_assets(result)),
        checks=tuple(_checks(result)),
        failures=tuple(_failures(result, names)),
        not_run=tuple(name for key, name in names.items() if key not in ended),
    )


def print_report(report: RunReport, *, is_verbose: bool) -> None:
    """Print reasons first, then the table of assets, warnings and checks."""
    for failure in report.failures:
        console.print(f"[bold red]✗ {escape(failure.step)}[/bold red]")
        console.print(Text(failure.reason), soft_wrap=True)
        if is_verbose:
            console.print(Text(failure.trace, style="dim"), soft_wrap=True)
    if report.assets:
        folder = _common_folder([each.path for each in report.assets if each.path])
        console.print(_table(report.assets, folder))
        if folder:
            console.print(Text(f"below {folder}", style="dim"), soft_wrap=True)
    for asset in report.assets:
        for warning in asset.warnings:
            console.print(Text(f"! {warning}", style="yellow"), soft_wrap=True)
    for check in report.checks:
        mark, style = ("✗", "red") if check.is_blocking else ("!", "yellow")
        text = f"{mark} check {check.check} of {check.asset}: {check.reason}"
        console.print(Text(text, style=style), soft_wrap=True)
    if report.not_run:
        console.print(Text(f"not run: {', '.join(report.not_run)}", style="dim"), soft_wrap=True)
    outcome = (
        "[bold green]done[/bold green]" if report.is_success else "[bold red]failed[/bold red]"
    )
    count = len(report.assets)
    console.print(
        f"{escape(report.job)}: {outcome}, {count} asset{'' if count == 1 else 's'} in "
        f"{report.seconds:.1f} s"
    )


def _table(assets: tuple[AssetReport, ...], folder: str) -> Table:
    table = Table()
    for name in ("asset", "rows", "change", "seconds", "warnings", "where it lies"):
        justify = "right" if name in {"rows", "change", "seconds", "warnings"} else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis")
    for each in assets:
        table.add_row(
            escape(each.asset),
            "" if each.rows is None else f"{each.rows:,}",
            each.change,
            "" if each.seconds is None else f"{each.seconds:.2f}",
            str(len(each.warnings) or ""),
            escape(os.path.relpath(each.path, folder) if folder and each.path else each.path),
        )
    # A narrow terminal cuts the file's name, which is the asset's own, and nothing else.
    for column in table.columns[:-1]:
        column.min_width = max(len(str(cell)) for cell in (column.header, *column.cells))
    return table


def _common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all paths lie below, nothing where some are in an object store."""
    if not paths or any("://" in path for path in paths):
        return ""
    return os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120


def _assets(result: dg.ExecuteInProcessResult) -> Iterator[AssetReport]:
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        metadata: dict[str, Any] = {
            name: value.value for name, value in materialization.metadata.items()
        }
        partition = f"/{materialization.partition}" if materialization.partition else ""
        yield AssetReport(
            asset=materialization.asset_key.to_user_string() + partition,
            rows=metadata.get("dagster/row_count", metadata.get("dagster/partition_row_count")),
            change=_change(metadata),
            seconds=metadata.get("seconds"),
            warnings=tuple(
                line.removeprefix("- ") for line in metadata.get("warnings", "").splitlines()
            ),
            path=str(metadata.get("path", "")),
        )


def _change(metadata: Mapping[str, Any]) -> str:
    if "rows_added" in metadata:
        return f"+{metadata['rows_added']:,} -{metadata['rows_removed']:,}"
    if "rows_before" in metadata:
        rows = metadata.get("dagster/row_count", metadata.get("dagster/partition_row_count"))
        return f"{rows - metadata['rows_before']:+,}"
    return "first" if "version" in metadata else ""


def _checks(result: dg.ExecuteInProcessResult) -> Iterator[CheckReport]:
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed:
            yield CheckReport(
                check=evaluation.check_name,
                asset=evaluation.asset_key.to_user_string(),
                is_blocking=bool(evaluation.blocking),
                reason=evaluation.description or "did not pass",
            )


def _failures(
    result: dg.ExecuteInProcessResult, names: Mapping[str, str]
) -> Iterator[FailureReport]:
    for event in result.all_events:
        if event.is_step_failure and event.step_key:
            data = event.step_failure_data
            yield FailureReport(
                step=names.get(event.step_key, event.step_key),
                reason=_reason(data),
                trace=data.error.to_string() if data.error else "",
            )


def _reason(data: Any) -> str:
    """Return what went wrong, not where: the description, or the message of the first cause."""
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "failed without a message"
