from dataclasses import replace

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pynetdicom import AE
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation

from scp.contexts import WINDOW_MAX
from scu.wire.command import AFFECTED_SOP_CLASS_UID, MESSAGE_ID, Command, CommandField
from scu.wire.errors import PeerAborted
from scu.wire.link import Buffer
from scu.wire.negotiate import AssociationRejected, encode_request
from storage.records.attributes import Level
from tests.support.caller import (
    CT,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    call,
    connect,
    context_of,
    echo,
    request,
    store_command,
)
from tests.support.node import Running
from tests.support.samples import ct, encode


def test_another_called_title_is_rejected_for_good(running_node: Running) -> None:
    with pytest.raises(AssociationRejected) as told, call(running_node.port, request(called="OTHER")):
        pass
    assert (told.value.result, told.value.source, told.value.reason) == (1, 1, 7)


def test_each_context_gets_its_own_answer(running_node: Running) -> None:
    asked = request(((CT, ("1.2.3.4", EXPLICIT)), ("1.2.3", (EXPLICIT,)), (VERIFICATION, ("1.2.3.4",))))
    with call(running_node.port, asked) as channel:
        assert {key: each.transfer_syntax for key, each in channel.contexts.items()} == {1: EXPLICIT}


def test_an_unknown_caller_is_remembered(running_node: Running) -> None:
    for _ in range(3):
        with call(running_node.port, request(calling="SCANNER9")) as channel:
            echo(channel)
    running_node.node.callers.flush()
    with running_node.node.archive.read() as tx:
        (caller,) = tx.callers.list()
    assert (caller.ae_title, caller.address, caller.count, caller.refused) == ("SCANNER9", "127.0.0.1", 3, 0)
    assert caller.asked == ("C-ECHO", "C-FIND", "C-STORE")


def test_a_malformed_request_is_aborted(running_node: Running) -> None:
    good = encode_request(request())
    with connect(running_node.port) as sock:
        sock.sendall(good[:80] + b"\xff" * (len(good) - 80))
        assert sock.recv(10)[0] == 7


def test_several_are_stored_without_waiting_for_answers(running_node: Running) -> None:
    asked = replace(request([(CT, (EXPLICIT,)), (VERIFICATION, (IMPLICIT,))]), window=(8, 1))
    datasets = {number: encode(ct(number)) for number in range(1, 9)}
    with call(running_node.port, asked) as channel:
        whole: list[Buffer] = []
        for number, data in datasets.items():
            command = store_command(CT, ct(number).SOPInstanceUID, number)
            whole += channel.encode(context_of(channel, CT), command, data)
        ping = Command.of(CommandField.C_ECHO_RQ).us(MESSAGE_ID, 9).uid(AFFECTED_SOP_CLASS_UID, VERIFICATION)
        whole += channel.encode(context_of(channel, VERIFICATION), ping)
        channel.write(whole)
        answers = [channel.receive().command for _ in range(9)]
        channel.release()
    assert [(each.responded_to, each.status) for each in answers] == [(number, 0) for number in range(1, 10)]
    stored = running_node.node.retrieve.matching(Level.STUDY, {"StudyInstanceUID": ct(1).StudyInstanceUID})
    kept = [b"".join(running_node.node.retrieve.outgoing(each).chunks()) for each in stored]
    assert kept == list(datasets.values())


def test_a_stranger_asks_for_a_window_and_is_answered(running_node: Running) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 100, 0
    stranger = AE("STRANGER")
    stranger.add_requested_context(CT, EXPLICIT)
    association = stranger.associate("127.0.0.1", running_node.port, ae_title="ISOCENTRE", ext_neg=[window])
    try:
        assert association.acceptor.asynchronous_operations == (WINDOW_MAX, WINDOW_MAX)
        assert association.send_c_store(_with_meta(ct(1))).Status == 0
    finally:
        association.release()


def _with_meta(dataset: Dataset) -> Dataset:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT
    return dataset


def test_a_second_request_on_an_association_is_aborted(running_node: Running) -> None:
    with call(running_node.port) as channel:
        channel.link.send([encode_request(request())])
        with pytest.raises(PeerAborted):
            channel.receive()
