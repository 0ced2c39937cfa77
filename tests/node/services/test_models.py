import pytest

from node.core.errors import UserError
from node.services import models


def test_there_are_none():
    assert models.names() == frozenset()


def test_none_is_found():
    with pytest.raises(UserError, match="no model named lung-nodules is registered"):
        models.find("lung-nodules")
