"""A caller that speaks DICOM by hand, so that a test can say exactly what goes over the wire."""

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence

from scu.wire.channel import Channel, Context
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    MESSAGE_ID,
    PRIORITY,
    Command,
    CommandField,
)
from scu.wire.link import Link
from scu.wire.negotiate import Proposal, Request, decode_answer, encode_request

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"

Proposals = Sequence[tuple[str, Sequence[str]]]
USUAL: Proposals = ((VERIFICATION, (IMPLICIT,)), (CT, (EXPLICIT,)), (STUDY_FIND, (IMPLICIT,)))


def request(
    proposals: Proposals = USUAL, calling: str = "CALLER", called: str = "ISOCENTRE", max_pdu: int = 65536
) -> Request:
    """An A-ASSOCIATE-RQ, its contexts numbered 1, 3, 5, …"""
    listed = tuple(
        Proposal(2 * index + 1, sop_class, tuple(syntaxes))
        for index, (sop_class, syntaxes) in enumerate(proposals)
    )
    return Request(calling, called, listed, max_pdu=max_pdu)


def connect(port: int, timeout: float = 20.0) -> socket.socket:
    """A plain connection to a node on loopback."""
    return socket.create_connection(("127.0.0.1", port), timeout)


@contextlib.contextmanager
def call(port: int, asked: Request | None = None, *, timeout: float = 20.0) -> Iterator[Channel]:
    """Associate, and hang up without a word at the end unless the test has released.

    Raises AssociationRejected when the node says no.
    """
    asked = asked or request()
    link = Link(connect(port), max_pdu=131072, idle_timeout=timeout, pdu_timeout=timeout)
    try:
        link.send([encode_request(asked)])
        kind, body = link.next_pdu()
        answer = decode_answer(kind, bytes(body), asked)
        yield Channel(link, answer.contexts, answer.max_pdu)
    finally:
        link.close()


def context_of(channel: Channel, sop_class: str) -> Context:
    """The accepted context for a SOP class."""
    return next(each for each in channel.contexts.values() if each.abstract_syntax == sop_class)


def echo(channel: Channel, message_id: int = 1) -> int:
    """C-ECHO; returns its status."""
    command = Command.of(CommandField.C_ECHO_RQ).us(MESSAGE_ID, message_id)
    channel.send(context_of(channel, VERIFICATION), command.uid(AFFECTED_SOP_CLASS_UID, VERIFICATION))
    return channel.receive().command.status


def store_command(sop_class: str, sop_instance: str, message_id: int = 1) -> Command:
    """A C-STORE-RQ."""
    return (
        Command.of(CommandField.C_STORE_RQ)
        .us(MESSAGE_ID, message_id)
        .us(PRIORITY, 0)
        .uid(AFFECTED_SOP_CLASS_UID, sop_class)
        .uid(AFFECTED_SOP_INSTANCE_UID, sop_instance)
    )


def store(
    channel: Channel, dataset: bytes, sop_instance: str, sop_class: str = CT, context: Context | None = None
) -> tuple[int, str]:
    """C-STORE of an encoded data set; returns status and Error Comment."""
    channel.send(context or context_of(channel, sop_class), store_command(sop_class, sop_instance), dataset)
    command = channel.receive().command
    return command.status, command.string(0x0902)


def pdv(context_id: int, control: int, data: bytes) -> bytes:
    """One PDV item (PS3.8 9.3.5.1): control 1 command, 2 last, 3 both."""
    return struct.pack(">LBB", len(data) + 2, context_id, control) + data


def pdata(*pdvs: bytes) -> bytes:
    """A P-DATA-TF PDU of these."""
    body = b"".join(pdvs)
    return struct.pack(">BxL", 4, len(body)) + body
