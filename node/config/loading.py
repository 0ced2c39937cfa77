"""From config.toml and the environment to a checked `Config`.

A key comes from the environment variable ISOCENTRE_<TABLE>__<KEY> when it is set, else from the file,
else it has its default. A key that ends in ``_file`` names a file that holds the value of the key before
the underscore. Whatever is wrong is said with the key's full name, where it was found, and what was expected.

Example
-------
>>> load(None, {"ISOCENTRE_DICOM__PORT": "104"}).dicom.port
104
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from node.config.base import Section, is_path
from node.config.config import Config
from node.config.problems import Origins, describe
from node.core.errors import UserError

PREFIX = "ISOCENTRE_"

Table = dict[str, Any]


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration.

    Parameters
    ----------
    path
        The file; None is the defaults, and what the environment says.

    Raises
    ------
    UserError
        The file cannot be read, a key is unknown, or a value is not what is expected.
    """
    where = str(path) if path else "defaults"
    raw = _read(path) if path else {}
    origins = Origins(where)
    tables: dict[str, Any] = {}
    for name, value in raw.items():
        section = _section(name)
        base = path.absolute().parent if path else Path.cwd()
        tables[name] = _rooted(section, value, base) if section and isinstance(value, dict) else value
    for variable, table, key, text in _variables(environ):
        _override(tables, origins, variable, table, key, text)
    _root_defaults(tables, path.absolute().parent if path else Path.cwd())
    for name, table_values in tables.items():
        if isinstance(table_values, dict):
            _read_secrets(name, table_values, origins)
    try:
        return Config.model_validate(tables)
    except ValidationError as error:
        raise UserError(describe(error, origins)) from None


def find(given: Path | None) -> Path | None:
    """Return the file to use: the one that was given, else ./config.toml when it is there, else none."""
    if given is not None:
        return given
    usual = Path("config.toml")
    return usual if usual.is_file() else None


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not TOML: {error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not TOML: it is not in UTF-8") from None


def _section(name: str) -> type[Section] | None:
    field = Config.model_fields.get(name)
    annotation = field.annotation if field else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _variables(environ: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """Return variable, table, key and text of every variable that is meant for the configuration."""
    found = []
    for variable in sorted(environ):
        table, mark, key = variable.removeprefix(PREFIX).partition("__")
        if variable.startswith(PREFIX) and mark:
            found.append((variable, table.lower(), key.lower(), environ[variable]))
    return found


def _override(
    tables: dict[str, Any], origins: Origins, variable: str, table: str, key: str, text: str
) -> None:
    section = _section(table)
    field = section.model_fields.get(key) if section else None
    value = _typed(field, text) if field else text
    target = tables.setdefault(table, {})
    if not isinstance(target, dict):
        return  # the file has no table there, which is what will be reported
    if section is not None:
        value = _rooted(section, {key: value}, Path.cwd())[key]
    # A secret from the environment replaces the one from the file, in whichever of the two ways it is given.
    for other in (f"{key}_file", key.removesuffix("_file")):
        if other != key and origins.of(table, other) == origins.file:
            target.pop(other, None)
    target[key] = value
    origins.set(table, key, f"environment variable {variable}")


def _typed(field: FieldInfo, text: str) -> Any:
    """Return `text` as the type of the field; text that cannot be is left for the model to refuse."""
    try:
        if field.annotation is bool:
            return {"true": True, "false": False}.get(text.lower(), text)
        if field.annotation is int:
            return int(text)
        if field.annotation is float:
            return float(text)
        if get_origin(field.annotation) is tuple:
            return [part.strip() for part in text.split(",") if part.strip()]
    except ValueError:
        pass
    return text


def _rooted(section: type[Section], values: Table, base: Path) -> Table:
    """Return `values` with its relative paths made absolute from `base`."""
    return {
        key: str(base / value)
        if isinstance(value, str) and value and is_path(section.model_fields.get(key))
        else value
        for key, value in values.items()
    }


def _root_defaults(tables: dict[str, Any], base: Path) -> None:
    node = tables.setdefault("node", {})
    if isinstance(node, dict):
        node.setdefault("data_dir", str(base / Config().node.data_dir))


def _read_secrets(table: str, values: Table, origins: Origins) -> None:
    for key in [key for key in values if key.endswith("_file")]:
        path, target = values[key], key.removesuffix("_file")
        section = _section(table)
        if not (isinstance(path, str) and path and section and target in section.model_fields):
            continue
        where = origins.of(table, key)
        if values.get(target):
            raise UserError(f"{where}: {table}.{target} and {table}.{key} are both set; keep one of them")
        try:
            secret = Path(path).read_text("utf-8").strip()
        except OSError as error:
            raise UserError(f"{where}: {table}.{key}: {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UserError(f"{where}: {table}.{key}: {path}: it is not text") from None
        if not secret:
            raise UserError(f"{where}: {table}.{key}: {path} is empty")
        values[target] = secret
