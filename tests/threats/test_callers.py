"""Who may do what: titles are claims, addresses and records decide (T16, T19)."""

from collections.abc import Callable

import pytest

from scu.wire.command import AFFECTED_SOP_CLASS_UID, MESSAGE_ID, PRIORITY, Command, CommandField
from scu.wire.negotiate import AssociationRejected
from tests.support.caller import STUDY_FIND, call, context_of, echo, request, store
from tests.support.node import Running
from tests.support.samples import ct, encode

NOT_AUTHORIZED = 0x0124
KEYS = bytes.fromhex("08005200 06000000") + b"STUDY " + bytes.fromhex("10002000 00000000")


def _find(port: int, calling: str) -> int:
    with call(port, request(calling=calling)) as channel:
        command = Command.of(CommandField.C_FIND_RQ).us(MESSAGE_ID, 1).us(PRIORITY, 0)
        channel.send(context_of(channel, STUDY_FIND), command.uid(AFFECTED_SOP_CLASS_UID, STUDY_FIND), KEYS)
        while True:
            message = channel.receive()
            if message.command.status not in (0xFF00, 0xFF01):
                return message.command.status


def _store(port: int, calling: str) -> int:
    with call(port, request(calling=calling)) as channel:
        dataset = ct(1)
        return store(channel, encode(dataset), dataset.SOPInstanceUID)[0]


def _know(node: Running, title: str, host: str, **rights: bool) -> None:
    node.node.peers.add(title.lower(), ae_title=title, host=host, port=104, **rights)


def test_with_defaults_a_stranger_stores_and_may_not_query(start_node: Callable[..., Running]) -> None:
    node = start_node(dicom={"query_from": "known"})
    assert _store(node.port, "STRANGER") == 0
    assert _find(node.port, "STRANGER") == NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("host", "rights", "stored", "found"),
    [
        ("127.0.0.1", {}, 0, 0),
        ("localhost", {}, 0, 0),
        ("127.0.0.1", {"may_store": False}, NOT_AUTHORIZED, 0),
        ("127.0.0.1", {"may_query": False}, 0, NOT_AUTHORIZED),
        ("10.99.99.99", {}, None, None),  # the right title from the wrong address is a stranger
    ],
)
def test_a_known_node_may_what_its_record_says(
    start_node: Callable[..., Running],
    host: str,
    rights: dict[str, bool],
    stored: int | None,
    found: int | None,
) -> None:
    node = start_node(dicom={"store_from": "known", "query_from": "known"})
    _know(node, "PACS", host, **rights)
    for service, expected in ((_store, stored), (_find, found)):
        if expected is None:
            with pytest.raises(AssociationRejected) as told:
                service(node.port, "PACS")
            assert (told.value.result, told.value.source, told.value.reason) == (1, 1, 3)
        else:
            assert service(node.port, "PACS") == expected


def test_a_title_that_is_not_known_is_turned_away(start_node: Callable[..., Running]) -> None:
    node = start_node(dicom={"store_from": "known", "query_from": "known"})
    _know(node, "PACS", "127.0.0.1")
    with pytest.raises(AssociationRejected), call(node.port, request(calling="OTHER")):
        pass
    with call(node.port, request(calling="PACS")) as channel:
        assert echo(channel) == 0


@pytest.mark.parametrize("title", ["../../etc", "a\\b", "%s%s", "'; DROP", "\x00A", "é"])
def test_odd_titles_are_only_titles(start_node: Callable[..., Running], title: str) -> None:
    node = start_node()
    asked = request(calling="PLACEHOLDER")
    from scu.wire.link import Link
    from scu.wire.negotiate import encode_request
    from tests.support.caller import connect

    raw = title.encode("utf-8")[:16].ljust(16)
    pdu = encode_request(asked).replace(b"PLACEHOLDER".ljust(16), raw)
    with connect(node.port) as sock:
        link = Link(sock, max_pdu=65536, idle_timeout=10, pdu_timeout=10)
        link.send([pdu])
        kind, _ = link.next_pdu()
        assert kind in (2, 3, 7)
    with call(node.port) as channel:
        assert echo(channel) == 0
