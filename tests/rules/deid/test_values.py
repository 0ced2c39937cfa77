import pytest
from pydicom.multival import MultiValue

from rules.deid.values import texts


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        (b"1.2\\1.3\0", ["1.2", "1.3"]),
        ("1.2", ["1.2"]),
        ("", [""]),
        (MultiValue(str, ["a", "b"]), ["a", "b"]),
        (7, ["7"]),
        (b"\xff", ["\xff"]),
    ],
)
def test_texts(value: object, expected: list[str]):
    assert texts(value) == expected
