from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.services.standing import Standing, State, standing
from storage.records.deliveries import DeliveryState, Destination

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PLAIN = Destination(1, "north", False, 0, 0.0, None, (), False, 0, None, None, "", None, "", None)
DOWN = replace(PLAIN, failures=3, opened_at=NOW, probe_at=NOW + timedelta(minutes=1), error="it is off")
LATER = (NOW.astimezone() + timedelta(hours=1)).strftime("%H:%M")
UNTIL = (NOW.astimezone() + timedelta(hours=2)).strftime("%H:%M")


def look(settings: Destination, known: bool = True, **counts: int) -> Standing:
    found = {DeliveryState(name): count for name, count in counts.items()}
    return standing(settings, found, NOW if counts else None, known, NOW)


@pytest.mark.parametrize(
    ("settings", "counts", "state", "words"),
    [
        (PLAIN, {}, State.IDLE, "nothing to do"),
        (PLAIN, {"queued": 3}, State.QUEUED, "a worker is to take it up"),
        (PLAIN, {"queued": 3, "sending": 1, "waiting": 1}, State.SENDING, "sending"),
        (PLAIN, {"waiting": 1, "dead": 2}, State.WAITING, "what failed is tried again later"),
        (
            replace(PLAIN, failures=1, error="it is off"),
            {},
            State.FAILING,
            "failed 1 time in a row: it is off",
        ),
        (replace(PLAIN, failures=2), {}, State.FAILING, "failed 2 times in a row"),
        (replace(PLAIN, window={"hours": [f"{LATER}-{UNTIL}"]}), {}, State.CLOSED, "outside its hours until"),
        (replace(DOWN, paused=True), {"queued": 1}, State.PAUSED, "paused by a person"),
    ],
)
def test_a_state_in_words(settings: Destination, counts: dict[str, int], state: State, words: str):
    found = look(settings, **counts)
    assert found.state is state
    assert found.words.startswith(words)
    assert not found.troubled


def test_one_that_is_down_says_since_when_and_when_it_is_asked_again():
    found = look(DOWN, queued=7, dead=1)
    assert (found.state, found.queued, found.dead, found.troubled) == (State.DOWN, 7, 1, True)
    assert found.words == (
        "down since 2026-03-04 12:00:00Z: it is off; it is asked again at 2026-03-04 12:01:00Z"
    )
    assert look(replace(DOWN, probe_at=NOW)).words.endswith("; it is asked again now")
    assert look(replace(DOWN, probe_at=None)).words.endswith("; it is asked again now")


def test_one_whose_peer_was_removed():
    found = look(PLAIN, known=False, queued=1)
    assert (found.state, found.troubled) == (State.UNKNOWN, True)


@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 5),
    st.dictionaries(st.sampled_from(DeliveryState), st.integers(0, 9)),
)
def test_there_is_always_a_word(
    known: bool, paused: bool, down: bool, failures: int, counts: dict[DeliveryState, int]
):
    settings = replace(DOWN if down else PLAIN, paused=paused, failures=failures)
    found = standing(settings, counts, None, known, NOW)
    assert found.words
    assert found.held == counts.get(DeliveryState.HELD, 0)
