import pytest

from rules.unknown import Unknown


def test_is_neither_true_nor_false():
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(Unknown("it is missing"))


def test_equal_by_what_it_says():
    assert Unknown("a") == Unknown("a") != Unknown("a", absent=True)
