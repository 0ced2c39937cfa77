from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from node.config.sections import DeliverySection
from node.delivery import ending
from node.delivery.backoff import Backoff
from node.delivery.ending import Terms
from node.delivery.statuses import Verdict, Whose
from storage.records.deliveries import DeliveryState
from tests.support.parcels import NOW, parcel

TERMS = Terms(Backoff(10, 60), 3600)
REFUSED = Verdict(Whose.ITEM, "out of resources (0xA700)", status=0xA700)
HOPELESS = Verdict(Whose.ITEM, "no (0xA900)", permanent=True, status=0xA900)
TAKEN = Verdict(Whose.ITEM, "", taken=True, status=0)


def test_terms_are_as_configured() -> None:
    assert Terms.of(DeliverySection()) == Terms(Backoff(5, 900), 7 * 24 * 3600)


def test_delivered() -> None:
    result = ending.answered(parcel(), TAKEN, NOW, TERMS, 0.5, transfer_syntax_uid="1.2", digest="ab")
    assert (result.state, result.status, result.words, result.failed) == (
        DeliveryState.DELIVERED,
        0,
        "",
        False,
    )
    assert (result.transfer_syntax_uid, result.digest, result.due) == ("1.2", "ab", None)


def test_refused_for_now_waits_longer_each_time() -> None:
    first = ending.answered(parcel(), REFUSED, NOW, TERMS, 1.0)
    third = ending.answered(parcel(failures=2), REFUSED, NOW, TERMS, 1.0)
    assert (first.state, first.status, first.failed) == (DeliveryState.WAITING, 0xA700, True)
    assert first.due == NOW + timedelta(seconds=10)
    assert third.due == NOW + timedelta(seconds=40)


def test_refused_for_good_is_dead() -> None:
    result = ending.answered(parcel(), HOPELESS, NOW, TERMS, 1.0)
    assert (result.state, result.words, result.due) == (DeliveryState.DEAD, "no (0xA900)", None)


@given(st.integers(0, 500))
def test_patience_ends(failures: int) -> None:
    result = ending.answered(parcel(failures=failures), REFUSED, NOW, TERMS, 1.0)
    if TERMS.backoff.total(failures + 1) > TERMS.patience:
        assert result.state is DeliveryState.DEAD
        assert result.words.endswith(f"; given up after {failures + 1} failures")
    else:
        assert result.state is DeliveryState.WAITING


def test_what_was_there_when_an_association_broke_keeps_its_place_once() -> None:
    first = ending.broken(parcel(), "aborted.", NOW, TERMS, 1.0, breaks=1, culprit=False)
    second = ending.broken(parcel(), "aborted.", NOW, TERMS, 1.0, breaks=2, culprit=False)
    assert (first.state, first.failed, first.due) == (DeliveryState.QUEUED, True, None)
    assert (second.state, second.failed) == (DeliveryState.WAITING, True)
    assert second.due == NOW + timedelta(seconds=10)
    assert first.words == second.words == "aborted."


def test_the_culprit_is_dead() -> None:
    result = ending.broken(parcel(), "aborted.", NOW, TERMS, 1.0, breaks=3, culprit=True)
    assert result.state is DeliveryState.DEAD
    assert result.words == "aborted; given up: it has broken 3 associations"


def test_and_so_is_who_broke_them_for_too_long() -> None:
    result = ending.broken(parcel(), "aborted.", NOW, TERMS, 1.0, breaks=100, culprit=False)
    assert (result.state, result.words) == (DeliveryState.DEAD, "aborted; given up after 100 failures")


def test_what_was_not_sent() -> None:
    dropped, back = ending.dropped(parcel(), "unknown", NOW), ending.given_back(parcel(), NOW)
    assert (dropped.state, dropped.words, dropped.failed) == (DeliveryState.DEAD, "unknown", True)
    assert (back.state, back.words, back.failed, back.status) == (DeliveryState.QUEUED, "", False, None)
