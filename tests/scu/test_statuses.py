"""Statuses, beside pynetdicom's tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.status import (
    GENERAL_STATUS,
    QR_FIND_SERVICE_CLASS_STATUS,
    QR_GET_SERVICE_CLASS_STATUS,
    QR_MOVE_SERVICE_CLASS_STATUS,
    STORAGE_SERVICE_CLASS_STATUS,
)

from scu.statuses import Category, meaning
from scu.wire.command import CommandField

TABLES = [
    (CommandField.C_STORE_RSP, STORAGE_SERVICE_CLASS_STATUS),
    (CommandField.C_FIND_RSP, QR_FIND_SERVICE_CLASS_STATUS),
    (CommandField.C_MOVE_RSP, QR_MOVE_SERVICE_CLASS_STATUS),
    (CommandField.C_GET_RSP, QR_GET_SERVICE_CLASS_STATUS),
    (CommandField.C_ECHO_RSP, GENERAL_STATUS),
]


@pytest.mark.parametrize(("field", "table"), TABLES)
def test_categories_are_those_of_the_standard(field: CommandField, table: dict[int, tuple[str, str]]) -> None:
    ours = {status: str(meaning(field, status).category) for status in table}
    assert ours == {status: category.lower() for status, (category, _) in table.items()}


@pytest.mark.parametrize(
    ("field", "status", "words", "retry"),
    [
        (CommandField.C_STORE_RSP, 0xA700, "out of resources", True),
        (CommandField.C_STORE_RSP, 0xA7FF, "out of resources", True),
        (CommandField.C_STORE_RSP, 0xA900, "does not match its SOP class", False),
        (CommandField.C_STORE_RSP, 0xC123, "cannot understand", False),
        (CommandField.C_STORE_RSP, 0x0124, "not authorized", False),
        (CommandField.C_STORE_RSP, 0x0213, "resources are limited", True),
        (CommandField.C_MOVE_RSP, 0xA801, "destination", False),
        (CommandField.C_MOVE_RSP, 0xA702, "cannot send", True),
        (CommandField.C_FIND_RSP, 0xC001, "unable to process", True),
    ],
)
def test_what_helps(field: CommandField, status: int, words: str, retry: bool) -> None:
    known = meaning(field, status)
    assert words in known.words
    assert known.retry is retry


@given(st.sampled_from([field for field, _ in TABLES]), st.integers(0, 0xFFFF))
def test_every_status_has_a_meaning(field: CommandField, status: int) -> None:
    known = meaning(field, status)
    assert known.words
    assert (known.category is Category.SUCCESS) == (status == 0)


@pytest.mark.parametrize("status", [0x00A7, 0x000C, 0x00FF, 0x0A70])
def test_small_numbers_are_not_mistaken_for_their_shifted_selves(status: int) -> None:
    assert meaning(CommandField.C_STORE_RSP, status).words == "an unknown failure"
