"""Why: the decisions again, with every comparison, what it saw and what it came to, as plain data.

A second pass over the same closures as the decision, made only when somebody asks. The two agree, for
`explain` reads the decisions themselves off the row that it has looked at.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rules.decisions import Outcome, answer, fresh_row
from rules.facts import Facts
from rules.program import Row
from rules.ruleset import RuleSet
from rules.shape import Shape
from rules.symbols import On
from rules.unknown import Unknown
from rules.values import shown


def explain(
    ruleset: RuleSet,
    facts: Facts,
    now: datetime,
    on: On | str = On.INSTANCE,
    peers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what `rules.decisions.decide` decides, with a trace, as plain data.

    Returns
    -------
    dict
        As `Decided.plain`, and in each decision ``when``, the condition as text, and ``trace``: a part of
        the condition with ``text``, ``result`` (true, false, None when unknown), ``reason`` when unknown,
        and either ``join`` with ``parts`` or ``values`` by symbol, None where a value is unknown.
        A rule that was stopped or not asked has no trace.
    """
    on = On(on)
    compiled = ruleset.compiled
    row = fresh_row(compiled, facts, now)
    traces = [trace(one.shape, row) for one in compiled.rules[on]]
    decided = answer(ruleset, row, facts, now, on, peers or {})
    data = decided.plain()
    together = zip(compiled.rules[on], decided.decisions, data["decisions"], traces, strict=True)
    for one, decision, plain, found in together:
        plain["when"] = one.rule.when
        if decision.outcome not in (Outcome.STOPPED, Outcome.NOT_ASKED):
            plain["trace"] = found
    return data


def trace(shape: Shape, row: Row) -> dict[str, Any]:
    """Return what one part of a condition came to on a row, with all parts within it."""
    result = row[shape.key]
    data: dict[str, Any] = {"text": shape.text, "result": result if isinstance(result, bool) else None}
    if isinstance(result, Unknown):
        data["reason"] = result.reason
    if shape.join:
        data["join"] = shape.join
        data["parts"] = [trace(part, row) for part in shape.parts]
    else:
        data["values"] = {name: shown(row[key]) for name, key in shape.symbols}
    return data


def lines(data: Mapping[str, Any], indent: str = "") -> list[str]:
    """Return one trace as lines of text for people."""
    word = {True: "true", False: "false", None: "unknown"}[data["result"]]
    if "parts" in data:
        found = [f"{indent}{word:<8}{data['join']}"]
        for part in data["parts"]:
            found += lines(part, indent + "  ")
        return found
    saw = ", ".join(f"{name} is {value!r}" for name, value in data["values"].items() if value is not None)
    why = data.get("reason", "")
    return [f"{indent}{word:<8}{data['text']}" + "".join(f"  ({part})" for part in (saw, why) if part)]
