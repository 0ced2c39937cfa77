"""One association's share, over real channels: order, look-ahead, choice of context, what breaks."""

import socket
import struct
import threading
from collections import deque
from collections.abc import Collection, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from node.delivery.loading import Loader
from node.root import Node
from scp import delivery
from scp.delivery import Delivery, Lost
from scp.suboperations import Suboperations
from scu.wire.channel import Channel, Context, Message
from scu.wire.command import MESSAGE_ID, Command, CommandField, response_to
from scu.wire.errors import LinkClosed, WireError
from scu.wire.link import Link
from storage.records.attributes import Level
from storage.records.objects import StoredInstance
from tests.node.services.test_retrieve import flip
from tests.support.arrivals import arrival, place, put
from tests.support.opened import path_of
from tests.support.retrieving import STUDY_MOVE
from tests.support.samples import CT_CLASS, EXPLICIT, IMPLICIT, ct, encode

ASKED = Context(1, STUDY_MOVE, IMPLICIT)
EXPLICIT_CT, IMPLICIT_CT = Context(1, CT_CLASS, EXPLICIT), Context(3, CT_CLASS, IMPLICIT)


def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every instance be streamed."""
    monkeypatch.setattr("node.services.retrieve.WHOLE_MAX", 100)
    monkeypatch.setattr("node.services.retrieve.AHEAD_MAX", 100)
    monkeypatch.setattr("node.delivery.loading.AHEAD_MAX", 100)


def ends(contexts: tuple[Context, ...]) -> tuple[Channel, Channel]:
    links = [Link(end, max_pdu=16384, idle_timeout=20, pdu_timeout=20) for end in socket.socketpair()]
    table = {context.context_id: context for context in contexts}
    return Channel(links[0], table, 16384), Channel(links[1], table, 16384)


class Setting:
    """A delivery with a peer that asked and a receiver, both at the other ends of real channels."""

    def __init__(self, node: Node, instances: list[StoredInstance], *contexts: Context) -> None:
        self.to_peer, self.peer = ends((ASKED,))
        self.to_receiver, self.receiver = ends(contexts)
        session = SimpleNamespace(channel=self.to_peer, log=structlog.get_logger())
        message = Message(ASKED, Command.of(CommandField.C_MOVE_RQ).us(MESSAGE_ID, 1))
        self.counted = Suboperations(session, message, len(instances))  # type: ignore[arg-type]
        self.received: list[tuple[str, str, bytes]] = []
        self.statuses: dict[int, int] = {}
        self.leave_after = -1
        loader = Loader(
            node.retrieve,
            self.to_receiver,
            {(each.abstract_syntax, each.transfer_syntax): each for each in contexts},
            next_id=iter(range(1, 1000)).__next__,
            originator=("MOVER", 5),
        )
        self.delivery = Delivery(self.counted, self.to_receiver, loader, deque(instances))
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def _receive(self) -> None:
        try:
            while True:
                message = self.receiver.receive()
                data = self.receiver.read_dataset(1 << 30)
                uid = message.command.affected_sop_instance_uid
                self.received.append((uid, message.context.transfer_syntax, data))
                if len(self.received) == self.leave_after:
                    self.receiver.link.close()
                    return
                status = self.statuses.get(len(self.received), 0)
                self.receiver.send(message.context, response_to(message.command, status))
        except WireError:
            pass

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        counted = self.counted
        return counted.remaining, counted.completed, counted.failed, counted.warning

    def close(self) -> None:
        for channel in (self.to_peer, self.peer, self.to_receiver, self.receiver):
            channel.link.close()
        self._thread.join(20)


@pytest.fixture
def stored(node: Node) -> list[StoredInstance]:
    """Four instances of a series."""
    for number in range(1, 5):
        blob = place(node.blobs, encode(ct(number)))
        put(node.archive, arrival(1, 1, number, blob=blob))
    return node.retrieve.matching(Level.STUDY, {"StudyInstanceUID": "1.2.1"})


@pytest.fixture
def setting(node: Node, stored: list[StoredInstance]) -> Iterator[Setting]:
    made = Setting(node, stored, EXPLICIT_CT, IMPLICIT_CT)
    yield made
    made.close()


def test_everything_goes_in_order_in_its_own_syntax(setting: Setting) -> None:
    assert setting.delivery.run() is False
    expected = [(f"1.2.1.1.{number}", EXPLICIT, encode(ct(number))) for number in range(1, 5)]
    assert setting.received == expected
    assert setting.numbers == (0, 4, 0, 0)
    assert setting.delivery.answered


def test_the_next_is_read_while_the_receiver_works(
    node: Node, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    ahead, answer = node.retrieve.ahead, setting.to_receiver.answer_to_any

    def read(instance: StoredInstance) -> Any:
        order.append(f"read {instance.sop_instance_uid[-1]}")
        return ahead(instance)

    def wait(field: CommandField, message_ids: Collection[int]) -> Message:
        order.append(f"wait {min(message_ids)}")
        return answer(field, message_ids)

    monkeypatch.setattr(node.retrieve, "ahead", read)
    monkeypatch.setattr(setting.to_receiver, "answer_to_any", wait)
    setting.delivery.run()
    assert order == ["read 1", "read 2", "wait 1", "read 3", "wait 2", "read 4", "wait 3", "wait 4"]


def test_another_syntax_is_made_where_the_stored_one_is_not_taken(
    node: Node, stored: list[StoredInstance]
) -> None:
    setting = Setting(node, stored, IMPLICIT_CT)
    setting.delivery.run()
    assert setting.received[0] == ("1.2.1.1.1", IMPLICIT, encode(ct(1), IMPLICIT))
    assert setting.numbers == (0, 4, 0, 0)
    setting.close()


def test_what_no_context_fits_fails_and_the_rest_goes_on(node: Node, stored: list[StoredInstance]) -> None:
    put(node.archive, arrival(1, 2, 1, blob=place(node.blobs, b"x"), sop_class="1.2.3", SeriesNumber="0"))
    instances = node.retrieve.matching(Level.STUDY, {"StudyInstanceUID": "1.2.1"})
    setting = Setting(node, instances, EXPLICIT_CT)
    setting.delivery.run()
    assert setting.numbers == (0, 4, 1, 0)
    assert setting.counted.failed_uids == ["1.2.1.2.1"]
    setting.close()


@pytest.mark.parametrize("damaged", [1, 3, 4])
def test_damage_read_ahead_fails_alone(
    node: Node, stored: list[StoredInstance], setting: Setting, damaged: int
) -> None:
    flip(path_of(node, stored[damaged - 1].blob.key), -1)
    setting.delivery.run()
    assert setting.numbers == (0, 3, 1, 0)
    assert setting.counted.failed_uids == [f"1.2.1.1.{damaged}"]


def test_damage_of_a_large_one_is_found_before_it_leaves(
    node: Node, stored: list[StoredInstance], setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything_is_large(monkeypatch)
    flip(path_of(node, stored[1].blob.key), -1)
    setting.delivery.run()
    assert not setting.to_receiver.torn
    assert [uid for uid, _, _ in setting.received] == ["1.2.1.1.1", "1.2.1.1.3", "1.2.1.1.4"]
    assert setting.counted.failed_uids == ["1.2.1.1.2"]


def test_deep_nesting_fails_alone(node: Node, stored: list[StoredInstance]) -> None:
    deep = struct.pack("<HH2sxxLHHL", 8, 0x1140, b"SQ", 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 5000
    put(node.archive, arrival(1, 2, 1, blob=place(node.blobs, deep), SeriesNumber="0"))
    instances = node.retrieve.matching(Level.STUDY, {"StudyInstanceUID": "1.2.1"})
    setting = Setting(node, instances, IMPLICIT_CT)
    setting.delivery.run()
    assert setting.counted.failed_uids == ["1.2.1.2.1"]
    assert setting.numbers == (0, 4, 1, 0)
    setting.close()


def test_an_association_that_breaks_is_lost_with_what_was_on_its_way(setting: Setting) -> None:
    setting.leave_after = 3
    with pytest.raises(Lost) as told:
        setting.delivery.run()
    assert isinstance(told.value.__cause__, LinkClosed)
    assert setting.numbers == (1, 2, 1, 0)
    assert [each.sop_instance_uid for each in setting.delivery.left] == ["1.2.1.1.4"]
    assert setting.delivery.answered


def test_a_torn_message_ends_the_association(
    node: Node, stored: list[StoredInstance], setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Between the proof and the sending, and after 1 MiB has left.
    blob = place(node.blobs, bytes(4 << 20))
    put(node.archive, arrival(2, 1, 1, blob=blob))
    (large,) = node.retrieve.matching(Level.STUDY, {"StudyInstanceUID": "1.2.2"})
    everything_is_large(monkeypatch)
    original = setting.to_receiver.link.send

    def rot(buffers: Any) -> None:
        flip(path_of(node, blob.key), -1)
        monkeypatch.setattr(setting.to_receiver.link, "send", original)
        original(buffers)

    monkeypatch.setattr(setting.to_receiver.link, "send", rot)
    setting.delivery.left.appendleft(large)
    setting.counted.remaining += 1
    with pytest.raises(Lost):
        setting.delivery.run()
    assert setting.to_receiver.torn
    assert setting.counted.failed_uids == ["1.2.2.1.1"]


def test_the_peer_hears_of_a_large_instance_on_its_way(
    node: Node, stored: list[StoredInstance], setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything_is_large(monkeypatch)
    monkeypatch.setattr(delivery, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(delivery, "TELL_SECONDS", 0.0)
    setting.delivery.run()
    told = []
    while setting.peer.link.readable():
        told.append(setting.peer.receive().command.number(0x1020))
    assert told == [4, 3, 2, 1]  # while each was on its way; of the last, the last response tells


def test_a_peer_that_left_during_a_heartbeat_ends_everything(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything_is_large(monkeypatch)
    monkeypatch.setattr(delivery, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(setting.counted, "cancelled", lambda: False)
    setting.peer.link.close()
    with pytest.raises(WireError):
        setting.delivery.run()
    assert setting.counted.failed == 0
