"""The models that may look at images. There are none yet, and rules that name one are not taken."""

from typing import NoReturn

from node.core.errors import UserError


def names() -> frozenset[str]:
    """Return the names that rules may use."""
    return frozenset()


def find(name: str) -> NoReturn:
    """Return the model of this name.

    Raises
    ------
    UserError
        There is none, whatever the name.
    """
    raise UserError(f"no model named {name} is registered; models arrive with a later version of Isocentre")
