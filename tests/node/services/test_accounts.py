from datetime import UTC, datetime

from node.services.accounts import account_of, delivery_account, rule_account
from rules.decisions import decide
from rules.facts import Facts
from rules.reading import read
from rules.trace import explain
from storage.records.deliveries import Attempt, Committed, Delivery, DeliveryState
from storage.records.rulings import Revision, Role, Ruling

AT = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
TEXT = """
[[rule]]
name = "late"
when = 'time.hour == 1 and Modality == "CT"'
then = [{ action = "route", to = ["PACS", "BACK"] }]

[[rule]]
name = "unknown"
when = "Rows > 5"
unknown = "skip"
then = [{ action = "tag", label = "x" }]

[[rule]]
name = "no"
when = 'Modality == "MR"'
then = [{ action = "tag", label = "x" }]
"""
RULES = read(TEXT).ruleset()
REVISION = Revision(3, RULES.digest, TEXT, RULES.plain(), "ann", "", None, "", AT)
FACTS = Facts({"Modality": "CT", "origin.way": "dimse", "origin.calling_ae": "BACK_AE"})
TITLES = {"PACS": "PACS_AE", "BACK": "BACK_AE"}


def ruling(**changed) -> Ruling:
    local = AT.astimezone(datetime.strptime("+0200", "%z").tzinfo)
    decided = decide(RULES, FACTS, local, "instance", TITLES)
    outcomes = [each.plain() for each in decided.decisions if each.outcome != "not fired"]
    values = {"seen": decided.seen(), "outcomes": outcomes} | changed
    return Ruling("instance", 7, Role.ACTIVE, 3, AT, 120, **values)


def test_a_decision_is_told_by_the_clock_on_the_wall_of_its_moment():
    account = account_of(ruling(), "1.2", REVISION, TITLES)
    assert (account.uid, account.author, account.problem) == ("1.2", "ann", "")
    assert account.at.isoformat() == "2026-03-02T01:30:00+02:00"
    late, unknown, no = account.rules
    assert (late.outcome, unknown.outcome, no.outcome) == ("fired", "unknown", "not fired")
    assert late.trace is not None
    assert [part["values"] for part in late.trace["parts"]] == [{"time.hour": 1}, {"Modality": "CT"}]
    assert [action["to"] for action in late.actions] == [["PACS"]]
    assert [dropped["peer"] for dropped in late.dropped] == ["BACK"]
    assert (unknown.reason, unknown.actions) == ("Rows is missing", ())
    assert no.when == 'Modality == "MR"'
    assert {rule.doubt for rule in account.rules} == {""}


def test_what_was_recorded_stands_when_it_cannot_be_worked_out_again():
    gone = account_of(ruling(), "1.2", None, TITLES)
    assert "cannot be worked out again" in gone.problem
    assert [(rule.rule, rule.outcome, rule.trace) for rule in gone.rules] == [
        ("late", "fired", None),
        ("unknown", "unknown", None),
    ]
    odd = Revision(3, "", "", {"format": 0}, "ann", "", None, "", AT)
    assert account_of(ruling(), "1.2", odd, TITLES).problem != ""


def test_a_disagreement_is_said():
    seen = {**ruling().seen, "Modality": "MR"}
    late, _, no = account_of(ruling(seen=seen), "1.2", REVISION, TITLES).rules
    assert late.outcome == "fired"
    assert late.doubt.startswith("worked out again it is not fired")
    assert no.doubt.startswith("worked out again it is fired")


def test_a_decision_that_was_only_tried_has_no_doubt():
    data = explain(RULES, FACTS, AT, "instance", TITLES)
    accounts = [rule_account(each) for each in data["decisions"]]
    assert [each.outcome for each in accounts] == ["not fired", "unknown", "not fired"]
    assert all(each.trace is not None and not each.doubt for each in accounts)


def test_the_last_attempt_comes_after_the_earlier_ones():
    def delivery(ended_at: datetime | None) -> Delivery:
        words = (2, 1, "w", ended_at, 0xA700, "full", "", "digest", Committed.NOT_ASKED)
        return Delivery(1, 7, "1.2", "PACS", DeliveryState.WAITING, 50, None, AT, ("r",), "", None, *words)

    first = Attempt(1, "waiting", AT, None, "no answer", "", "w")
    assert delivery_account(delivery(None), [first]).attempts == [first]
    last = delivery_account(delivery(AT), [first]).attempts[-1]
    assert (last.number, last.state, last.status, last.words) == (2, "waiting", 0xA700, "full")
