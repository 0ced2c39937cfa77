"""Statuses of the responses that this node sends (PS3.7 annex C, PS3.4 B.2.3, C.4.1 to C.4.3)."""

from enum import IntEnum


class Status(IntEnum):
    """Status (0000,0900) by meaning."""

    SUCCESS = 0x0000
    # PS3.7 C.5: any service
    PROCESSING_FAILURE = 0x0110
    NOT_AUTHORIZED = 0x0124
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    UNRECOGNIZED_OPERATION = 0x0211
    # PS3.4 table B.2-1: C-STORE
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    # PS3.4 tables C.4-1 to C.4-3: C-FIND, C-MOVE, C-GET
    OUT_OF_RESOURCES_MATCHES = 0xA701
    OUT_OF_RESOURCES_SUBOPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801
    IDENTIFIER_MISMATCH = 0xA900  # an alias: one code, another table
    UNABLE_TO_PROCESS = 0xC001
    SOME_SUBOPERATIONS_FAILED = 0xB000
    CANCEL = 0xFE00
    PENDING = 0xFF00
    PENDING_SOME_KEYS_NOT_SUPPORTED = 0xFF01
