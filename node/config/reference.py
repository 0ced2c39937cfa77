"""Writes config.toml and docs/configuration.md from the docstrings of the sections.

    python -m node.config.reference

run at the top level writes both again; a test tells when that was forgotten.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from node.config.base import Section
from node.config.config import Config

_WIDTH = 100

_TOML_HEAD = """\
# The configuration of an Isocentre node. Every key is optional: what stands here are the defaults.
# An environment variable ISOCENTRE_<TABLE>__<KEY> wins over this file, as in ISOCENTRE_DICOM__PORT=104.
# `isocentre check-config` tells whether a file is right. Written by `python -m node.config.reference`.
"""

_MARKDOWN_HEAD = """\
# Configuration

Written from the docstrings of `node/config` by `python -m node.config.reference`: change it there.

The node reads one TOML file: the one that `--config FILE` or the environment variable `ISOCENTRE_CONFIG`
names, else `config.toml` in the working directory when there is one. Without a file everything has its
default. The `config.toml` at the top level of the repository lists every key with its default.

- Every key is optional. An unknown key or a value of the wrong type stops the node at its start, with
  the key's full name. `isocentre check-config` finds such mistakes beforehand, and shows what holds.
- The environment variable `ISOCENTRE_<TABLE>__<KEY>` wins over the file: `ISOCENTRE_DICOM__PORT=104`.
  Truth values are written `true` and `false`.
- A list is written with commas there: `ISOCENTRE_DELIVERY__PERMANENT=A9xx,Cxxx`.
- A key that ends in `_file` names a file that holds the value of the key before the underscore, so that
  secrets stay out of this file: `database.url_file = "/run/secrets/isocentre-database"`.
- A relative path in the file is relative to the folder of the file; one in the environment is relative
  to the working directory.
- Changes take effect when the processes are started again.
"""


def toml() -> str:
    """Return config.toml: every key with its default, and above it what it means."""
    parts = [_TOML_HEAD]
    for name, section in sections():
        parts.append(f"\n[{name}]  # {_sentence(section)}\n")
        for key, field in section.model_fields.items():
            lines = textwrap.wrap(_plain(field.description), _WIDTH - 2)
            parts.append("\n" + "".join(f"# {line}\n" for line in lines))
            parts.append(f"{key} = {_value(field.default)}\n")
    return "".join(parts)


def markdown() -> str:
    """Return docs/configuration.md."""
    parts = [_MARKDOWN_HEAD]
    for name, section in sections():
        parts.append(f"\n## [{name}]\n\n{_plain(section.__doc__)}\n")
        for key, field in section.model_fields.items():
            variable = f"ISOCENTRE_{name}__{key}".upper()
            facts = f"{_kind(field)}; default `{_value(field.default)}`; `{variable}`"
            parts.append(f"\n### {name}.{key}\n\n{textwrap.fill(facts, _WIDTH, break_on_hyphens=False)}\n\n")
            parts.append(textwrap.fill(_plain(field.description), _WIDTH) + "\n")
    return "".join(parts)


def sections() -> Iterator[tuple[str, type[Section]]]:
    """Yield the name and the model of every table."""
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield name, field.annotation


def _plain(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


def _sentence(section: type[Section]) -> str:
    return _plain(section.__doc__).removesuffix(".")


def _value(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, tuple):
        return f"[{', '.join(map(_value, default))}]"
    return str(default) if isinstance(default, int) else f'"{default}"'


def _kind(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return " or ".join(f'`"{choice}"`' for choice in get_args(field.annotation))
    if get_origin(field.annotation) is tuple:
        return "list of text, with commas between in the environment"
    bounds = {name: value for each in field.metadata for name, value in _bounds(each)}
    said = [f"{word} {bounds[name]}" for name, word in _BOUNDS.items() if name in bounds]
    return ", ".join([_WORDS.get(field.annotation, "text"), *said])


_WORDS: dict[object, str] = {bool: "true or false", int: "whole number", float: "number"}
_BOUNDS = {"gt": "more than", "ge": "at least", "le": "at most"}


def _bounds(constraint: object) -> Iterator[tuple[str, float]]:
    for name in _BOUNDS:
        value = getattr(constraint, name, None)
        if value is not None:
            yield name, value


def write(folder: Path) -> None:
    """Write both files below `folder`, the top level."""
    (folder / "config.toml").write_text(toml(), "utf-8")
    (folder / "docs" / "configuration.md").write_text(markdown(), "utf-8")


if __name__ == "__main__":
    write(Path())
