"""What is wrong with a configuration, in one line that a person can act on."""

import difflib
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from node.config.config import Config


class Origins:
    """Where each key was found: the file, or an environment variable.

    Parameters
    ----------
    file
        The name of the file, where everything comes from that is not said to come from elsewhere.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._of: dict[tuple[str, str], str] = {}

    def set(self, table: str, key: str, origin: str) -> None:
        """Say that `table.key` comes from `origin`."""
        self._of[table, key] = origin

    def of(self, table: str, key: str) -> str:
        """Return where `table.key` comes from."""
        return self._of.get((table, key), self.file)


_EXPECTED = {  # pydantic's type of error to what was expected
    "int_type": "expected a whole number without quotes",
    "float_type": "expected a number without quotes",
    "string_type": "expected text in quotes",
    "bool_type": "expected true or false without quotes",
    "path_type": "expected a path in quotes",
    "tuple_type": "expected a list in brackets",
    "finite_number": "expected a finite number",
}


def describe(error: ValidationError, origins: Origins) -> str:
    """Return everything that is wrong, in the order of the file, in one line, without any value."""
    return "; ".join(
        _describe(each, origins) for each in error.errors(include_url=False, include_input=False)
    )


def _describe(error: ErrorDetails, origins: Origins) -> str:
    place = [str(part) for part in error["loc"] if not isinstance(part, int)]
    if len(place) < 2:
        return f"{origins.file}: {_of_table(place[0] if place else '', error)}"
    table, key = place[0], place[1]
    return f"{origins.of(table, key)}: {table}.{key}: {_of_key(table, key, error)}"


def _of_table(table: str, error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        return f"{table}: unknown table{_like(table, list(Config.model_fields))}"
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"{table}: expected a table, [{table}]"
    return f"{table}: {_reason(error)}"


def _of_key(table: str, key: str, error: ErrorDetails) -> str:
    if error["type"] == "extra_forbidden":
        section = Config.model_fields[table].annotation
        return f"unknown key{_like(key, list(getattr(section, 'model_fields', {})))}"
    return _reason(error)


def _reason(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return "expected " + str(context["expected"]).replace("'", '"')
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
        bound, limit = next(iter(context.items()))
        return (
            f"expected {words[bound]} {limit:g}"
            if isinstance(limit, float)
            else f"expected {words[bound]} {limit}"
        )
    return _EXPECTED.get(kind, error["msg"])


def _like(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f'; did you mean "{close[0]}"?' if close else f"; known are {', '.join(known)}"
