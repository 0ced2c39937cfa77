"""A-ASSOCIATE: what is proposed, what is accepted, and the PDUs that say so (PS3.8 9.3.2 to 9.3.4).

pynetdicom's PDU classes are not used: they give up on an item that they do not know, where the Standard says
to skip it, and take 20 ms over a request with 126 contexts.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scu.wire import items
from scu.wire.channel import Context
from scu.wire.errors import ProtocolError
from scu.wire.items import item, name_item, named, text, uid_item

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS_UID = "2.25.302043790172249692526321623266752743501"
IMPLEMENTATION_VERSION_NAME = "ISOCENTRE_01"

ACCEPTED, USER_REJECTION, NO_REASON, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = range(5)
CONTEXTS_MAX = 128
"""Presentation contexts of one association: IDs are the odd numbers of a byte (PS3.8 9.3.2.2)."""

_FIXED = struct.Struct(">Hxx16s16s32x")  # protocol version, called, calling (PS3.8 tables 9-11 and 9-17)
_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposed presentation context (PS3.8 9.3.2.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What an A-ASSOCIATE-RQ asks for.

    Attributes
    ----------
    max_pdu
        Bytes that the requestor takes in a P-DATA-TF variable field, 0 for any number.
    roles
        SOP class to the (SCU, SCP) roles that the requestor proposes for itself (PS3.7 D.3.3.4).
    extended
        SOP class to the bytes of its extended negotiation (PS3.7 D.3.3.5).
    window
        Operations that the requestor wants to invoke, and to perform, before the first is answered; 0 is
        without limit (PS3.7 D.3.3.3). None does not ask: one each.
    """

    calling_ae: str
    called_ae: str
    proposals: tuple[Proposal, ...]
    max_pdu: int = 0
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    implementation: str = ""
    application_context: str = APPLICATION_CONTEXT
    window: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an A-ASSOCIATE-AC settles; `window` as in `Request`, where that has one."""

    contexts: Mapping[int, Context]
    refused: Mapping[int, int]
    max_pdu: int = 0
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    implementation: str = ""
    window: tuple[int, int] | None = None


@dataclass(slots=True)
class _UserInformation:
    max_pdu: int = 0
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: dict[str, bytes] = field(default_factory=dict)
    implementation: str = ""
    window: tuple[int, int] | None = None


class AssociationRejected(Exception):
    """The acceptor sent A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(f"association rejected: result {result}, source {source}, reason {reason}")
        self.result, self.source, self.reason = result, source, reason


def choose(
    proposals: Sequence[Proposal], supported: Mapping[str, frozenset[str]]
) -> tuple[dict[int, Context], dict[int, int]]:
    """Decide on each proposed context: its first transfer syntax that we take (PS3.8 9.3.3.2).

    Returns
    -------
    accepted contexts by ID, and the result (3 or 4) of every other one by ID
    """
    accepted: dict[int, Context] = {}
    refused: dict[int, int] = {}
    for proposal in proposals:
        syntaxes = supported.get(proposal.abstract_syntax)
        if syntaxes is None:
            refused[proposal.context_id] = NO_ABSTRACT_SYNTAX
            continue
        match = next((uid for uid in proposal.transfer_syntaxes if uid in syntaxes), None)
        if match is None:
            refused[proposal.context_id] = NO_TRANSFER_SYNTAX
        else:
            accepted[proposal.context_id] = Context(proposal.context_id, proposal.abstract_syntax, match)
    return accepted, refused


def narrowed(asked: int, ours: int) -> int:
    """Return how many operations may be under way where one side says `asked`, and the other can do `ours`.

    0 is without limit (PS3.7 D.3.3.3).
    """
    return ours if asked == 0 else asked if ours == 0 else min(asked, ours)


