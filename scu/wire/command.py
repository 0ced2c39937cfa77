"""Command sets: group 0000 in Implicit VR Little Endian, as bytes and back (PS3.7 6.3, E.1).

Example
-------
>>> rsp = Command.of(CommandField.C_ECHO_RSP).us(RESPONDED_TO, 7).us(STATUS, 0)
>>> Command.decode(rsp.encode()).responded_to
7
"""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Self

from scu.wire.errors import ProtocolError

# Elements of group 0000, PS3.7 table E.1-1
AFFECTED_SOP_CLASS_UID = 0x0002
REQUESTED_SOP_CLASS_UID = 0x0003
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
RESPONDED_TO = 0x0120
MOVE_DESTINATION = 0x0600
PRIORITY = 0x0700
DATA_SET_TYPE = 0x0800
STATUS = 0x0900
OFFENDING_ELEMENT = 0x0901
ERROR_COMMENT = 0x0902
AFFECTED_SOP_INSTANCE_UID = 0x1000
REQUESTED_SOP_INSTANCE_UID = 0x1001
EVENT_TYPE_ID = 0x1002
ACTION_TYPE_ID = 0x1008
REMAINING = 0x1020
COMPLETED = 0x1021
FAILED = 0x1022
WARNING = 0x1023
MOVE_ORIGINATOR_AE = 0x1030
MOVE_ORIGINATOR_MESSAGE_ID = 0x1031

NO_DATA_SET = 0x0101
"""Command Data Set Type that says that nothing follows (PS3.7 E.1)."""

_ELEMENT = struct.Struct("<HHL")


class CommandField(IntEnum):
    """Command Field (0000,0100), PS3.7 E.1."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF


class Command:
    """A command set: element number of group 0000 to its encoded value."""

    __slots__ = ("elements",)

    def __init__(self, elements: dict[int, bytes]) -> None:
        self.elements = elements

    @classmethod
    def of(cls, field: CommandField) -> Self:
        """Begin a command set that has no data set."""
        return cls({COMMAND_FIELD: struct.pack("<H", field), DATA_SET_TYPE: struct.pack("<H", NO_DATA_SET)})

    @classmethod
    def decode(cls, data: bytes | bytearray | memoryview) -> Self:
        """Read a command set.

        Raises
        ------
        ProtocolError
            It is cut off, holds another group, or lacks its Command Field.
        """
        elements: dict[int, bytes] = {}
        raw = bytes(data)
        position, end = 0, len(raw)
        while position < end:
            if position + 8 > end:
                raise ProtocolError("command set: cut off within an element header", reason=6)
            group, element, length = _ELEMENT.unpack_from(raw, position)
            begin, position = position + 8, position + 8 + length
            if group != 0 or position > end:
                raise ProtocolError(
                    f"command set: element ({group:04X},{element:04X}) of {length} bytes does not fit", 6
                )
            elements[element] = raw[begin:position]
        if len(elements.get(COMMAND_FIELD, b"")) != 2:
            raise ProtocolError("command set: no Command Field (0000,0100)", reason=6)
        return cls(elements)

    def encode(self) -> bytes:
        """Return the command set with its group length (0000,0000)."""
        parts: list[bytes] = []
        for element in sorted(self.elements.keys() - {0x0000}):
            value = self.elements[element]
            parts += (_ELEMENT.pack(0, element, len(value)), value)
        body = b"".join(parts)
        return _ELEMENT.pack(0, 0, 4) + struct.pack("<L", len(body)) + body

    def us(self, element: int, value: int) -> Self:
        """Set an unsigned short."""
        self.elements[element] = struct.pack("<H", value)
        return self

    def uid(self, element: int, value: str) -> Self:
        """Set a UID, padded with NUL (PS3.5 9.1)."""
        raw = value.encode("ascii", "replace")
        self.elements[element] = raw + b"\0" * (len(raw) % 2)
        return self

    def text(self, element: int, value: str) -> Self:
        """Set an AE title or a comment, padded with a space; a comment keeps 64 characters (LO)."""
        raw = value.encode("ascii", "replace")[:64]
        self.elements[element] = raw + b" " * (len(raw) % 2)
        return self

    def tags(self, element: int, values: Iterable[int]) -> Self:
        """Set a list of attribute tags (AT)."""
        self.elements[element] = b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in values)
        return self

    def with_data(self) -> Self:
        """Say that a data set follows."""
        return self.us(DATA_SET_TYPE, 0x0001)

    def number(self, element: int, default: int = 0) -> int:
        """Return an unsigned short, or `default` where there is none."""
        raw = self.elements.get(element, b"")
        return raw[0] | raw[1] << 8 if len(raw) == 2 else default

    def string(self, element: int) -> str:
        """Return a text value without its padding; bytes outside ASCII come as ``?``."""
        return self.elements.get(element, b"").decode("ascii", "replace").replace("�", "?").strip(" \0")

    @property
    def field(self) -> int:
        """Command Field (0000,0100)."""
        return self.number(COMMAND_FIELD)

    @property
    def message_id(self) -> int:
        """Message ID (0000,0110)."""
        return self.number(MESSAGE_ID)

    @property
    def responded_to(self) -> int:
        """Message ID Being Responded To (0000,0120)."""
        return self.number(RESPONDED_TO)

    @property
    def status(self) -> int:
        """Status (0000,0900)."""
        return self.number(STATUS)

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows (PS3.7 E.1, Command Data Set Type)."""
        return self.number(DATA_SET_TYPE, NO_DATA_SET) != NO_DATA_SET

    @property
    def affected_sop_class_uid(self) -> str:
        """Affected SOP Class UID (0000,0002)."""
        return self.string(AFFECTED_SOP_CLASS_UID)

    @property
    def affected_sop_instance_uid(self) -> str:
        """Affected SOP Instance UID (0000,1000)."""
        return self.string(AFFECTED_SOP_INSTANCE_UID)

    @property
    def event_type_id(self) -> int:
        """Event Type ID (0000,1002), PS3.7 10.1.1."""
        return self.number(EVENT_TYPE_ID)

    @property
    def action_type_id(self) -> int:
        """Action Type ID (0000,1008), PS3.7 10.1.4."""
        return self.number(ACTION_TYPE_ID)


