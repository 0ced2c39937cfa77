import pytest

from storage.records.criteria import Either, Mark, Single, Wildcard
from storage.records.patterns import group_of, shape_of

ANY, ONE = Mark.ANY, Mark.ONE


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("AB", Single("AB")),
        ("A*", Wildcard(("A", ANY))),
        ("*A", Wildcard((ANY, "A"))),
        ("A***B", Wildcard(("A", ANY, "B"))),
        ("A?B", Wildcard(("A", ONE, "B"))),
        ("??", Wildcard((ONE, ONE))),
        ("***", None),
        ("", None),
        ("A%_[\\]*", Wildcard(("A%_[\\]", ANY))),
    ],
)
def test_shapes(value: str, shape: Single | Wildcard | None) -> None:
    assert shape_of(value) == shape


@pytest.mark.parametrize(("value", "prefix"), [("AB*", "AB"), ("A?B", "A"), ("*A", ""), ("?A", "")])
def test_the_prefix_of_a_pattern(value: str, prefix: str) -> None:
    shape = shape_of(value)
    assert isinstance(shape, Wildcard)
    assert shape.prefix == prefix


@pytest.mark.parametrize(
    ("value", "group"),
    [
        ("DOE^John", Single("doe^john")),
        ("DOE^^^", Single("doe")),
        ("^^", None),
        ("DOE*", Wildcard(("doe", ANY))),
        ("DOE*^^", Wildcard(("doe", ANY))),
        ("D?E^^", Wildcard(("d", ONE, "e"))),
        ("DOE^*", Either((Wildcard(("doe^", ANY)), Single("doe")))),
        ("DO*^*", Either((Wildcard(("do", ANY, "^", ANY)), Wildcard(("do", ANY))))),
        ("*^*", None),
        ("^*", Wildcard(("^", ANY))),
        ("Ａ＊*", Wildcard(("a*", ANY))),  # a full-width asterisk is no wildcard
        ("ﾔﾏﾀﾞ*", Wildcard(("ヤマダ", ANY))),
        ("STRASSE", Single("strasse")),
        ("Straße", Single("strasse")),
    ],
)
def test_name_groups(value: str, group: object) -> None:
    assert group_of(value) == group
