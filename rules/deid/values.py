"""Values as text, whether pydicom has decoded them yet or not.

What has not been decoded is read as it is: pydicom would tell the whole program of a value that it does not
like, and quote it.
"""

from typing import Any


def texts(value: Any) -> list[str]:
    """Return the values of an element as text."""
    if value is None:
        return []
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        return [each.strip(" \0") for each in value.split("\\")]
    if hasattr(value, "__iter__"):
        return [str(each) for each in value]
    return [str(value)]
