"""The third truth value: what a condition is when it cannot be told."""

from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Unknown:
    """Stands where a value or a truth is not known, and says why.

    Attributes
    ----------
    reason
        One phrase for a person. It names symbols, never their values.
    absent
        There is nothing, or nothing in it: the attribute is missing or empty. Then ``??`` may stand in
        and ``== null`` is true. An attribute that is there and cannot be read is unknown, not absent.
    """

    reason: str
    absent: bool = False

    def __bool__(self) -> NoReturn:
        """Refuse: taking an unknown for false is the mistake that this type exists to prevent."""
        raise TypeError("an unknown is neither true nor false")
