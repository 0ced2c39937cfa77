from collections import Counter
from datetime import timedelta
from itertools import product

import pytest

from node.core import clock
from node.services.past import Past, Rehearsal
from rules.reading import read
from tests.node.rulings.test_settler import settle
from tests.support.arrivals import rows
from tests.support.ruled import Ruled
from tests.support.samples import ROOT, ct, mr

HOUR = timedelta(hours=1)
CT = """
[[rule]]
name = "CT"
when = 'Modality == "CT"'
then = [{ action = "route", to = "PACS" }]
"""
MANY = """
[[rule]]
name = "serial"
when = 'DeviceSerialNumber == "B60f"'
then = [{ action = "route", to = "PACS" }]

[[rule]]
name = "by night"
on = "series"
when = 'series.instances > 1'
window = { hours = "03:00-03:01", weekdays = ["Monday"] }
then = [{ action = "route", to = ["PACS", "NIGHT"] }]

[[rule]]
name = "studies"
on = "study"
when = '"MR" in study.modalities'
then = [{ action = "hold", reason = "look" }, { action = "route", to = "PACS" }]
"""


def rehearse(ruled: Ruled, draft: str, active: str = "", **span) -> Rehearsal:
    now = clock.now()
    dry = Past(ruled.archive, ruled.blobs, read(draft).ruleset(), read(active).ruleset(), {})
    since, until = span.get("since", now - HOUR), span.get("until", now + HOUR)
    seen: list[int] = []
    done = dry.rehearse(since, until, seen.append)
    assert dry.count(since, until) == done.instances == sum(seen)
    return done


def tables(ruled: Ruled) -> list[int]:
    names = (
        "ruleset",
        "activation",
        "decision",
        "label",
        "hold",
        "settling",
        "delivery",
        "job",
        "audit",
        "event",
    )
    return [rows(ruled.archive, f"SELECT count(*) FROM {name}")[0][0] for name in names]


def test_what_each_rule_would_have_hit_is_counted(ruled: Ruled):
    ruled.send(ct(1, DeviceSerialNumber="B60f"), ct(2), mr(1), ct(1, study=2, DeviceSerialNumber="x"))
    before = tables(ruled)
    done = rehearse(ruled, MANY)
    assert tables(ruled) == before  # nothing was written
    assert (done.instances, done.studies) == (4, 2)
    serial, night, studies = done.rules
    assert (serial.fired.number, serial.fired.instances, serial.fired.studies) == (1, 1, 1)
    assert (serial.unknown.number, serial.unknown.studies) == (2, 1)
    assert serial.reasons == {"DeviceSerialNumber is missing": 2}
    assert (night.on, night.fired.number, night.fired.instances, night.fired.studies) == ("series", 1, 2, 1)
    assert (studies.fired.number, studies.fired.instances, studies.unknown.number) == (1, 3, 0)


def test_what_would_differ_is_told_by_destination(ruled: Ruled):
    ruled.send(ct(1), ct(2), mr(1), ct(1, study=2))
    draft = CT.replace('"PACS"', '"NEW"') + CT.replace('name = "CT"', 'name = "MR"').replace(
        '== "CT"', '== "MR"'
    )
    done = rehearse(ruled, draft, CT)
    told = {(each.what, each.held): (each.new, each.missing) for each in done.changes}
    assert set(told) == {("to NEW", False), ("to PACS", False)}
    new, missing = told["to NEW", False]
    assert (new.number, new.studies, missing.number) == (3, 2, 0)
    new, missing = told["to PACS", False]
    assert (new.number, new.examples) == (1, [f"{ROOT}.1.2.1"])
    assert (missing.number, missing.studies) == (3, 2)
    assert missing.examples == [f"{ROOT}.1.1.1", f"{ROOT}.1.1.2", f"{ROOT}.2.1.1"]
    assert done.differing == 2


def test_the_same_rules_do_not_differ(ruled: Ruled):
    ruled.send(ct(1), mr(1))
    done = rehearse(ruled, "# by another text\n" + MANY, MANY)
    assert (done.differing, done.changes) == (0, [])


def test_a_delivery_that_two_rules_ask_for_is_one(ruled: Ruled):
    ruled.send(ct(1), mr(1))
    study = CT.replace('name = "CT"', 'name = "whole"\non = "study"').replace(
        'Modality == "CT"', "study.instances > 0"
    )
    (change,) = rehearse(ruled, CT + study, CT).changes
    assert (change.what, change.new.number, change.missing.number) == ("to PACS", 1, 0)  # of the MR


def test_only_what_came_in_the_span_counts(ruled: Ruled):
    ruled.send(ct(1), ct(1, study=2))
    middle = clock.now()
    ruled.send(ct(2))
    done = rehearse(ruled, CT, since=middle)
    assert (done.instances, done.studies, done.rules[0].fired.number) == (1, 1, 1)
    done = rehearse(ruled, CT, until=middle)
    assert (done.instances, done.studies, done.rules[0].fired.number) == (2, 2, 2)
    assert rehearse(ruled, CT, since=middle + HOUR, until=middle + 2 * HOUR).studies == 0


@pytest.mark.parametrize("asked", list(product((True, False), repeat=3))[:7])
def test_the_dry_run_of_the_active_rules_is_what_they_did(ruled: Ruled, asked: tuple[bool, ...]):
    """A dry run against no rules says what the ledger says."""
    blocks = ["[[rule]]" + block for block in MANY.split("[[rule]]")[1:]]
    text = "".join(block for block, wanted in zip(blocks, asked, strict=True) if wanted)
    ruled.apply(text)
    for number in (1, 2):
        ruled.send(ct(number, DeviceSerialNumber="B60f"), ct(number + 10), mr(number, study=number))
    settle(ruled)
    ledger = Counter((f"to {each.destination}", str(each.state) == "held") for each in ruled.deliveries())
    told = {
        (each.what, each.held): each.new.number
        for each in rehearse(ruled, text).changes
        if each.action == "deliver"
    }
    assert told == ledger
