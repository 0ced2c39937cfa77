"""What docs/conformance.md says in numbers is what the code does; its tables are tested by tests/scp."""

import re

import pytest

from node.config import DicomSection
from node.intake import charsets
from scp import admission, lobby
from scp.elements import IDENTIFIER_MAX
from scp.statuses import Status
from scu.wire import channel, link, negotiate
from tests.house.sources import ROOT

TEXT = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
ROWS = {cells[0]: cells[1] for cells in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)}
REJECTIONS = (
    admission.APPLICATION_CONTEXT_UNKNOWN,
    admission.CALLED_AE_UNKNOWN,
    admission.CALLING_AE_UNKNOWN,
    admission.TOO_MANY,
    admission.STOPPING,
)


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("largest PDU sent", channel._OWN_MAX),
        ("largest A-ASSOCIATE-RQ", link.ASSOCIATE_MAX),
        ("largest command set", channel.COMMAND_MAX),
        ("largest identifier of a query or retrieval", IDENTIFIER_MAX),
        ("presentation contexts", negotiate.CONTEXTS_MAX),
        ("connections waiting for their request", lobby.WAITING_MAX),
        ("Implementation Class UID", negotiate.IMPLEMENTATION_CLASS_UID),
        ("Implementation Version Name", negotiate.IMPLEMENTATION_VERSION_NAME),
        ("Application Context Name", negotiate.APPLICATION_CONTEXT),
    ],
)
def test_limits(row: str, value: object) -> None:
    assert re.search(rf"(?<![\w.]){re.escape(str(value))}(?![\w.])", ROWS[row])


def test_defaults_of_keys() -> None:
    said = re.findall(r"`dicom\.(\w+)`(?:, | \()([A-Z]+|\d+)", TEXT)
    assert len(said) >= 10
    defaults = DicomSection().model_dump()
    assert [(key, value) for key, value in said if str(defaults[key]).removesuffix(".0") != value] == []


def test_rejections() -> None:
    said = re.findall(r"^\| (\d), (\d), (\d) \|", TEXT, re.MULTILINE)
    expected = {(each.result, each.source, each.reason) for each in REJECTIONS}
    assert {tuple(map(int, each)) for each in said} == expected


def test_statuses_in_the_text_are_ours_or_said_not_to_be() -> None:
    said = {int(each, 16) for each in re.findall(r"\b0x([0-9A-F]{4})\b", TEXT)}
    assert said - set(Status) == {0xB006, 0xB007}


def test_character_sets() -> None:
    said = TEXT[TEXT.index("## Character sets") : TEXT.index("## Security")]
    assert all(re.search(rf"\b{number}\b", said) for number in {**charsets._SINGLE, **charsets._WHOLE})
