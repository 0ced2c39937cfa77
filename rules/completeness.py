"""Whether a series or study has all that a rule requires: then it need not wait to settle.

Example
-------
>>> rule = Rule("MR", "true", (Tag("done"),), On.STUDY, requires=('SeriesDescription =~ "T1.*"',))
>>> complete(RuleSet((rule,)), "MR", [Facts({"SeriesDescription": "T1 ax"})], datetime(2024, 3, 1))
(Requirement(text='SeriesDescription =~ "T1.*"', met=True, reason=''),)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rules.decisions import fresh_row
from rules.facts import Facts
from rules.ruleset import RuleSet
from rules.unknown import Unknown


@dataclass(frozen=True, slots=True)
class Requirement:
    """One series that a rule requires.

    Attributes
    ----------
    met
        True when such a series is there, False when none is, None when it cannot be told; `reason` says
        why then.
    """

    text: str
    met: bool | None
    reason: str = ""


def complete(ruleset: RuleSet, name: str, series: Sequence[Facts], now: datetime) -> tuple[Requirement, ...]:
    """Return what the rule `name` requires, and whether each is among `series`.

    It is complete when all are met; a rule that requires nothing says nothing about completeness.
    """
    compiled = ruleset.compiled
    rows = [fresh_row(compiled, facts, now) for facts in series]
    found: list[Requirement] = []
    for one in (one for rules in compiled.rules.values() for one in rules if one.rule.name == name):
        for text, key in zip(one.rule.requires, one.requires, strict=True):
            results = [row[key] for row in rows]
            unknown = next((result for result in results if isinstance(result, Unknown)), None)
            if any(result is True for result in results):
                found.append(Requirement(text, True))
            elif unknown is None:
                found.append(Requirement(text, False))
            else:
                found.append(Requirement(text, None, unknown.reason))
    return tuple(found)