def decode_request(body: bytes) -> Request:
    """Read the variable field of an A-ASSOCIATE-RQ.

    Raises
    ------
    ProtocolError
        It is malformed.
    """
    called_ae, calling_ae = _titles(body)
    proposals: list[Proposal] = []
    information = _UserInformation()
    application_context = ""
    for kind, value in items.items(body[_FIXED.size :]):
        if kind == items.APPLICATION_CONTEXT:
            application_context = text(value)
        elif kind == items.PRESENTATION_CONTEXT_RQ:
            proposals.append(_proposal(value))
        elif kind == items.USER_INFORMATION:
            information = _user_information(value)
        if len(proposals) > CONTEXTS_MAX:
            break
    identifiers = {proposal.context_id for proposal in proposals}
    if len(identifiers) < len(proposals) or any(identifier % 2 == 0 for identifier in identifiers):
        raise ProtocolError("A-ASSOCIATE: context IDs are not odd numbers, each once", reason=6)
    return Request(
        calling_ae=calling_ae,
        called_ae=called_ae,
        proposals=tuple(proposals),
        max_pdu=information.max_pdu,
        roles=information.roles,
        extended=information.extended,
        implementation=information.implementation,
        application_context=application_context,
        window=information.window,
    )


def decode_answer(kind: int, body: bytes, request: Request) -> Answer:
    """Read the variable field of an A-ASSOCIATE-AC or -RJ.

    Raises
    ------
    AssociationRejected, ProtocolError
    """
    if kind == 0x03:
        if len(body) != 4:
            raise ProtocolError("A-ASSOCIATE-RJ has not four bytes", reason=6)
        raise AssociationRejected(body[1], body[2], body[3])
    _titles(body)
    proposed = {proposal.context_id: proposal for proposal in request.proposals}
    contexts: dict[int, Context] = {}
    refused: dict[int, int] = dict.fromkeys(proposed, NO_REASON)
    information = _UserInformation()
    for item_kind, value in items.items(body[_FIXED.size :]):
        if item_kind == items.USER_INFORMATION:
            information = _user_information(value)
        if item_kind != items.PRESENTATION_CONTEXT_AC:
            continue
        identifier, result, syntax = _result(value)
        proposal = proposed.get(identifier)
        if proposal is None:
            continue
        if result == ACCEPTED and syntax not in proposal.transfer_syntaxes:
            result = NO_TRANSFER_SYNTAX  # it took what was not on offer
        if result == ACCEPTED:
            contexts[identifier] = Context(identifier, proposal.abstract_syntax, syntax)
            refused.pop(identifier, None)
        else:
            refused[identifier] = result
            contexts.pop(identifier, None)
    return Answer(
        contexts,
        refused,
        information.max_pdu,
        information.roles,
        information.extended,
        information.implementation,
        information.window if request.window else None,
    )


def encode_request(request: Request) -> bytes:
    """Return the A-ASSOCIATE-RQ PDU for `request`."""
    parts = [_begin(request), uid_item(items.APPLICATION_CONTEXT, request.application_context)]
    for proposal in request.proposals:
        value = bytes((proposal.context_id, 0, 0, 0)) + uid_item(
            items.ABSTRACT_SYNTAX, proposal.abstract_syntax
        )
        value += b"".join(uid_item(items.TRANSFER_SYNTAX, uid) for uid in proposal.transfer_syntaxes)
        parts.append(item(items.PRESENTATION_CONTEXT_RQ, value))
    parts.append(_encode_information(request))
    return _pdu(0x01, b"".join(parts))


def encode_accept(request: Request, answer: Answer) -> bytes:
    """Return the A-ASSOCIATE-AC PDU that gives `answer` to `request`."""
    parts = [_begin(request), uid_item(items.APPLICATION_CONTEXT, APPLICATION_CONTEXT)]
    for proposal in request.proposals:
        accepted = answer.contexts.get(proposal.context_id)
        result = ACCEPTED if accepted else answer.refused.get(proposal.context_id, NO_REASON)
        # There must be one syntax also where it means nothing (PS3.8 9.3.3.2).
        syntax = accepted.transfer_syntax if accepted else _IMPLICIT_LITTLE_ENDIAN
        value = bytes((proposal.context_id, 0, result, 0)) + uid_item(items.TRANSFER_SYNTAX, syntax)
        parts.append(item(items.PRESENTATION_CONTEXT_AC, value))
    parts.append(_encode_information(answer))
    return _pdu(0x02, b"".join(parts))


