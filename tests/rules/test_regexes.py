import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.regexes import check_regex, longest


@pytest.mark.parametrize(
    "pattern",
    [
        "CT",
        "T[12].*",
        "^(CT|MR)$",
        "a+b*c?",
        "(?i)ct",
        "(?:a|b)c",
        r"\(x\)+",
        "[(]+[)]+",
        "a{3}",
        "x*?y",
        "(a)?",
    ],
)
def test_fine(pattern):
    assert check_regex(pattern) == ""


@pytest.mark.parametrize(
    ("pattern", "doubt"),
    [
        ("(a+)+", "the pattern repeats a repetition or choice: '(a+)+'"),
        ("(a|aa)*b", "the pattern repeats a repetition or choice: '(a|aa)*'"),
        ("((a*)b){2,}", "the pattern repeats a repetition or choice"),
        (r"(\d+,)*", "the pattern repeats a repetition or choice"),
        (".*a" * 7, "the pattern has more than 5 repetitions"),
        ("a?" * 11, "the pattern has more than"),
        ("a(", "not a pattern: missing )"),
        ("a{2}{3}", "not a pattern"),
    ],
)
def test_refused(pattern, doubt):
    assert check_regex(pattern).startswith(doubt)


def test_the_more_repetitions_the_shorter_the_text():
    assert longest("CT", anywhere=False) == longest("a.*", anywhere=False) == 10**8
    assert longest(".*a.*b", anywhere=False) > 10_000
    assert 64 <= longest(".*a" * 5, anywhere=True) < longest(".*a" * 5, anywhere=False)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of what sets may come to mean
@given(st.text(alphabet=st.sampled_from("ab()[]^*+?{},23|\\."), max_size=15))
def test_any_text(pattern):
    if check_regex(pattern) == "":
        re.compile(pattern)
        assert longest(pattern, anywhere=True) > 0
