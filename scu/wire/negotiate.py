"""A-ASSOCIATE: what is proposed, what is accepted, and the PDUs that say so (PS3.8 9.3.2 to 9.3.4).

pynetdicom's PDU classes read and write the PDUs; which context is accepted is decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext

from scu.wire.channel import Context
from scu.wire.errors import ProtocolError

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS_UID = "2.25.302043790172249692526321623266752743501"
IMPLEMENTATION_VERSION_NAME = "ISOCENTRE_01"

ACCEPTED, USER_REJECTION, NO_REASON, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = range(5)


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
    roles
        SOP class to the (SCU, SCP) roles that the requestor proposes for itself (PS3.7 D.3.3.4).
    extended
        SOP class to the bytes of its extended negotiation (PS3.7 D.3.3.5).
    """

    calling_ae: str
    called_ae: str
    proposals: tuple[Proposal, ...]
    max_pdu: int = 0
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    implementation: str = ""
    application_context: str = APPLICATION_CONTEXT


@dataclass(frozen=True, slots=True)
class Answer:
    """What an A-ASSOCIATE-AC settles."""

    contexts: Mapping[int, Context]
    refused: Mapping[int, int]
    max_pdu: int = 0
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)


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


def decode_request(body: bytes) -> Request:
    """Read the variable field of an A-ASSOCIATE-RQ.

    Raises
    ------
    ProtocolError
        It is malformed.
    """
    primitive = _primitive(A_ASSOCIATE_RQ, 0x01, body)
    proposals = tuple(
        Proposal(
            int(context.context_id or 0),
            str(context.abstract_syntax or ""),
            tuple(str(uid) for uid in context.transfer_syntax or ()),
        )
        for context in primitive.presentation_context_definition_list
    )
    items = primitive.user_information
    return Request(
        calling_ae=str(primitive.calling_ae_title or "").strip(),
        called_ae=str(primitive.called_ae_title or "").strip(),
        proposals=proposals,
        max_pdu=_max_pdu(items),
        roles=_roles(items),
        extended=_extended(items),
        implementation=_implementation(items),
        application_context=str(primitive.application_context_name or ""),
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
    primitive = _primitive(A_ASSOCIATE_AC, 0x02, body)
    proposed = {proposal.context_id: proposal for proposal in request.proposals}
    contexts: dict[int, Context] = {}
    refused: dict[int, int] = dict.fromkeys(proposed, NO_REASON)
    for result in primitive.presentation_context_definition_results_list:
        identifier = int(result.context_id or 0)
        if identifier not in proposed:
            continue
        if result.result == ACCEPTED and result.transfer_syntax:
            syntax = str(result.transfer_syntax[0])
            contexts[identifier] = Context(identifier, proposed[identifier].abstract_syntax, syntax)
            refused.pop(identifier, None)
        else:
            refused[identifier] = int(result.result or NO_REASON)
    items = primitive.user_information
    return Answer(contexts, refused, _max_pdu(items), _roles(items), _extended(items))


def encode_request(request: Request) -> bytes:
    """Return the A-ASSOCIATE-RQ PDU for `request`."""
    primitive = _begin(request.calling_ae, request.called_ae)
    contexts = []
    for proposal in request.proposals:
        context = PresentationContext()
        context.context_id = proposal.context_id
        context.abstract_syntax = UID(proposal.abstract_syntax)
        context.transfer_syntax = [UID(uid) for uid in proposal.transfer_syntaxes]
        contexts.append(context)
    primitive.presentation_context_definition_list = contexts
    primitive.user_information = _user_information(request.max_pdu, request.roles, request.extended)
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def encode_accept(request: Request, answer: Answer) -> bytes:
    """Return the A-ASSOCIATE-AC PDU that gives `answer` to `request`."""
    primitive = _begin(request.calling_ae, request.called_ae)
    primitive.result, primitive.result_source = 0x00, 0x01
    results = []
    for proposal in request.proposals:
        context = PresentationContext()
        context.context_id = proposal.context_id
        accepted = answer.contexts.get(proposal.context_id)
        context.result = ACCEPTED if accepted else answer.refused.get(proposal.context_id, NO_REASON)
        syntax = (
            accepted.transfer_syntax
            if accepted
            else (proposal.transfer_syntaxes or ("1.2.840.10008.1.2",))[0]
        )
        context.transfer_syntax = [UID(syntax)]
        results.append(context)
    primitive.presentation_context_definition_results_list = results
    primitive.user_information = _user_information(answer.max_pdu, answer.roles, answer.extended)
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def encode_reject(result: int, source: int, reason: int) -> bytes:
    """Return the A-ASSOCIATE-RJ PDU (PS3.8 9.3.4): result 1 permanent, 2 transient."""
    pdu = A_ASSOCIATE_RJ()
    pdu.result, pdu.source, pdu.reason_diagnostic = result, source, reason
    return bytes(pdu.encode())


def _primitive(kind: type[A_ASSOCIATE_RQ] | type[A_ASSOCIATE_AC], number: int, body: bytes) -> A_ASSOCIATE:
    pdu = kind()
    try:
        pdu.decode(bytes([number, 0]) + len(body).to_bytes(4, "big") + body)
        return pdu.to_primitive()
    except Exception as error:  # pynetdicom raises whatever its parts do on malformed items
        raise ProtocolError(f"A-ASSOCIATE cannot be read: {type(error).__name__}", reason=6) from error


def _begin(calling_ae: str, called_ae: str) -> A_ASSOCIATE:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.calling_ae_title = calling_ae
    primitive.called_ae_title = called_ae
    return primitive


def _user_information(
    max_pdu: int, roles: Mapping[str, tuple[bool, bool]], extended: Mapping[str, bytes]
) -> list[object]:
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    items: list[object] = [length, implementation, version]
    for sop_class, (scu_role, scp_role) in roles.items():
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid = UID(sop_class)
        role.scu_role, role.scp_role = scu_role, scp_role
        items.append(role)
    for sop_class, data in extended.items():
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid = UID(sop_class)
        item.service_class_application_information = data
        items.append(item)
    return items


def _max_pdu(items: Sequence[object]) -> int:
    lengths = [item.maximum_length_received for item in items if isinstance(item, MaximumLengthNotification)]
    return int(lengths[0] or 0) if lengths else 0


def _roles(items: Sequence[object]) -> dict[str, tuple[bool, bool]]:
    return {
        str(item.sop_class_uid): (bool(item.scu_role), bool(item.scp_role))
        for item in items
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    }


def _extended(items: Sequence[object]) -> dict[str, bytes]:
    return {
        str(item.sop_class_uid): bytes(item.service_class_application_information or b"")
        for item in items
        if isinstance(item, SOPClassExtendedNegotiation)
    }


def _implementation(items: Sequence[object]) -> str:
    for item in items:
        if isinstance(item, ImplementationVersionNameNotification):
            return str(item.implementation_version_name or "")
    return ""