def encode_reject(result: int, source: int, reason: int) -> bytes:
    """Return the A-ASSOCIATE-RJ PDU (PS3.8 9.3.4): result 1 permanent, 2 transient."""
    return _pdu(0x03, bytes((0, result, source, reason)))


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxL", kind, len(body)) + body


def _begin(request: Request) -> bytes:
    called, calling = (
        ae.encode("ascii", "replace")[:16].ljust(16) for ae in (request.called_ae, request.calling_ae)
    )
    return _FIXED.pack(0x0001, called, calling)


def _titles(body: bytes) -> tuple[str, str]:
    if len(body) < _FIXED.size:
        raise ProtocolError(f"A-ASSOCIATE of {len(body)} bytes is cut off", reason=6)
    version, called, calling = _FIXED.unpack_from(body)
    if not version & 0x0001:  # PS3.8 table 9-11
        raise ProtocolError(f"A-ASSOCIATE: protocol version 0x{version:04X} is not known", reason=6)
    return text(called), text(calling)


def _proposal(value: bytes) -> Proposal:
    if len(value) < 4:
        raise ProtocolError("A-ASSOCIATE: a presentation context is cut off", reason=6)
    abstract, transfer = "", []
    for kind, raw in items.items(value[4:]):
        if kind == items.ABSTRACT_SYNTAX:
            abstract = text(raw)
        elif kind == items.TRANSFER_SYNTAX:
            transfer.append(text(raw))
    return Proposal(value[0], abstract, tuple(transfer))


def _result(value: bytes) -> tuple[int, int, str]:
    if len(value) < 4:
        raise ProtocolError("A-ASSOCIATE: a presentation context is cut off", reason=6)
    syntaxes = [text(raw) for kind, raw in items.items(value[4:]) if kind == items.TRANSFER_SYNTAX]
    return value[0], value[2], syntaxes[0] if syntaxes else ""


def _user_information(value: bytes) -> _UserInformation:
    found = _UserInformation()
    for kind, raw in items.items(value):
        if kind == items.MAXIMUM_LENGTH:
            found.max_pdu = int.from_bytes(raw[:4], "big")
        elif kind == items.IMPLEMENTATION_VERSION_NAME:
            found.implementation = text(raw)
        elif kind == items.OPERATIONS_WINDOW and len(raw) == 4:
            found.window = (int.from_bytes(raw[:2], "big"), int.from_bytes(raw[2:], "big"))
        elif kind == items.ROLE_SELECTION:
            uid, roles = named(raw)
            if len(roles) < 2:
                raise ProtocolError("A-ASSOCIATE: a role selection is cut off", reason=6)
            found.roles[uid] = (roles[0] == 1, roles[1] == 1)
        elif kind == items.EXTENDED_NEGOTIATION:
            uid, data = named(raw)
            found.extended[uid] = data
    return found


def _encode_information(said: Request | Answer) -> bytes:
    parts = [
        item(items.MAXIMUM_LENGTH, struct.pack(">L", said.max_pdu)),
        uid_item(items.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID),
    ]
    # Sub-items in the order of their types, as others send them: some parsers expect no other.
    if said.window is not None:
        parts.append(item(items.OPERATIONS_WINDOW, struct.pack(">HH", *said.window)))  # PS3.7 D.3.3.3
    for uid, roles in said.roles.items():
        parts.append(name_item(items.ROLE_SELECTION, uid, bytes(roles)))
    parts.append(item(items.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode()))
    parts += [name_item(items.EXTENDED_NEGOTIATION, uid, data) for uid, data in said.extended.items()]
    return item(items.USER_INFORMATION, b"".join(parts))
