r"""Where each key and value of a TOML text stands, which `tomllib` does not tell.

Walks a text that `tomllib` has found valid; what is not needed for places is not looked at.

Example
-------
>>> places = Places('[[rule]]\nname = "CT"\n')
>>> places.of(("rule", 0, "name"))
(2, 8)
"""

import re
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_VALUE = re.compile(r"[^,\]}#\n]*")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\n[ \t\n]*|.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Span:
    """Where the key that names a value begins, and where the value itself begins and ends."""

    key: int
    start: int
    end: int


@dataclass
class Places:
    """The places of one TOML text.

    Parameters
    ----------
    text
        Valid TOML.
    """

    text: str
    _spans: dict[Path, _Span] = field(default_factory=dict, init=False)
    _tables: dict[Path, int] = field(default_factory=dict, init=False)
    _at: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.text = self.text.replace("\r\n", "\n")
        self._document()

    def of(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Return line and column, from 1, of the value at `path`, or of its key.

        Of what is not there, that of the nearest table around it.
        """
        while path and path not in self._spans:
            path, key = path[:-1], False
        span = self._spans.get(path)
        return self._line(0 if span is None else span.key if key else span.start)

    def within(self, path: Path, index: int) -> tuple[int, int]:
        """Return line and column of the character `index` of the text that is the value at `path`."""
        span = self._spans.get(path)
        return self.of(path) if span is None else self._line(self._character(span, index))

    def _line(self, offset: int) -> tuple[int, int]:
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)

    def _character(self, span: _Span, index: int) -> int:
        quote = self.text[span.start]
        if quote not in "\"'":
            return span.start
        long = self.text.startswith(quote * 3, span.start) and span.end - span.start >= 6
        at = span.start + (3 if long else 1)
        if long and self.text.startswith("\n", at):
            at += 1
        if quote == "'":
            return at + index
        while index or _ESCAPE.match(self.text, at):
            escape = _ESCAPE.match(self.text, at)
            if escape is None:
                at += 1
            elif escape[0][-1] in " \t\n":  # a line that goes on: no character of the value
                at = escape.end()
                continue
            elif not index:
                break
            else:
                at = escape.end()
            index -= 1
        return at

    def _document(self) -> None:
        table: Path = ()
        while self._skip(_GAP) < len(self.text):
            if self.text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self._at)
        self._at = match.end() if match else self._at
        return self._at

    def _header(self) -> Path:
        start = self._at
        many = self.text.startswith("[[", start)
        self._at += 2 if many else 1
        keys = self._keys()
        self._at += 2 if many else 1
        path: Path = ()
        for key in keys[:-1]:
            path = self._last((*path, key))
        path = (*path, keys[-1])
        if many:
            number = self._tables[path] = self._tables.get(path, -1) + 1
            self._spans.setdefault(path, _Span(start, start, self._at))
            path = (*path, number)
        else:
            path = self._last(path)
        self._spans[path] = _Span(start, start, self._at)
        return path

    def _last(self, path: Path) -> Path:
        return (*path, self._tables[path]) if path in self._tables else path

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if self.text[start] in "\"'":
                self._string()
                keys.append(self._unquoted(start))
            else:
                self._skip(_BARE)
                keys.append(self.text[start : self._at])
            self._skip(_SPACE)
            if self.text[self._at] != ".":
                return keys
            self._at += 1

    def _unquoted(self, start: int) -> str:
        body = self.text[start + 1 : self._at - 1]
        if self.text[start] == "'" or "\\" not in body:
            return body
        return _ESCAPE.sub(lambda match: _unescaped(match[0]), body)

    def _pair(self, table: Path) -> None:
        key = self._at
        path = (*table, *self._keys())
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path, key)

    def _value(self, path: Path, key: int) -> None:
        start = self._at
        first = self.text[start]
        if first in "\"'":
            self._string()
        elif first == "[":
            self._items(path)
        elif first == "{":
            self._inline(path)
        else:
            self._skip(_VALUE)
        self._spans[path] = _Span(key, start, self._at)

    def _items(self, path: Path) -> None:
        self._at += 1
        number = 0
        while self.text[self._skip(_GAP)] != "]":
            self._value((*path, number), self._at)
            number += 1
            if self.text[self._skip(_GAP)] == ",":
                self._at += 1
        self._at += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while self.text[self._skip(_GAP)] != "}":
            self._pair(path)
            if self.text[self._skip(_GAP)] == ",":
                self._at += 1
        self._at += 1

    def _string(self) -> None:
        quote = self.text[self._at]
        long = self.text.startswith(quote * 3, self._at)
        mark = quote * 3 if long else quote
        self._at += len(mark)
        while not self.text.startswith(mark, self._at):
            self._at += 2 if quote == '"' and self.text[self._at] == "\\" else 1
        self._at += len(mark)
        while long and self.text.startswith(quote, self._at):  # up to two quotes may belong to the text
            self._at += 1


def _unescaped(escape: str) -> str:
    plain = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}
    kind = escape[1]
    return chr(int(escape[2:], 16)) if kind in "uU" else plain.get(kind, kind)
