"""What every section of the configuration is made of: the frozen model and the types of its values.

A section is read strictly: a number in quotes is a mistake that is reported, not repaired. The docstring
under each field is its documentation, from which `node.config.reference` writes config.toml and
docs/configuration.md.
"""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """One table of config.toml."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        # Values may be secrets, and errors are printed.
        hide_input_in_errors=True,
    )


def check_ae_title(title: str) -> str:
    """Return `title` when it is an AE of PS3.5 6.2, without the spaces around it.

    Raises
    ------
    ValueError
        It is empty, longer than 16 characters, or has a backslash or a control character.
    """
    title = title.strip(" ")
    if not 1 <= len(title) <= 16 or "\\" in title or not (title.isascii() and title.isprintable()):
        raise ValueError("expected an AE title: 1 to 16 printable ASCII characters without a backslash")
    return title


def check_host(host: str) -> str:
    """Return `host` when it can be a host name or an address.

    Raises
    ------
    ValueError
        It is empty, longer than 253 characters, or has other characters than names and addresses have.
    """
    if not 1 <= len(host) <= 253 or not all(c.isascii() and (c.isalnum() or c in "-._:%") for c in host):
        raise ValueError("expected a host name or an address")
    return host


def check_time_of_day(text: str) -> str:
    """Return `text` when it is a time of day.

    Raises
    ------
    ValueError
        It is not HH:MM from 00:00 to 23:59.
    """
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("expected a time of day from 00:00 to 23:59, as in 02:30")
    return text


def check_status_pattern(text: str) -> str:
    """Return `text` when it names one DIMSE status or several.

    Raises
    ------
    ValueError
        It is not four hexadecimal digits, of which some may be an x.
    """
    if not re.fullmatch(r"[0-9A-Fa-fx]{4}", text):
        raise ValueError('expected statuses of four hexadecimal digits, x for any, as in "A9xx"')
    return text


AeTitle = Annotated[str, AfterValidator(check_ae_title)]
Host = Annotated[str, AfterValidator(check_host)]
Port = Annotated[int, Field(ge=0, le=65535)]
TimeOfDay = Annotated[str, AfterValidator(check_time_of_day)]
StatusPattern = Annotated[str, AfterValidator(check_status_pattern)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
Folder = Annotated[Path, Field(strict=False, json_schema_extra={"path": True})]
File = Annotated[str, Field(json_schema_extra={"path": True})]
"""Path of a file, made absolute when the configuration is read; empty is none."""


def is_path(field: FieldInfo | None) -> bool:
    """Tell whether the value of `field` is the path of a file or folder."""
    extra = field.json_schema_extra if field else None
    return isinstance(extra, dict) and bool(extra.get("path"))
