import pytest

from rules.problems import BadRules, Problem, listed, nearest

ONE = Problem(3, 9, 'rule "CT".when', "text is never a number", "values of one type")
TWO = Problem(2, 1, "file", "not TOML")


def test_says_where_what_and_what_instead():
    assert str(ONE) == '3:9: rule "CT".when: text is never a number (expected values of one type)'
    assert str(TWO) == "2:1: file: not TOML"
    assert str(Problem(0, 0, "x", "y", warning=True)) == "warning: x: y"


def test_plain():
    assert Problem(**ONE.plain()) == ONE


def test_all_in_the_order_of_the_file():
    assert BadRules([ONE, TWO]).problems == (TWO, ONE)
    assert str(BadRules([ONE, TWO])) == f"{TWO}\n{ONE}"


@pytest.mark.parametrize(
    ("word", "found"),
    [("modality", "Modality"), ("Modalty", "Modality"), ("xyz", ""), ("", ""), ("ROWS", "Rows")],
)
def test_nearest(word, found):
    assert nearest(word, ["Modality", "Rows"]) == found


def test_listed():
    assert listed("abc") == "a, b or c"
    assert listed(["a"]) == "a"
    assert listed([]) == "nothing"