def response_to(request: Command, status: int, comment: str = "") -> Command:
    """Return the response to `request` with `status`: same service, same SOP class and instance.

    So are the type of an event and of an action (PS3.7 10.3.1, 10.3.4). A `comment` goes into Error Comment
    (0000,0902), 64 characters of it.
    """
    response = Command({COMMAND_FIELD: struct.pack("<H", request.field | 0x8000)})
    response.us(RESPONDED_TO, request.message_id).us(DATA_SET_TYPE, NO_DATA_SET).us(STATUS, status)
    for asked, answered in (
        (AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_CLASS_UID),
        (REQUESTED_SOP_CLASS_UID, AFFECTED_SOP_CLASS_UID),
        (AFFECTED_SOP_INSTANCE_UID, AFFECTED_SOP_INSTANCE_UID),
        (REQUESTED_SOP_INSTANCE_UID, AFFECTED_SOP_INSTANCE_UID),
        (EVENT_TYPE_ID, EVENT_TYPE_ID),
        (ACTION_TYPE_ID, ACTION_TYPE_ID),
    ):
        if asked in request.elements:
            response.elements[answered] = request.elements[asked]
    if comment:
        response.text(ERROR_COMMENT, comment)
    return response


def encoded_response(request: Command, status: int, comment: str = "") -> bytes:
    """Return `response_to(request, status, comment).encode()`; that to a C-STORE-RQ without building it."""
    elements = request.elements
    if comment or elements.get(COMMAND_FIELD) != _STORE_RQ or not _NOT_OF_STORE.isdisjoint(elements):
        return response_to(request, status, comment).encode()
    sop_class, instance = elements.get(AFFECTED_SOP_CLASS_UID), elements.get(AFFECTED_SOP_INSTANCE_UID)
    body = _STORE_RESPONSE.pack(*_RESPONSE_FIELD, request.message_id, *_RESPONSE_DATA_SET, status)
    if sop_class is not None:
        body = _ELEMENT.pack(0, AFFECTED_SOP_CLASS_UID, len(sop_class)) + sop_class + body
    if instance is not None:
        body += _ELEMENT.pack(0, AFFECTED_SOP_INSTANCE_UID, len(instance)) + instance
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


_STORE_RQ = struct.pack("<H", CommandField.C_STORE_RQ)
_NOT_OF_STORE = frozenset(
    (REQUESTED_SOP_CLASS_UID, REQUESTED_SOP_INSTANCE_UID, EVENT_TYPE_ID, ACTION_TYPE_ID)
)
_GROUP_LENGTH = struct.Struct("<HHLL")
# Four elements of an unsigned short: Command Field, Message ID Being Responded To, Data Set Type, Status
_STORE_RESPONSE = struct.Struct("<HHLHHHLHHHLHHHLH")
_RESPONSE_FIELD = (0, COMMAND_FIELD, 2, int(CommandField.C_STORE_RSP), 0, RESPONDED_TO, 2)
_RESPONSE_DATA_SET = (0, DATA_SET_TYPE, 2, NO_DATA_SET, 0, STATUS, 2)
