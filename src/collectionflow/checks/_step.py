"""One step of a run that makes checks of a table, and never fails but by what they found."""

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from collectionflow.checks._check import Check, Finding
from collectionflow.checks._look import Look
from collectionflow.contract import Contract, contract_of
from collectionflow.errors import CollectionflowError
from collectionflow.frame import schema_of
from collectionflow.storage.published import Published

# Of an address, the part before an @ and the query may hold secrets; so may what is named so.
_ADDRESS = re.compile(r"(\w+://)(?:[^/\s]*@)?([^\s?#'\"]*)[?#]?[^\s'\"]*")
_NAMES = "passw(?:or)?d|pwd|secret|token|api_?key|access_?key"
_SECRET = re.compile(rf"(?i)(?P<kept>\w*(?:{_NAMES})\w*\s*[=:]\s*)\S+")


def contracts_of(
    asset: dg.AssetsDefinition,
) -> Iterator[tuple[dg.AssetKey, Contract | None]]:
    """Yield the keys of an asset with the contracts in its signature."""
    for key in asset.keys:
        output = asset.node_def.output_dict[asset.get_output_name_for_asset_key(key)]
        schema = schema_of(output.dagster_type.typing_type)
        yield key, contract_of(schema) if schema else None


def checks_step(
    name: str, key: dg.AssetKey, contract: Contract | None, checks: Sequence[Check]
) -> dg.AssetChecksDefinition:
    """Return one step for checks of a table, of which a run may select some."""
    keys = list(dict.fromkeys((key, *(each for check in checks for each in check.reads))))
    names = {each: each.to_python_identifier() for each in keys}

    def run(context: dg.AssetCheckExecutionContext, **tables: Any) -> Iterator[dg.AssetCheckResult]:
        selected = [check for check in checks if _key(check) in context.selected_asset_check_keys]
        rules = [rule for check in selected for rule in check.rules]
        look = Look(key, contract, rules, {each: tables[given] for each, given in names.items()})
        for check in selected:
            yield _result(check, look)

    _take(run, names.values())
    return dg.multi_asset_check(
        name=name,
        specs=[check.spec() for check in checks],
        ins={given: dg.AssetIn(each) for each, given in names.items()},
        can_subset=True,
    )(run)


def _take(function: Any, names: Iterable[str]) -> None:
    """Give a function of any keyword arguments the parameters that Dagster is to pass."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    context = inspect.Parameter("context", kind, annotation=dg.AssetCheckExecutionContext)
    tables = [inspect.Parameter(name, kind, annotation=Published) for name in names]
    function.__signature__ = inspect.Signature([context, *tables])
    function.__annotations__ = {each.name: each.annotation for each in (context, *tables)}


def _result(check: Check, look: Look) -> dg.AssetCheckResult:
    try:
        finding = check.judge(look)
    except Exception as error:  # noqa: BLE001 (whatever a project's own check raises)
        finding = Finding(passed=False, sentence=f"The check could not be made. {_reason(error)}")
    return dg.AssetCheckResult(
        passed=finding.passed,
        asset_key=check.asset,
        check_name=check.name,
        severity=check.severity,
        description=finding.sentence,
        metadata=finding.metadata(),
    )


def _reason(error: Exception) -> str:
    """Return why a check could not be made; what others raise may hold secrets, ours does not."""
    if isinstance(error, CollectionflowError):
        return str(error)
    text = _ADDRESS.sub(r"\1\2", str(error).split("\n", 1)[0])
    return f"{type(error).__name__}: " + _SECRET.sub(r"\g<kept>…", text)


def _key(check: Check) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(check.asset, check.name)
