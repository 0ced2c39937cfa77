import pytest

from scu.wire.errors import PeerAborted
from scu.wire.negotiate import AssociationRejected, encode_request
from tests.support.caller import CT, EXPLICIT, VERIFICATION, call, connect, echo, request
from tests.support.node import Running


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


def test_a_second_request_on_an_association_is_aborted(running_node: Running) -> None:
    with call(running_node.port) as channel:
        channel.link.send([encode_request(request())])
        with pytest.raises(PeerAborted):
            channel.receive()
