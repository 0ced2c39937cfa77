from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from node.intake.wants import NOTHING, Wants
from node.services.ingest import Claim, Ingest
from rules.facts import needs
from storage.records.arrival import Arrival, Recorded, Verdict
from storage.transaction import Transaction
from tests.support.ingest import ORIGIN, Bench, send
from tests.support.samples import EXPLICIT, ct, encode

THICKNESS = Wants("abc", needs(["SliceThickness", "KVP"]))


@dataclass
class Follower:
    """Keeps what it is told."""

    seen: list[tuple[Arrival, Recorded]] = field(default_factory=list)

    def __call__(self, tx: Transaction, pairs: Sequence[tuple[Arrival, Recorded]]) -> None:
        for arrival, recorded in pairs:
            found = tx.instances.get(arrival.sop_instance_uid)
            assert found is not None  # it is told in the very transaction
            self.seen.append((arrival, recorded))


def ingest(bench: Bench, wants: object, follower: Follower) -> Ingest:
    return Ingest(
        bench.archive, bench.blobs, free_floor=0, max_dataset=1 << 30, wants=wants, follower=follower
    )


def test_what_is_wanted_comes_with_the_arrival(bench: Bench) -> None:
    told = Follower()
    assert send(ingest(bench, lambda: THICKNESS, told), ct()).verdict is Verdict.STORED
    ((arrival, recorded),) = told.seen
    assert (arrival.further, arrival.wanted) == ({"SliceThickness": "1.0"}, "abc")
    assert recorded.place is not None
    assert "SliceThickness" not in arrival.attributes


def test_by_default_nothing_is_wanted(bench: Bench) -> None:
    told = Follower()
    quiet = Ingest(bench.archive, bench.blobs, free_floor=0, max_dataset=1 << 30, follower=told)
    send(quiet, ct())
    assert [(arrival.further, arrival.wanted) for arrival, _ in told.seen] == [({}, "")]


def test_it_is_asked_once_as_an_instance_begins(bench: Bench) -> None:
    told, wanted = Follower(), [THICKNESS, NOTHING]
    taking = ingest(bench, lambda: wanted.pop(0), told)
    first, second = ct(1), ct(2)
    early = taking.begin(Claim(first.SOPClassUID, first.SOPInstanceUID, EXPLICIT), ORIGIN)
    assert send(taking, second).verdict is Verdict.STORED
    early.write([encode(first)])
    assert early.finish().verdict is Verdict.STORED
    assert [(a.sop_instance_uid, a.wanted) for a, _ in told.seen] == [
        (second.SOPInstanceUID, ""),
        (first.SOPInstanceUID, "abc"),
    ]
    assert wanted == []


def test_rules_that_cannot_be_asked_keep_nothing_out(bench: Bench) -> None:
    def broken() -> Wants:
        raise RuntimeError("Doe^Jane")

    told = Follower()
    assert send(ingest(bench, broken, told), ct()).verdict is Verdict.STORED
    assert [arrival.wanted for arrival, _ in told.seen] == [""]


@pytest.mark.parametrize("again", [1, 2])
def test_a_duplicate_is_told_too(bench: Bench, again: int) -> None:
    told = Follower()
    taking = ingest(bench, lambda: THICKNESS, told)
    for _ in range(1 + again):
        send(taking, ct())
    assert [recorded.place is not None for _, recorded in told.seen] == [True, *[False] * again]
