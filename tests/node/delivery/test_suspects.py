from hypothesis import given
from hypothesis import strategies as st

from node.delivery.suspects import BREAKS, Suspects

POISON, OTHER = 1, 2


def test_who_breaks_three_while_others_get_through_is_the_culprit() -> None:
    suspects = Suspects()
    assert not suspects.broke(POISON)
    suspects.took(OTHER)
    assert not suspects.broke(POISON)
    assert suspects.breaks(POISON) == 2
    assert suspects.broke(POISON)
    assert suspects.breaks(POISON) == 0  # sent again by a person, it has as many tries as before


def test_it_does_not_matter_when_the_others_got_through() -> None:
    suspects = Suspects()
    for _ in range(5):
        assert not suspects.broke(POISON)
    suspects.took(OTHER)
    assert suspects.broke(POISON)


def test_what_got_through_itself_is_beyond_suspicion() -> None:
    suspects = Suspects()
    suspects.broke(POISON)
    suspects.broke(POISON)
    suspects.took(POISON)
    suspects.took(OTHER)
    assert suspects.breaks(POISON) == 0
    assert not suspects.broke(POISON)


@given(st.lists(st.integers(1, 5), max_size=60))
def test_a_destination_that_takes_nothing_has_no_culprit(broken: list[int]) -> None:
    suspects = Suspects()
    assert not any(suspects.broke(each) for each in broken)


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=60))
def test_nobody_is_the_culprit_before_the_third(happened: list[tuple[int, bool]]) -> None:
    suspects, breaks = Suspects(), {1: 0, 2: 0, 3: 0}
    for delivery, good in happened:
        if good:
            suspects.took(delivery)
            breaks[delivery] = 0
            continue
        breaks[delivery] += 1
        if suspects.broke(delivery):
            assert breaks[delivery] >= BREAKS
            breaks[delivery] = 0
