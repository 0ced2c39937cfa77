import contextlib
import subprocess
import threading
import time
from collections.abc import Callable

import pytest

from node.core.errors import UserError
from scp.server import Server
from scu.wire.errors import LinkClosed, PeerAborted
from scu.wire.negotiate import AssociationRejected
from tests.support.caller import call, connect, echo, request
from tests.support.dcmtk import tool
from tests.support.node import Running

StartNode = Callable[..., Running]


def test_a_stranger_is_answered(running_node: Running) -> None:
    subprocess.run(
        [tool("echoscu"), "-aec", "ISOCENTRE", "127.0.0.1", str(running_node.port)], check=True, timeout=30
    )


def test_no_more_associations_than_configured_and_the_slot_is_free_after(start_node: StartNode) -> None:
    node = start_node(dicom={"max_associations": 2})
    with call(node.port), call(node.port):
        with pytest.raises(AssociationRejected) as told, call(node.port):
            pass
        assert (told.value.result, told.value.source, told.value.reason) == (2, 3, 2)
    assert _eventually_answers(node.port)


def test_without_a_thread_for_one_the_others_go_on(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = start_node(dicom={"max_associations": 1})
    start = threading.Thread.start

    def none_left(thread: threading.Thread) -> None:
        if thread.name == "assoc":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", none_left)
        for _ in range(3):
            with pytest.raises(AssociationRejected) as told, call(node.port):
                pass
            assert (told.value.result, told.value.source, told.value.reason) == (2, 3, 2)
    with call(node.port) as channel:
        assert echo(channel) == 0


def test_one_address_cannot_take_all(start_node: StartNode) -> None:
    node = start_node(dicom={"max_associations_per_address": 1})
    with call(node.port), pytest.raises(AssociationRejected), call(node.port):
        pass


def _eventually_answers(port: int) -> bool:
    for _ in range(100):
        with contextlib.suppress(AssociationRejected), call(port) as channel:
            return echo(channel) == 0
        time.sleep(0.05)
    return False


def test_an_idle_association_is_ended(start_node: StartNode) -> None:
    node = start_node(dicom={"idle_timeout": 1})
    with call(node.port) as channel:
        with pytest.raises((PeerAborted, LinkClosed)):
            channel.receive()
        assert _eventually_empty(node.server)


def _eventually_empty(server: Server) -> bool:
    for _ in range(200):
        if not any(thread.name == "assoc" for thread in threading.enumerate()):
            return True
        time.sleep(0.02)
    return False


def test_a_port_that_is_taken_is_said_so(running_node: Running) -> None:
    with pytest.raises(UserError, match=r"\[dicom\] port: cannot listen on 127\.0\.0\.1"):
        Server(running_node.node).start()


def test_several_may_share_a_port(start_node: StartNode) -> None:
    node = start_node()
    node.server.stop()
    first, second = Server(node.node, shared=True), Server(node.node, shared=True)
    first.start()
    second.start()
    for _ in range(8):
        with call(node.port) as channel:
            assert echo(channel) == 0
    first.stop()
    with call(node.port) as channel:
        assert echo(channel) == 0
    second.stop()


def test_stopping_lets_an_association_finish(start_node: StartNode) -> None:
    node = start_node(dicom={"drain_timeout": 10})
    with call(node.port) as channel:
        echo(channel)
        stopping = threading.Thread(target=node.server.stop)
        stopping.start()
        time.sleep(0.3)
        assert echo(channel) == 0
        channel.release()
        stopping.join(5)
        assert not stopping.is_alive()
        with pytest.raises(ConnectionError):
            connect(node.port, 1)


def test_stopping_ends_who_says_nothing(start_node: StartNode) -> None:
    node = start_node(dicom={"drain_timeout": 30})
    with call(node.port) as channel:
        echo(channel)
        began = threading.Thread(target=node.server.stop)
        began.start()
        with pytest.raises((LinkClosed, PeerAborted)):
            channel.receive()
        began.join(10)
        assert not began.is_alive()


def test_five_thousand_associations_leave_nothing_behind(running_node: Running) -> None:
    # T22: a tenth here, all of them in the soak.
    _associate(running_node.port, 500)


@pytest.mark.soak
def test_five_thousand_associations_do_not_grow_the_process(running_node: Running) -> None:
    _associate(running_node.port, 500)
    before = _resident()
    _associate(running_node.port, 4500)
    assert _resident() - before < 20 * 1024 * 1024


def _associate(port: int, count: int) -> None:
    for index in range(count):
        with call(port, request((("1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),))) as channel:
            assert echo(channel) == 0
            if index % 2:
                channel.release()
    assert _settled()


def _settled() -> bool:
    for _ in range(200):
        if sum(thread.name == "assoc" for thread in threading.enumerate()) == 0:
            return True
        time.sleep(0.02)
    return False


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
