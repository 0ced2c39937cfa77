"""What is told of a decision and of a delivery: what was kept, and each part of a condition worked out again.

What was decided stands as it was recorded. The trace is worked out from the values that were seen, the
revision and the node's clock on the wall at that moment; should the two disagree, the account says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from rules.decisions import Outcome
from rules.facts import Facts
from rules.problems import BadRules
from rules.ruleset import RuleSet
from rules.trace import explain
from storage.records.deliveries import Attempt, Delivery
from storage.records.rulings import Revision, Ruling

_DIFFERS = "worked out again it is {}: this program reads the rule otherwise than the one that decided"


@dataclass(frozen=True, slots=True)
class RuleAccount:
    """What one rule came to.

    Attributes
    ----------
    outcome
        As recorded, a value of `rules.decisions.Outcome`.
    when
        Its condition; empty when it cannot be read any more.
    trace
        As `rules.trace.trace` returns it; None for a rule that was stopped or not asked.
    actions, dropped
        What it asked for, and what of that would have gone back to where it came from.
    doubt
        Why the trace may not be that of the decision; empty: it is.
    """

    rule: str
    outcome: str
    reason: str = ""
    when: str = ""
    trace: Mapping[str, Any] | None = None
    actions: Sequence[Mapping[str, Any]] = ()
    dropped: Sequence[Mapping[str, Any]] = ()
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class RulingAccount:
    """What a revision decided about one instance, series or study.

    Attributes
    ----------
    uid
        Of what was decided on.
    at
        By the node's clock on the wall.
    author
        Of the revision.
    stale_at
        When what came later made it out of date; None: it stands.
    problem
        Why the conditions cannot be worked out again.
    """

    level: str
    uid: str
    role: str
    revision: int
    author: str
    at: datetime
    stale_at: datetime | None
    rules: list[RuleAccount]
    problem: str = ""


def account_of(
    ruling: Ruling, uid: str, revision: Revision | None, titles: Mapping[str, str]
) -> RulingAccount:
    """Return the account of a decision.

    Parameters
    ----------
    titles
        AE title of each peer by its name.
    """
    local = ruling.at.astimezone(timezone(timedelta(minutes=ruling.local)))
    recorded = {str(outcome["rule"]): outcome for outcome in ruling.outcomes}
    explained: Mapping[str, Any] = {}
    problem = ""
    try:
        ruleset = RuleSet.from_plain(revision.plain if revision else {})
        explained = explain(ruleset, Facts.from_plain(ruling.seen), local, ruling.level, titles)
    except (BadRules, ValueError, TypeError, KeyError) as error:
        problem = f"the conditions cannot be worked out again: {error}"
    rules = [_rule(each, recorded.pop(each["rule"], None)) for each in explained.get("decisions", ())]
    rules += [_recorded(each) for each in recorded.values()]
    return RulingAccount(
        level=ruling.level,
        uid=uid,
        role=str(ruling.role),
        revision=ruling.revision,
        author=revision.author if revision else "",
        at=local,
        stale_at=ruling.stale_at,
        rules=rules,
        problem=problem,
    )


def rule_account(decision: Mapping[str, Any]) -> RuleAccount:
    """Return the account of a decision that was only tried (`rules.trace.explain`)."""
    return _rule(decision, decision)


def _rule(explained: Mapping[str, Any], recorded: Mapping[str, Any] | None) -> RuleAccount:
    """Return what one rule came to; of one that did not fire nothing is recorded."""
    known = recorded or {"rule": explained["rule"], "outcome": str(Outcome.NOT_FIRED)}
    same = (known["outcome"], known.get("reason", "")) == (explained["outcome"], explained.get("reason", ""))
    return RuleAccount(
        rule=known["rule"],
        outcome=known["outcome"],
        reason=known.get("reason", ""),
        when=explained["when"],
        trace=explained.get("trace"),
        actions=known.get("actions", ()),
        dropped=known.get("dropped", ()),
        doubt="" if same else _DIFFERS.format(explained["outcome"]),
    )


def _recorded(outcome: Mapping[str, Any]) -> RuleAccount:
    return RuleAccount(
        rule=outcome["rule"],
        outcome=outcome["outcome"],
        reason=outcome.get("reason", ""),
        actions=outcome.get("actions", ()),
        dropped=outcome.get("dropped", ()),
    )


@dataclass(frozen=True, slots=True)
class DeliveryAccount:
    """One delivery, and every attempt at it.

    Attributes
    ----------
    attempts
        The earlier ones, and the last one as far as it has ended.
    """

    delivery: Delivery
    attempts: list[Attempt] = field(default_factory=list)


def delivery_account(delivery: Delivery, earlier: Sequence[Attempt]) -> DeliveryAccount:
    """Return the account of a delivery.

    Parameters
    ----------
    earlier
        The attempts that are kept beside it.
    """
    attempts = list(earlier)
    if delivery.ended_at is not None:
        last = Attempt(
            number=delivery.attempts,
            state=str(delivery.state),
            ended_at=delivery.ended_at,
            status=delivery.status,
            words=delivery.words,
            digest=delivery.digest,
            worker=delivery.worker,
        )
        attempts.append(last)
    return DeliveryAccount(delivery, attempts)
