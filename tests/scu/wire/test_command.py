"""Command sets as bytes and back."""

import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from scu.wire.command import (
    ACTION_TYPE_ID,
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    ERROR_COMMENT,
    EVENT_TYPE_ID,
    MESSAGE_ID,
    MOVE_DESTINATION,
    OFFENDING_ELEMENT,
    REQUESTED_SOP_CLASS_UID,
    RESPONDED_TO,
    STATUS,
    Command,
    CommandField,
    encoded_response,
    response_to,
)
from scu.wire.errors import ProtocolError, WireError


def store_request() -> Command:
    command = Command.of(CommandField.C_STORE_RQ).us(MESSAGE_ID, 513)
    command.uid(AFFECTED_SOP_CLASS_UID, "1.2.840.10008.5.1.4.1.1.2").uid(AFFECTED_SOP_INSTANCE_UID, "1.2.3")
    return command.with_data()


def test_a_stranger_reads_what_we_write() -> None:
    read = decode(BytesIO(store_request().encode()), True, True)
    assert read.CommandField == 1
    assert read.MessageID == 513
    assert read.AffectedSOPInstanceUID == "1.2.3"
    assert read.CommandDataSetType == 1
    assert read.CommandGroupLength == len(store_request().encode()) - 12


def test_we_read_what_a_stranger_writes() -> None:
    dataset = Dataset()
    dataset.CommandGroupLength = 0
    dataset.AffectedSOPClassUID = "1.2.840.10008.1.1"
    dataset.CommandField = 0x8021
    dataset.MessageIDBeingRespondedTo = 7
    dataset.CommandDataSetType = 0x0101
    dataset.Status = 0xA801
    dataset.ErrorComment = "no such place"
    dataset.MoveDestination = "PLACE"
    raw = encode(dataset, True, True)
    assert raw is not None
    command = Command.decode(raw)
    assert command.field == CommandField.C_MOVE_RSP
    assert command.responded_to == 7
    assert command.status == 0xA801
    assert not command.has_data_set
    assert command.affected_sop_class_uid == "1.2.840.10008.1.1"
    assert command.string(ERROR_COMMENT) == "no such place"
    assert command.string(MOVE_DESTINATION) == "PLACE"


@given(
    st.dictionaries(
        st.integers(1, 0xFFFF).filter(lambda element: element != 0x0100), st.binary(max_size=80), max_size=20
    )
)
def test_decoding_undoes_encoding(elements: dict[int, bytes]) -> None:
    command = Command({**elements, 0x0100: b"\x01\x00"})
    again = Command.decode(command.encode())
    group_length = again.elements.pop(0)
    assert again.elements == command.elements
    assert int.from_bytes(group_length, "little") == len(command.encode()) - 12


def test_a_command_that_was_read_can_be_written() -> None:
    raw = store_request().encode()
    assert Command.decode(raw).encode() == raw


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_a_wire_error(data: bytes) -> None:
    try:
        command = Command.decode(data)
    except WireError:
        return
    assert isinstance(command.string(ERROR_COMMENT), str)
    response_to(command, 0).encode()


@given(st.data())
def test_a_damaged_command_is_a_command_or_a_wire_error(data: st.DataObject) -> None:
    raw = bytearray(store_request().encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    try:
        response_to(Command.decode(raw[:cut]), 0x0110).encode()
    except WireError:
        return


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x00\x00",
        struct.pack("<HHL", 0, 0x0100, 2),  # the value is missing
        struct.pack("<HHLH", 0, 0x0100, 0xFFFFFFFF, 1),
        struct.pack("<HHLH", 8, 0x0100, 2, 1),  # another group
        struct.pack("<HHLH", 0, 0x0110, 2, 1),  # no Command Field
        struct.pack("<HHLL", 0, 0x0100, 4, 1),  # a long Command Field
    ],
)
def test_malformed_command_sets_are_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        Command.decode(raw)
    assert caught.value.reason == 6


def test_missing_and_misshapen_numbers_are_the_default() -> None:
    command = Command({0x0100: b"\x01\x00", 0x0900: b"\x00\x00\x00\x00"})
    assert command.number(STATUS, 9) == 9
    assert command.message_id == 0
    assert not command.has_data_set


def test_text_is_padded_cut_and_ascii() -> None:
    command = Command.of(CommandField.C_ECHO_RSP).text(ERROR_COMMENT, "x" * 70)
    assert len(command.elements[ERROR_COMMENT]) == 64
    assert command.text(ERROR_COMMENT, "odd").elements[ERROR_COMMENT] == b"odd "
    assert command.text(ERROR_COMMENT, "Jérôme").string(ERROR_COMMENT) == "J?r?me"
    assert Command({ERROR_COMMENT: b"\xff\xfe ok \0"}).string(ERROR_COMMENT) == "?? ok"
    assert command.uid(0x0002, "1.2.3").elements[0x0002] == b"1.2.3\0"


def test_tags_are_pairs_of_group_and_element() -> None:
    command = Command.of(CommandField.C_FIND_RSP).tags(OFFENDING_ELEMENT, [0x0020000D, 0x00080052])
    assert command.elements[OFFENDING_ELEMENT] == bytes.fromhex("20000d00 08005200")


def test_a_response_names_what_it_answers() -> None:
    request = store_request()
    answer = response_to(request, 0xA700, "no room")
    assert answer.field == CommandField.C_STORE_RSP
    assert (answer.responded_to, answer.status) == (513, 0xA700)
    assert not answer.has_data_set
    assert answer.affected_sop_instance_uid == "1.2.3"
    assert answer.string(ERROR_COMMENT) == "no room"
    action = Command.of(CommandField.N_ACTION_RQ).uid(REQUESTED_SOP_CLASS_UID, "1.2.840.10008.1.20.1")
    assert response_to(action, 0).affected_sop_class_uid == "1.2.840.10008.1.20.1"
    assert response_to(action, 0).elements[RESPONDED_TO] == b"\0\0"


def test_a_response_repeats_the_type_of_event_or_action() -> None:
    event = response_to(Command.of(CommandField.N_EVENT_REPORT_RQ).us(EVENT_TYPE_ID, 2), 0)
    assert (event.field, event.event_type_id) == (CommandField.N_EVENT_REPORT_RSP, 2)
    action = response_to(Command.of(CommandField.N_ACTION_RQ).us(ACTION_TYPE_ID, 1), 0)
    assert (action.field, action.action_type_id, action.event_type_id) == (CommandField.N_ACTION_RSP, 1, 0)


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from([CommandField.C_STORE_RQ, CommandField.C_ECHO_RQ, CommandField.N_ACTION_RQ]),
    elements=st.dictionaries(
        st.sampled_from([0x0002, 0x0003, 0x0110, 0x0700, 0x1000, 0x1001, 0x1002, 0x1008, 0x1030]),
        st.binary(max_size=70),
    ),
    status=st.integers(0, 0xFFFF),
    comment=st.sampled_from(["", "no room"]),
)
def test_the_short_way_to_a_response_leads_to_the_same_bytes(
    field: CommandField, elements: dict[int, bytes], status: int, comment: str
) -> None:
    request = Command({**Command.of(field).elements, **elements})
    assert encoded_response(request, status, comment) == response_to(request, status, comment).encode()
