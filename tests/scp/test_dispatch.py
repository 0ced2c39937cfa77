import pytest

from scp.statuses import Status
from scu.wire.command import AFFECTED_SOP_CLASS_UID, MESSAGE_ID, Command, CommandField
from scu.wire.errors import PeerAborted
from tests.support.caller import CT, VERIFICATION, call, context_of, echo, pdata, pdv, store_command
from tests.support.node import Running


def test_an_operation_that_we_have_not_is_refused_and_the_association_lives(running_node: Running) -> None:
    with call(running_node.port) as channel:
        command = Command.of(CommandField.N_ACTION_RQ).us(MESSAGE_ID, 5)
        channel.send(context_of(channel, VERIFICATION), command, b"")
        assert channel.receive().command.status == Status.UNRECOGNIZED_OPERATION
        assert echo(channel) == 0


def test_a_message_in_a_context_of_another_service_is_refused(running_node: Running) -> None:
    with call(running_node.port) as channel:
        command = store_command(CT, "1.2.3")
        channel.send(context_of(channel, VERIFICATION), command, b"x" * 10)
        assert channel.receive().command.status == Status.SOP_CLASS_NOT_SUPPORTED
        assert echo(channel) == 0


def test_a_cancel_of_nothing_is_not_answered(running_node: Running) -> None:
    with call(running_node.port) as channel:
        cancel = Command.of(CommandField.C_CANCEL_RQ).us(0x0120, 77)
        channel.send(context_of(channel, VERIFICATION), cancel)
        assert echo(channel, 9) == 0


def test_a_release_is_answered(running_node: Running) -> None:
    with call(running_node.port) as channel:
        channel.release()


def test_a_request_that_breaks_the_protocol_is_aborted_with_its_reason(running_node: Running) -> None:
    with call(running_node.port) as channel:
        channel.link.send([pdata(pdv(1, 0, b"data without a command"))])
        with pytest.raises(PeerAborted) as told:
            channel.receive()
        assert (told.value.source, told.value.reason) == (2, 2)


def test_what_a_handler_raises_is_an_answer(running_node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret of a patient")

    monkeypatch.setattr(running_node.node.ingest, "receive", broken)
    with call(running_node.port) as channel:
        channel.send(context_of(channel, CT), store_command(CT, "1.2.3"), b"x" * 100)
        command = channel.receive().command
        assert command.status == Status.PROCESSING_FAILURE
        assert command.string(0x0902) == "internal error: RuntimeError"
        assert echo(channel) == 0


def test_commands_may_be_cut_anywhere(running_node: Running) -> None:
    command = Command.of(CommandField.C_ECHO_RQ).us(MESSAGE_ID, 3).uid(AFFECTED_SOP_CLASS_UID, VERIFICATION)
    encoded = command.encode()
    with call(running_node.port) as channel:
        for cut in (1, 7, len(encoded) - 1):
            channel.link.send([pdata(pdv(1, 1, encoded[:cut])), pdata(pdv(1, 3, encoded[cut:]))])
            assert channel.receive().command.status == 0
