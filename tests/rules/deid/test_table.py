from rules.deid.table import ACTIONS, EDITION, GROUPS


def test_it_is_all_there():
    assert EDITION == "2026c"
    assert len(ACTIONS) == 652
    assert len(GROUPS) == 3


def test_in_order_of_tags():
    assert list(ACTIONS) == sorted(ACTIONS)


def test_some_that_the_standard_has():
    some = {0x00100010: "Z", 0x00100020: "Z/D", 0x00080080: "X/Z/D", 0x0020000D: "U", 0x00080050: "Z"}
    assert {tag: ACTIONS[tag] for tag in some} == some
