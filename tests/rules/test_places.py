import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.places import Places

FILE = r'''
title = "x" # [not] a table
[[rule]]
name = 'a'
when = """
Modality == "CT" and \
   Rows > 5"""
then = [
  { action = "tag", label = "l\u00e4\"b" }, # a comment ]
  { action = "route", to = ["A", "B"] },
]
"quoted key".sub = 1979-05-27 07:32:00
[rule.window]
hours = ["22:00-06:00"]
[[rule]]
name = "b"
  [[rule.then]]
  action = "tag"
  [[rule.then]]
  action = "hold"
'''


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        (("title",), (2, 9), (2, 1)),
        (("rule", 0), (3, 1), (3, 1)),
        (("rule", 0, "name"), (4, 8), (4, 1)),
        (("rule", 0, "when"), (5, 8), (5, 1)),
        (("rule", 0, "then", 0), (9, 3), (9, 3)),
        (("rule", 0, "then", 0, "label"), (9, 29), (9, 21)),
        (("rule", 0, "then", 1, "to", 1), (10, 34), (10, 34)),
        (("rule", 0, "quoted key", "sub"), (12, 20), (12, 1)),
        (("rule", 0, "window"), (13, 1), (13, 1)),
        (("rule", 0, "window", "hours", 0), (14, 10), (14, 10)),
        (("rule", 1, "then", 1, "action"), (20, 12), (20, 3)),
        (("rule", 1, "then", 1, "nowhere"), (19, 3), (19, 3)),
        (("rule", 9, "name"), (3, 1), (3, 1)),
        (("nowhere",), (1, 1), (1, 1)),
    ],
)
def test_places(path, value, key):
    places = Places(FILE)
    assert places.of(path) == value
    assert places.of(path, key=True) == key


@pytest.mark.parametrize(
    ("text", "index", "place"),
    [
        ('x = "abc"', 0, (1, 6)),
        ('x = "abc"', 2, (1, 8)),
        ("x = 'a\\c'", 2, (1, 8)),
        (r'x = "a\"c"', 2, (1, 9)),
        (r'x = "\u0041bc"', 1, (1, 12)),
        ('x = """\nab\ncd"""', 3, (3, 1)),
        ('x = """ab\\\n   cd"""', 2, (2, 4)),
        ("x = '''\nab\ncd'''", 4, (3, 2)),
        ('x = ""', 0, (1, 6)),
        ("x = 5", 3, (1, 5)),
    ],
)
def test_characters_of_a_text(text, index, place):
    assert Places(text).within(("x",), index) == place


def test_lines_of_other_systems():
    assert Places("a = 1\r\nb = 2\r\n").of(("b",)) == (2, 5)


_KEY = st.text(st.sampled_from('ab"\\ \n\t.é'), max_size=4)
_SCALAR = st.one_of(st.integers(-9, 9), st.booleans(), st.text(st.sampled_from('ab"\\\n #]}é,='), max_size=6))


def quoted(text):
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "é": "\\u00e9"}
    return '"' + "".join(escapes.get(letter, letter) for letter in text) + '"'


def written(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[ " + " ,\n ".join(map(written, value)) + "# ]\n]"
    return quoted(value) if isinstance(value, str) else str(value).lower()


_VALUE = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEY, inner, max_size=3),
    max_leaves=8,
)


def leaves(value, path=()):
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*path, key))
    else:
        yield path, value


@given(st.dictionaries(_KEY, _VALUE, max_size=4))
def test_every_value_stands_where_it_is_said_to(data):
    text = "".join(f"{quoted(key)} = {written(value)}\n" for key, value in data.items())
    assert tomllib.loads(text) == data
    places, rows = Places(text), text.split("\n")
    for path, value in leaves(data):
        line, column = places.of(path)
        assert "\n".join(rows[line - 1 :])[column - 1 :].startswith(written(value))
        if isinstance(value, str):
            for index, letter in enumerate(value):
                line, column = places.within(path, index)
                assert rows[line - 1][column - 1 :].startswith(quoted(letter)[1:-1])
