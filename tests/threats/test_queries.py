"""Queries that mean harm, or ask for everything: T13 and T20 of the threat table (docs/security.md)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scu.wire.command import (
    ERROR_COMMENT,
)
from tests.support.caller import call, echo
from tests.support.crowded import STUDIES
from tests.support.index import fill, one_study
from tests.support.memory import forget_peak, peak, resident
from tests.support.node import NodeProcess, Running, write_config
from tests.support.querying import find
from tests.support.retrieving import identifier

MIB = 1 << 20

LITERALS = ["%", "_", "'", '"', ";", "[", "]", "\\", "'; DROP TABLE study; --", "[a-z]", "%%", "__", "a%b"]
"""Each a name as a whole, and a part of one."""


def _uids(found: list[bytes]) -> set[str]:
    """Study Instance UIDs, each the last element of an answer in Implicit VR."""
    uids = set()
    for answer in found:
        begin = answer.index(b"\x20\x00\x0d\x00") + 8
        uids.add(answer[begin:].decode().strip("\0"))
    return uids


def _by(keyword: str, value: str) -> bytes:
    """A query of one key at the study level, written by hand: some values are none of their VR."""
    raw = value.encode()
    tags = {"PatientName": b"\x10\x00\x10\x00", "StudyDescription": b"\x08\x00\x30\x10"}
    element = tags[keyword] + (len(raw) + len(raw) % 2).to_bytes(4, "little") + raw + b" " * (len(raw) % 2)
    head, uid = identifier("STUDY"), b"\x20\x00\x0d\x00\0\0\0\0"
    return head + element + uid


@pytest.mark.parametrize("keyword", ["PatientName", "StudyDescription"])
def test_what_means_something_to_a_database_is_only_itself(running_node: Running, keyword: str) -> None:
    named = {f"2.25.{n}": value for n, value in enumerate(LITERALS, 1) if "\\" not in value}
    others = {"2.25.100": "a", "2.25.101": "ab", "2.25.102": "aXb", "2.25.103": "plain"}
    everything = named | others
    fill(
        running_node.node.archive,
        (one_study(int(uid.rpartition(".")[2]), **{keyword: value}) for uid, value in everything.items()),
    )

    def matching(pattern: str) -> set[str]:
        found, final = find(running_node.port, _by(keyword, pattern))
        assert final.status == 0, pattern
        return _uids(found)

    def having(part: Callable[[str], bool]) -> set[str]:
        return {uid for uid, value in everything.items() if part(value)}

    for uid, value in named.items():
        assert matching(value) == {uid}, value
        assert matching(f"*{value}*") == having(lambda each, value=value: value in each), value
        assert matching(f"{value}*") == having(lambda each, value=value: each.startswith(value)), value
    assert matching("?") == having(lambda each: len(each) == 1)
    assert matching("a?b") == {"2.25.102", *(uid for uid, value in named.items() if value == "a%b")}
    assert matching("*") == set(everything)


def test_a_backslash_is_not_an_escape(running_node: Running) -> None:
    """It separates values, where there may be any: it never takes the meaning of what follows it."""
    fill(running_node.node.archive, [one_study(1, PatientName="%"), one_study(2, PatientName="a")])
    for pattern in ("\\%", "\\_", "\\*", "*\\", "\\"):
        found, final = find(running_node.port, _by("PatientName", pattern))
        assert final.status in (0, 0xA900), pattern
        assert _uids(found) <= {"2.25.1", "2.25.2"}
    with call(running_node.port) as channel:
        assert echo(channel) == 0


EVERYTHING = identifier("STUDY", PatientName="", PatientID="", StudyInstanceUID="")


def test_a_query_for_everything_takes_little_memory_and_has_a_ceiling(
    tmp_path: Path, crowded_url: str, start_process: Callable[..., NodeProcess]
) -> None:
    process = start_process(write_config(tmp_path, crowded_url, dicom={"max_answers": 0}))
    pid = process.process.pid
    found, final = find(process.port, _by("PatientName", "DOE^0000*"))
    assert (len(found), final.status) == (10, 0)
    before = resident(pid)
    forget_peak(pid)
    found, final = find(process.port, EVERYTHING)
    assert (len(_uids(found)), final.status) == (STUDIES, 0)
    assert peak(pid) - before < 32 * MIB
    found, final = find(process.port, EVERYTHING, cancel_after=10)
    assert final.status == 0xFE00
    assert 10 <= len(found) < STUDIES
    assert process.stop() == 0
    _check_ceiling(start_process(write_config(tmp_path, crowded_url)))


def _check_ceiling(process: NodeProcess) -> None:
    """Ask a node as it ships for everything."""
    ceiling = process.config.dicom.max_answers
    found, final = find(process.port, EVERYTHING)
    assert (len(_uids(found)), final.status) == (ceiling, 0xA700)
    assert str(ceiling) in final.string(ERROR_COMMENT)
    assert process.stop() == 0
