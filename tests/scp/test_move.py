"""C-MOVE to dcmtk's storescp, and to receivers that refuse, abort, stall or take little."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from scp.move import WINDOW
from scp.statuses import Status
from scu.wire.command import MESSAGE_ID, MOVE_DESTINATION, Command, CommandField
from tests.scu.transcoding.test_convert import dataset_of
from tests.support import retrieving
from tests.support.caller import call, context_of, request
from tests.support.dcmtk import tool
from tests.support.faulty import Act, Fault, FaultyPeer
from tests.support.node import Running
from tests.support.retrieving import (
    PATIENT_MOVE,
    STUDY_MOVE,
    Retrieved,
    ask,
    cancel,
    fill,
    identifier,
    uids,
)
from tests.support.samples import BIG_ENDIAN, CT_CLASS, DEFLATED, EXPLICIT, IMPLICIT, MR_CLASS, ct, encode, mr
from tests.support.strangers import storescp

STUDY = identifier("STUDY", StudyInstanceUID="2.25.4711.1")
ALL = [*(ct(n) for n in range(1, 6)), mr(1), mr(2)]

Start = Callable[..., FaultyPeer]


@pytest.fixture
def filled(start_node: Callable[..., Running]) -> Running:
    """Study 1: five CT and two MR."""
    running = start_node(dicom={"response_timeout": 3, "connect_timeout": 3})
    fill(running.port, ALL)
    return running


@pytest.fixture
def peer() -> Iterator[Start]:
    """Start receivers: `peer(running, Fault(2, Act.ABORT))`, known to the node as DEST."""
    started = []

    def start(running: Running, *faults: Fault, **settings: object) -> FaultyPeer:
        made = FaultyPeer(faults, **settings)  # type: ignore[arg-type]
        started.append(made)
        running.node.peers.add("dest", ae_title="DEST", host="127.0.0.1", port=made.port)
        return made

    yield start
    for each in started:
        each.stop()


def move(running: Running, keys: bytes = STUDY, **how: object) -> Retrieved:
    model = str(how.pop("model", STUDY_MOVE))
    with call(running.port, request([(model, (IMPLICIT,))], calling="MOVER")) as channel:
        result = ask(channel, model, keys, **{"destination": "DEST", **how})  # type: ignore[arg-type]
        channel.release()
    return result


def contents(datasets: list[Dataset], syntax: str = EXPLICIT) -> dict[str, bytes]:
    return {str(each.SOPInstanceUID): encode(each, syntax) for each in datasets}


def test_a_study_arrives_and_is_counted(
    filled: Running, peer: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scp.delivery.TELL_SECONDS", 0.0)
    dest = peer(filled)
    result = move(filled)
    assert dest.stored == contents(ALL)
    assert list(dest.stored) == uids(ALL)
    assert [each.numbers for each in result.pending] == [(7 - n, n, 0, 0) for n in range(7)]
    assert (result.end.status, result.end.numbers) == (0, (None, 7, 0, 0))
    assert len(dest.requests) == 1
    assert (dest.requests[0].calling_ae, dest.requests[0].called_ae) == ("ISOCENTRE", "DEST")
    for message in dest.messages:
        assert message.command.string(0x1030) == "MOVER"
        assert message.command.number(0x1031) == 7
        assert message.command.number(0x0700) == 2


def test_the_contexts_are_those_that_are_needed(filled: Running, peer: Start) -> None:
    dest = peer(filled)
    move(filled)
    proposed = {(each.abstract_syntax, each.transfer_syntaxes) for each in dest.requests[0].proposals}
    assert proposed == {(uid, (syntax,)) for uid in (CT_CLASS, MR_CLASS) for syntax in (EXPLICIT, IMPLICIT)}


def test_the_patient_level(filled: Running, peer: Start) -> None:
    dest = peer(filled)
    assert move(filled, identifier("PATIENT", PatientID="P00001"), model=PATIENT_MOVE).end.status == 0
    assert len(dest.stored) == 7


def test_a_destination_that_nobody_named(filled: Running) -> None:
    result = move(filled, destination="127.0.0.1")
    assert (result.end.status, result.end.numbers) == (0xA801, (None, 0, 0, 0))
    assert move(filled, destination=" ").end.status == Status.MOVE_DESTINATION_UNKNOWN


def test_a_destination_that_is_down(filled: Running, peer: Start) -> None:
    peer(filled).stop()
    result = move(filled)
    assert (result.end.status, result.end.numbers) == (0xA702, (None, 0, 7, 0))
    assert result.end.comment == "the destination cannot be reached"
    assert result.end.failed_uids == uids(ALL)


def test_a_destination_that_rejects(filled: Running, peer: Start) -> None:
    peer(filled, reject=(1, 1, 3))
    result = move(filled)
    assert (result.end.status, result.end.comment) == (0xA702, "the destination rejected the association")


def test_a_destination_that_accepts_no_context(filled: Running, peer: Start) -> None:
    dest = peer(filled, accepts={})
    result = move(filled)
    assert (result.end.status, len(result.end.failed_uids)) == (0xA702, 7)
    assert dest.messages == []


def test_a_destination_that_takes_one_class_only(filled: Running, peer: Start) -> None:
    peer(filled, accepts={MR_CLASS: frozenset((EXPLICIT,))})
    result = move(filled)
    assert (result.end.status, result.end.numbers) == (0xB000, (None, 2, 5, 0))
    assert result.end.failed_uids == uids(ALL[:5])


def test_a_destination_that_takes_implicit_vr_only(filled: Running, peer: Start) -> None:
    dest = peer(filled, accepts={uid: frozenset((IMPLICIT,)) for uid in (CT_CLASS, MR_CLASS)})
    assert move(filled).end.numbers == (None, 7, 0, 0)
    assert dest.stored == contents(ALL, IMPLICIT)


@pytest.mark.parametrize("kept", [IMPLICIT, DEFLATED, BIG_ENDIAN])
def test_whatever_is_kept_reaches_a_plain_receiver(
    start_node: Callable[..., Running], peer: Start, kept: str
) -> None:
    running = start_node()
    fill(running.port, [ct(1, PixelData=None)], kept)
    dest = peer(running, accepts={CT_CLASS: frozenset((EXPLICIT,))})
    assert move(running).end.numbers == (None, 1, 0, 0)
    assert dest.stored == contents([ct(1, PixelData=None)])


def test_answers_of_the_destination_are_counted(filled: Running, peer: Start) -> None:
    peer(filled, Fault(2, Act.STATUS, 0xB000), Fault(3, Act.STATUS, 0xA700), Fault(6, Act.STATUS, 0xC000))
    result = move(filled)
    assert (result.end.status, result.end.numbers) == (0xB000, (None, 4, 2, 1))
    assert result.end.failed_uids == uids([ALL[2], ALL[5]])


@pytest.mark.parametrize("act", [Act.ABORT, Act.CLOSE, Act.NONSENSE, Act.RELEASE, Act.WRONG_ID, Act.STALL])
def test_an_association_that_breaks_costs_one_instance(filled: Running, peer: Start, act: Act) -> None:
    dest = peer(filled, Fault(3, act))
    result = move(filled)
    assert (result.end.status, result.end.numbers) == (0xB000, (None, 6, 1, 0))
    assert result.end.failed_uids == uids([ALL[2]])
    assert len(dest.requests) == 2  # another association carried the rest
    assert set(dest.stored) == set(uids(ALL)) - set(uids([ALL[2]]))


def test_a_destination_that_always_breaks_is_given_up(filled: Running, peer: Start) -> None:
    dest = peer(filled, *(Fault(number, Act.ABORT) for number in range(3, 20)))
    result = move(filled)
    assert (result.end.status, result.end.numbers) == (0xB000, (None, 2, 5, 0))
    assert len(dest.requests) == 2


def test_a_cancel_ends_it(filled: Running, peer: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    dest = peer(filled, Fault(4, Act.WAIT))

    def cancel_and_go_on(*what: object) -> None:
        cancel(*what)  # type: ignore[arg-type]
        dest.go.set()

    monkeypatch.setattr(retrieving, "cancel", cancel_and_go_on)
    result = move(filled, cancel_after=2)
    end = result.end
    assert end.status == Status.CANCEL
    assert end.remaining is not None
    assert end.completed == len(dest.stored) == 7 - end.remaining
    assert move(filled).end.status == 0


def test_a_mover_that_hangs_up_stops_the_sending(filled: Running, peer: Start) -> None:
    dest = peer(filled)
    with call(filled.port, request([(STUDY_MOVE, (IMPLICIT,))])) as channel:
        command = Command.of(CommandField.C_MOVE_RQ).us(MESSAGE_ID, 1).text(MOVE_DESTINATION, "DEST")
        channel.send(context_of(channel, STUDY_MOVE), command, STUDY)
        channel.abort()
    assert move(filled).end.status == 0
    assert dest.stored == contents(ALL)


def test_more_classes_than_an_association_can_carry(start_node: Callable[..., Running], peer: Start) -> None:
    running = start_node(dicom={"unknown_sop_classes": True})
    many = [ct(n, SOPClassUID=f"1.2.826.0.1.3680043.9.9999.{n}") for n in range(1, 76)]
    fill(running.port, many)
    dest = peer(running)
    result = move(running)
    assert (result.end.status, result.end.numbers) == (0, (None, 75, 0, 0))
    assert len(dest.requests) == 2
    assert all(len(each.proposals) <= 128 for each in dest.requests)
    assert dest.stored == contents(many)


def test_movescu_moves_to_storescp(filled: Running, tmp_path: Path) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    with storescp(folder, "+B", "+xa") as dest:
        filled.node.peers.add("dest", ae_title=dest.ae_title, host="localhost", port=dest.port)
        movescu(filled, dest.ae_title, "QueryRetrieveLevel=STUDY", "StudyInstanceUID=2.25.4711.1")
        got = {str(pydicom.dcmread(path).SOPInstanceUID): dataset_of(path)[0] for path in dest.files}
    assert got == contents(ALL)


def test_storescp_that_takes_implicit_vr_only(filled: Running, tmp_path: Path) -> None:
    folder = tmp_path / "received"
    folder.mkdir()
    with storescp(folder, "+B", "+xi") as dest:
        filled.node.peers.add("dest", ae_title=dest.ae_title, host="localhost", port=dest.port)
        movescu(filled, dest.ae_title, "QueryRetrieveLevel=SERIES", "SeriesInstanceUID=2.25.4711.1.2")
        got = {str(pydicom.dcmread(path).SOPInstanceUID): dataset_of(path) for path in dest.files}
    assert got == {uid: (data, IMPLICIT) for uid, data in contents(ALL[5:], IMPLICIT).items()}


def movescu(running: Running, destination: str, *keys: str) -> None:
    arguments = [str(tool("movescu")), "-S", "-aec", "ISOCENTRE", "-aem", destination]
    for key in keys:
        arguments += ["-k", key]
    subprocess.run([*arguments, "127.0.0.1", str(running.port)], check=True, timeout=120)


@pytest.mark.parametrize("window", [None, (1, 1), (3, 1), (0, 1)])
def test_as_many_are_on_their_way_as_the_destination_grants(
    filled: Running, peer: Start, window: tuple[int, int] | None
) -> None:
    dest = peer(filled, Fault(2, Act.STATUS, 0xA700), window=window)
    result = move(filled)
    assert dest.requests[0].window == (WINDOW, 1)
    assert dest.stored == contents([*ALL[:1], *ALL[2:]])
    assert (result.end.status, result.end.numbers) == (0xB000, (None, 6, 1, 0))
    assert result.end.failed_uids == uids([ALL[1]])


def test_all_that_were_on_their_way_are_failed_by_an_abort(filled: Running, peer: Start) -> None:
    dest = peer(filled, Fault(3, Act.ABORT), window=(3, 1))
    result = move(filled)
    assert result.end.completed + result.end.failed == 7
    assert result.end.failed in (1, 2, 3)
    assert result.end.completed <= len(dest.stored)
