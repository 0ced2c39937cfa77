"""Requests, cancels and the error for a failure."""

import pytest

from scu.address import Address
from scu.operation import category_of, failed, request
from scu.statuses import Category
from scu.wire.command import ERROR_COMMENT, PRIORITY, STATUS, Command, CommandField

PACS = Address("PACS", "host", 104)


def test_a_request_names_its_class() -> None:
    command = request(CommandField.C_FIND_RQ, 7, "1.2.3", 2)
    assert (command.message_id, command.affected_sop_class_uid) == (7, "1.2.3")
    assert command.number(PRIORITY) == 2
    assert PRIORITY not in request(CommandField.C_ECHO_RQ, 7, "1.2.3").elements


@pytest.mark.parametrize(
    ("status", "words", "retry"),
    [
        (0xA801, "C-MOVE: it does not know the destination of the move (0xA801): try harder", False),
        (0xA702, "C-MOVE: out of resources: it cannot send (0xA702): try harder", True),
    ],
)
def test_a_failure_says_what_and_where(status: int, words: str, retry: bool) -> None:
    answer = Command.of(CommandField.C_MOVE_RSP).us(STATUS, status).text(ERROR_COMMENT, "try harder")
    error = failed(PACS, answer)
    assert str(error) == f"PACS at host:104 answered {words}"
    assert (error.status, error.retry) == (status, retry)
    assert category_of(answer) is Category.FAILURE
