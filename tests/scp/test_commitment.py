"""Reports of storage commitment over an association of the peer's own: with the role, without, and badly."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from node.services.commitment import Request, begin
from scp.contexts import ForStrangers, Supported
from scp.statuses import Status
from scu.commitment import COMMITMENT
from scu.wire.channel import Channel
from scu.wire.command import MESSAGE_ID, Command, CommandField
from scu.wire.errors import PeerAborted
from scu.wire.link import Link
from scu.wire.negotiate import Answer, AssociationRejected, decode_answer, encode_request
from storage.errors import Unavailable
from tests.support.caller import CT, EXPLICIT, IMPLICIT, VERIFICATION, call, connect, context_of, echo
from tests.support.caller import request as usual
from tests.support.committing import committer, delivered, event_of, report, standing
from tests.support.node import Running

REPORTING = ((VERIFICATION, (IMPLICIT,)), (COMMITMENT, (EXPLICIT, IMPLICIT)))


def known(running: Running, **rights: bool) -> None:
    running.node.peers.add("pacs", ae_title="STRANGER", host="127.0.0.1", port=104, **rights)


def asked(running: Running, count: int = 2) -> tuple[list[str], Request]:
    uids = delivered(running.node.archive, "pacs", count)
    request = begin(running.node.archive, "pacs")
    assert request is not None
    return uids, request


@contextlib.contextmanager
def reporting(
    running: Running, roles: dict[str, tuple[bool, bool]] | None = None, calling: str = "STRANGER"
) -> Iterator[Channel]:
    with call(running.port, replace(usual(REPORTING, calling), roles=roles or {})) as channel:
        yield channel


def told(channel: Channel, event: object, kind: int = 1) -> tuple[int, str]:
    """Report, and return status and comment of the answer."""
    report(channel, context_of(channel, COMMITMENT), event, kind)  # type: ignore[arg-type]
    answer = channel.receive().command
    assert (answer.field, answer.responded_to) == (CommandField.N_EVENT_REPORT_RSP, 77)
    assert answer.event_type_id == kind
    return answer.status, answer.string(0x0902)


@pytest.mark.parametrize("propose_role", [True, False])
def test_a_stranger_reports_over_its_own_association(running_node: Running, propose_role: bool) -> None:
    known(running_node)
    (one, two), request = asked(running_node)
    with committer(node_port=running_node.port, propose_role=propose_role) as stranger:
        assert stranger.call(event_of(request.transaction_uid, [one], {two: 0x0112}), 2)
    assert stranger.answers == [Status.SUCCESS]
    now = standing(running_node.node.archive)
    assert now == {one: ("delivered", "yes"), two: ("queued", "")}


def test_the_role_is_granted_and_no_other(running_node: Running) -> None:
    known(running_node)
    for proposed, granted in [((False, True), (False, True)), ((True, True), (False, True))]:
        wanted = replace(usual(REPORTING, "STRANGER"), roles={COMMITMENT: proposed})
        assert negotiated(running_node, wanted).roles == {COMMITMENT: granted}


def negotiated(running: Running, wanted: object) -> Answer:
    link = Link(connect(running.port), max_pdu=65536, idle_timeout=20, pdu_timeout=20)
    try:
        link.send([encode_request(wanted)])  # type: ignore[arg-type]
        kind, body = link.next_pdu()
        return decode_answer(kind, bytes(body), wanted)  # type: ignore[arg-type]
    finally:
        link.close()


def test_who_is_not_known_cannot_report(running_node: Running) -> None:
    _, request = asked(running_node)
    wanted = replace(usual(REPORTING, "STRANGER"), roles={COMMITMENT: (False, True)})
    answer = negotiated(running_node, wanted)
    assert [each.abstract_syntax for each in answer.contexts.values()] == [VERIFICATION]
    assert answer.roles == {}
    with committer(node_port=running_node.port) as stranger:
        assert not stranger.call(event_of(request.transaction_uid, None), 1)
    assert {each for _, each in standing(running_node.node.archive).values()} == {"asked"}


def test_a_known_node_may_report_whatever_else_it_may(running_node: Running) -> None:
    known(running_node, may_query=False, may_store=False)
    _, request = asked(running_node)
    with reporting(running_node, {COMMITMENT: (False, True)}) as channel:
        assert told(channel, event_of(request.transaction_uid, None)) == (Status.SUCCESS, "")
    with pytest.raises(AssociationRejected), call(running_node.port, usual(((CT, (EXPLICIT,)),), "STRANGER")):
        pass


@pytest.mark.parametrize("kind", [1, 2])
def test_a_report_may_come_twice(running_node: Running, kind: int) -> None:
    known(running_node)
    uids, request = asked(running_node)
    for _ in range(2):
        with reporting(running_node) as channel:
            for _ in range(2):
                assert told(channel, event_of(request.transaction_uid, uids), kind) == (Status.SUCCESS, "")
            channel.release()
    assert {each for _, each in standing(running_node.node.archive).values()} == {"yes"}


def test_another_known_node_may_report_for_the_destination(running_node: Running) -> None:
    known(running_node)
    running_node.node.peers.add("pacs-report", ae_title="REPORTER", host="127.0.0.1", port=104)
    _, request = asked(running_node)
    with reporting(running_node, calling="REPORTER") as channel:
        assert told(channel, event_of(request.transaction_uid, None))[0] == Status.SUCCESS


def test_what_cannot_be_taken_is_said_and_the_next_is(running_node: Running) -> None:
    known(running_node)
    uids, request = asked(running_node)
    with reporting(running_node) as channel:
        assert told(channel, event_of("2.25.99", uids)) == (
            Status.NO_SUCH_INSTANCE,
            "no such transaction here",
        )
        assert told(channel, event_of(request.transaction_uid, uids), 3)[0] == Status.NO_SUCH_EVENT_TYPE
        assert told(channel, event_of("", uids))[0] == Status.INVALID_ARGUMENT_VALUE
        status, comment = told(channel, b"no data set at all")
        assert (status, comment[:27]) == (Status.INVALID_ARGUMENT_VALUE, "the report cannot be read: ")
        assert echo(channel) == 0
        assert told(channel, event_of(request.transaction_uid, uids))[0] == Status.SUCCESS


def test_a_report_that_is_too_long_ends_the_association(running_node: Running) -> None:
    known(running_node)
    with reporting(running_node) as channel:
        report(channel, context_of(channel, COMMITMENT), bytes(5 << 20))
        with pytest.raises(PeerAborted):
            channel.receive()


def test_a_request_for_commitment_is_refused(running_node: Running) -> None:
    known(running_node)
    with reporting(running_node) as channel:
        command = Command.of(CommandField.N_ACTION_RQ).us(MESSAGE_ID, 5)
        channel.send(context_of(channel, COMMITMENT), command, b"")
        assert channel.receive().command.status == Status.UNRECOGNIZED_OPERATION


def test_a_report_has_its_own_context(running_node: Running) -> None:
    known(running_node)
    _, request = asked(running_node)
    with reporting(running_node) as channel:
        report(channel, context_of(channel, VERIFICATION), event_of(request.transaction_uid, None))
        assert channel.receive().command.status == Status.SOP_CLASS_NOT_SUPPORTED


def test_a_database_that_is_away_is_no_success(
    running_node: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise Unavailable("away")

    known(running_node)
    _, request = asked(running_node)
    with reporting(running_node) as channel:
        with monkeypatch.context() as patched:
            patched.setattr(running_node.node.archive, "begin", away)
            assert told(channel, event_of(request.transaction_uid, None))[0] == Status.PROCESSING_FAILURE
        assert told(channel, event_of(request.transaction_uid, None))[0] == Status.SUCCESS


def test_strangers_are_offered_the_rest() -> None:
    supported = Supported(unknown_sop_classes=True)
    offered = ForStrangers(supported)
    assert set(supported) - set(offered) == {COMMITMENT}
    assert len(offered) == len(supported) - 1
    assert offered["1.2.3.4"] == supported["1.2.3.4"]
    assert COMMITMENT not in offered
