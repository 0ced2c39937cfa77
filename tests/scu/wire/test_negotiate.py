"""A-ASSOCIATE PDUs, beside pynetdicom's, and under fire."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, MaximumLengthNotification, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.pdu_primitives import ImplementationClassUIDNotification as ImplementationClass
from pynetdicom.presentation import PresentationContext

from scu.wire.channel import Context
from scu.wire.errors import ProtocolError, WireError
from scu.wire.items import item
from scu.wire.negotiate import (
    ACCEPTED,
    APPLICATION_CONTEXT,
    CONTEXTS_MAX,
    IMPLEMENTATION_VERSION_NAME,
    NO_ABSTRACT_SYNTAX,
    NO_REASON,
    NO_TRANSFER_SYNTAX,
    Answer,
    AssociationRejected,
    Proposal,
    Request,
    choose,
    decode_answer,
    decode_request,
    encode_accept,
    encode_reject,
    encode_request,
    narrowed,
)

CT, MR, ECHO = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.1"
IMPLICIT, EXPLICIT, JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"

REQUEST = Request(
    "CALLER",
    "CALLED",
    (Proposal(1, CT, (EXPLICIT, IMPLICIT)), Proposal(3, MR, (JPEG,)), Proposal(255, ECHO, (IMPLICIT,))),
    max_pdu=16384,
    roles={CT: (False, True)},
    extended={"1.2.840.10008.5.1.4.1.2.2.1": b"\1\1"},
)
ANSWER = Answer(
    {1: Context(1, CT, IMPLICIT), 255: Context(255, ECHO, IMPLICIT)},
    {3: NO_TRANSFER_SYNTAX},
    max_pdu=32768,
    roles={CT: (False, True)},
)


def test_decoding_a_request_undoes_encoding() -> None:
    read = decode_request(encode_request(REQUEST)[6:])
    assert read.implementation == IMPLEMENTATION_VERSION_NAME
    assert read.application_context == APPLICATION_CONTEXT
    for name in ("calling_ae", "called_ae", "proposals", "max_pdu", "roles", "extended"):
        assert getattr(read, name) == getattr(REQUEST, name)


def test_decoding_an_answer_undoes_encoding() -> None:
    read = decode_answer(2, encode_accept(REQUEST, ANSWER)[6:], REQUEST)
    for name in ("contexts", "refused", "max_pdu", "roles"):
        assert getattr(read, name) == getattr(ANSWER, name)


def test_pynetdicom_reads_our_request() -> None:
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(encode_request(REQUEST))
    primitive = pdu.to_primitive()
    assert primitive.calling_ae_title == "CALLER"
    assert primitive.called_ae_title == "CALLED"
    contexts = primitive.presentation_context_definition_list
    assert [context.context_id for context in contexts] == [1, 3, 255]
    assert contexts[0].transfer_syntax == [EXPLICIT, IMPLICIT]
    roles = [
        item for item in primitive.user_information if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    ]
    assert (roles[0].scu_role, roles[0].scp_role) == (False, True)
    assert pdu.user_information is not None
    assert pdu.user_information.maximum_length == 16384


def test_pynetdicom_reads_our_answers() -> None:
    pdu = A_ASSOCIATE_AC()
    pdu.decode(encode_accept(REQUEST, ANSWER))
    results = pdu.to_primitive().presentation_context_definition_results_list
    assert [(result.context_id, result.result) for result in results] == [(1, 0), (3, 4), (255, 0)]
    rejection = A_ASSOCIATE_RJ()
    rejection.decode(encode_reject(2, 3, 1))
    assert (rejection.result, rejection.source, rejection.reason_diagnostic) == (2, 3, 1)


def test_we_read_pynetdicoms_request() -> None:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.calling_ae_title, primitive.called_ae_title = "ONE", "OTHER"
    context = PresentationContext()
    context.context_id, context.abstract_syntax, context.transfer_syntax = 7, UID(CT), [UID(JPEG)]
    primitive.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClass()
    length.maximum_length_received = 0
    implementation.implementation_class_uid = UID("1.2.3")
    primitive.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    read = decode_request(pdu.encode()[6:])
    assert (read.calling_ae, read.called_ae, read.max_pdu) == ("ONE", "OTHER", 0)
    assert read.proposals == (Proposal(7, CT, (JPEG,)),)


def test_unknown_items_are_skipped() -> None:
    body = encode_request(REQUEST)[6:]
    assert decode_request(body + item(0x77, b"what")).proposals == REQUEST.proposals
    information = item(0x50, item(0x99, b"?") + item(0x51, struct.pack(">L", 5)) + item(0x58, b"\1\0\0\0"))
    assert decode_request(body + information).max_pdu == 5


def test_choose_takes_the_first_syntax_that_fits() -> None:
    accepted, refused = choose(
        REQUEST.proposals, {CT: frozenset((IMPLICIT, EXPLICIT)), MR: frozenset((IMPLICIT,))}
    )
    assert accepted == {1: Context(1, CT, EXPLICIT)}
    assert refused == {3: NO_TRANSFER_SYNTAX, 255: NO_ABSTRACT_SYNTAX}


def test_a_rejection_is_raised() -> None:
    with pytest.raises(AssociationRejected) as caught:
        decode_answer(3, encode_reject(1, 1, 7)[6:], REQUEST)
    assert (caught.value.result, caught.value.source, caught.value.reason) == (1, 1, 7)
    with pytest.raises(ProtocolError):
        decode_answer(3, b"\0\1", REQUEST)


def _accepting(*results: tuple[int, int, str]) -> bytes:
    fixed = encode_accept(REQUEST, ANSWER)[6:74]
    return fixed + b"".join(
        item(0x21, bytes((identifier, 0, result, 0)) + item(0x40, syntax.encode()))
        for identifier, result, syntax in results
    )


def test_contexts_that_were_not_proposed_are_not_accepted() -> None:
    body = _accepting((1, ACCEPTED, JPEG), (5, ACCEPTED, IMPLICIT), (3, ACCEPTED, JPEG))
    answer = decode_answer(2, body, REQUEST)
    assert answer.contexts == {3: Context(3, MR, JPEG)}
    assert answer.refused == {1: NO_TRANSFER_SYNTAX, 255: NO_REASON}


@pytest.mark.parametrize(
    "proposals",
    [
        (Proposal(2, CT, (IMPLICIT,)),),
        (Proposal(0, CT, (IMPLICIT,)),),
        (Proposal(1, CT, (IMPLICIT,)), Proposal(1, MR, (IMPLICIT,))),
        tuple(Proposal(2 * n % 256 + 1, CT, (IMPLICIT,)) for n in range(CONTEXTS_MAX + 1)),
    ],
)
def test_context_ids_that_cannot_be_are_refused(proposals: tuple[Proposal, ...]) -> None:
    body = encode_request(Request("A", "B", proposals))[6:]
    with pytest.raises(ProtocolError):
        decode_request(body)


def test_all_128_contexts_fit() -> None:
    proposals = tuple(Proposal(2 * n + 1, CT, (IMPLICIT, EXPLICIT) * 15) for n in range(CONTEXTS_MAX))
    body = encode_request(Request("A", "B", proposals))[6:]
    assert len(body) < 256 * 1024
    assert decode_request(body).proposals == proposals


def test_another_protocol_version_is_refused() -> None:
    with pytest.raises(ProtocolError, match="version"):
        decode_request(b"\0\2" + encode_request(REQUEST)[8:])


def _survives(body: bytes) -> None:
    """Do with a request all that an acceptor does."""
    try:
        request = decode_request(body)
        contexts, refused = choose(request.proposals, {CT: frozenset((IMPLICIT, EXPLICIT))})
        answer = Answer(contexts, refused, 16384, request.roles, request.extended)
        again = decode_answer(2, encode_accept(request, answer)[6:], request)
    except WireError:
        return
    assert dict(again.contexts) == contexts


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_a_wire_error(tail: bytes) -> None:
    _survives(tail)
    _survives(encode_request(REQUEST)[6:74] + tail)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_request_is_a_request_or_a_wire_error(data: st.DataObject) -> None:
    raw = bytearray(encode_request(REQUEST)[6:])
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    _survives(bytes(raw[: data.draw(st.integers(60, len(raw)))]))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_answer_is_an_answer_or_a_wire_error(data: st.DataObject) -> None:
    raw = bytearray(encode_accept(REQUEST, ANSWER)[6:])
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        answer = decode_answer(2, bytes(raw), REQUEST)
    except WireError:
        return
    assert set(answer.contexts) | set(answer.refused) == {1, 3, 255}


@pytest.mark.parametrize("filler", [b"\x21\0\0\0", b"\x10\0\0\0", b"\x50\0\0\0", b"\x20\0\0\4\1\0\0\0"])
def test_the_longest_absurd_request_ends(filler: bytes) -> None:
    head = encode_request(REQUEST)[6:74]
    _survives(head + filler * ((256 * 1024 - len(head)) // len(filler)))


@given(st.none() | st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)))
def test_the_operations_window_is_asked_and_answered(window: tuple[int, int] | None) -> None:
    asked = replace(REQUEST, window=window)
    assert decode_request(encode_request(asked)[6:]).window == window
    told = encode_accept(asked, Answer({}, {}, window=window))
    assert decode_answer(2, told[6:], asked).window == window
    assert decode_answer(2, told[6:], REQUEST).window is None  # it was not asked for


def test_a_stranger_reads_the_window() -> None:
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(encode_request(replace(REQUEST, window=(8, 1))))
    (item,) = [each for each in pdu.user_information.user_data if each.item_type == 0x53]
    assert (item.maximum_number_operations_invoked, item.maximum_number_operations_performed) == (8, 1)


@pytest.mark.parametrize(
    ("asked", "ours", "granted"), [(0, 8, 8), (1, 8, 1), (20, 8, 8), (5, 0, 5), (0, 0, 0)]
)
def test_the_smaller_window_holds(asked: int, ours: int, granted: int) -> None:
    assert narrowed(asked, ours) == granted
