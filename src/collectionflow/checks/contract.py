"""The checks that a contract in an asset's signature asks for by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import dagster as dg

from collectionflow.checks._check import Check, Finding, Options, allowed, make_check
from collectionflow.checks._look import Look
from collectionflow.contract import Contract, Rule


def contract_checks(asset: dg.AssetKey, contract: Contract) -> Iterator[Check]:
    """Yield checks for the columns, unexpected columns, required cells, and each other rule.

    What stops a publication blocks, what only warns there is a warning here.
    """
    yield make_check(
        asset,
        partial(_columns, contract=contract),
        Options(blocking=True),
        name="columns",
        description=f"The table has the columns of {contract.name}, in their types.",
    )
    if contract.extras != "drop":
        yield make_check(
            asset,
            partial(_unexpected_columns, contract=contract),
            Options(blocking=contract.extras == "stop"),
            name="unexpected_columns",
            description=f"The source has no columns that {contract.name} does not name.",
        )
    if filled := [rule for rule in contract.rules if rule.kind == "filled"]:
        yield make_check(
            asset,
            partial(_rules, contract=contract, rules=filled),
            Options(blocking=True),
            name="filled",
            description=f"Every row has {', '.join(rule.columns[0] for rule in filled)}.",
            rules=filled,
        )
    for rule in contract.rules:
        if rule.kind != "filled":
            yield make_check(
                asset,
                partial(_rules, contract=contract, rules=[rule]),
                Options(blocking=not rule.is_warning),
                name=rule.identifier,
                description=rule.description or f"{rule.name[0].upper()}{rule.name[1:]}.",
                rules=[rule],
            )


def _columns(look: Look, contract: Contract) -> Finding:
    present = look.frame.collect_schema()
    problems = [f"Column '{name}' is missing." for name in contract.missing(present)]
    problems += contract.wrong_types(present)
    return Finding(
        passed=not problems,
        sentence=" ".join(problems) or f"All columns of {contract.name} are there.",
        counts={"columns": len(present), "failing": len(problems)},
    )


def _unexpected_columns(look: Look, contract: Contract) -> Finding:
    # A harvest leaves behind what the contract does not name, so the source's own columns count.
    columns = dict.fromkeys((*look.source_columns, *look.frame.collect_schema()))
    unexpected = contract.unexpected(columns)
    where = "source" if look.source_columns else "table"
    names = ", ".join(f"'{name}'" for name in unexpected)
    sentence = f"The {where} has no other columns."
    if unexpected:
        sentence = f"The {where} has columns that {contract.name} does not name: {names}."
    return Finding(
        passed=not unexpected,
        sentence=sentence,
        counts={"columns": len(columns), "failing": len(unexpected)},
    )


def _rules(look: Look, contract: Contract, rules: Sequence[Rule]) -> Finding:
    """Return the finding about one rule, or of the one that most rows break."""
    present = look.frame.collect_schema()
    columns = [name for rule in rules for name in rule.columns]
    if absent := [name for name in columns if name not in present and name in contract.required]:
        return Finding(passed=False, sentence=f"There is no column '{absent[0]}' to look at.")
    broken = [breach for rule in rules if (breach := look.breach(rule))]
    if not broken:
        return allowed(0, look.rows, 0.0, "", None)
    worst = max(broken, key=lambda breach: breach.count)
    found = allowed(worst.count, worst.rows, 0.0, worst.rule, worst.examples)
    others = " ".join(str(each) for each in broken if each is not worst)
    return replace(found, sentence=f"{found.sentence} {others}".strip())
