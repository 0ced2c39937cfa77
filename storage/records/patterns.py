"""Text of a key as a shape: literal, or with wildcards, for plain text and for names (PS3.4 C.2.2.2.4).

Example
-------
>>> shape_of("AB*")
Wildcard(tokens=('AB', <Mark.ANY: '*'>))
"""

import re

from storage.records.criteria import Either, Mark, Single, Wildcard
from storage.records.text import fold, name_key

_WILD = re.compile(r"([*?])")


def shape_of(value: str) -> Single | Wildcard | None:
    """Return what a key of plain text asks for, None for anything."""
    return _shape(_tokens(value))


def _tokens(value: str) -> list[str | Mark]:
    """Split `value` at its wildcards; one asterisk does for several."""
    tokens: list[str | Mark] = []
    for piece in _WILD.split(value):
        if piece in ("*", "?"):
            mark = Mark(piece)
            if not (mark is Mark.ANY and tokens and tokens[-1] is Mark.ANY):
                tokens.append(mark)
        elif piece:
            tokens.append(piece)
    return tokens


def _shape(tokens: list[str | Mark]) -> Single | Wildcard | None:
    if not tokens or tokens == [Mark.ANY]:
        return None
    first = tokens[0]
    if len(tokens) == 1 and isinstance(first, str):
        return Single(first)
    return Wildcard(tuple(tokens))


def group_of(value: str) -> Single | Wildcard | Either | None:
    """Return what one component group of a PN key asks for, None for anything (PS3.5 6.2.1.1)."""
    if "*" not in value and "?" not in value:
        key = name_key(value)
        return Single(key) if key else None
    # Folded piece by piece: folding the whole would turn a full-width asterisk into a wildcard.
    tokens = [fold(each) if isinstance(each, str) else each for each in _tokens(value)]
    shapes = [_shape(each) for each in _with_fewer_components(tokens)]
    options = tuple(dict.fromkeys(shape for shape in shapes if shape is not None))
    if not options or None in shapes:
        return None
    return options[0] if len(options) == 1 else Either(options)


def _with_fewer_components(tokens: list[str | Mark]) -> list[list[str | Mark]]:
    """Return the patterns that ``DOE^*`` stands for: itself, and ``DOE``.

    Trailing empty components may be left out of a name (PS3.5 6.2.1.1), and trailing carets are.
    """
    shapes: list[list[str | Mark]] = []
    while True:
        tokens = _without_carets(tokens)
        if not tokens:
            return shapes
        shapes.append(tokens)
        before = tokens[-2] if len(tokens) > 1 else ""
        if not (tokens[-1] is Mark.ANY and isinstance(before, str) and before.endswith("^")):
            return shapes
        tokens = tokens[:-1]


def _without_carets(tokens: list[str | Mark]) -> list[str | Mark]:
    last = tokens[-1] if tokens else None
    if not isinstance(last, str):
        return tokens
    stripped = last.rstrip(" ^")
    return [*tokens[:-1], stripped] if stripped else tokens[:-1]
