"""Byte streams of an association: of valid parts, then spoilt in the ways of `SPOILING`.

A stream is drawn as a `Recipe`, which shrinks to fewer messages and fewer faults; its seed says where the
faults are. Instances have a placeholder for a number in their UIDs, so that each example can have its own,
and each message its own within it.
"""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from scu.commitment import COMMITMENT
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    COMMAND_FIELD,
    DATA_SET_TYPE,
    EVENT_TYPE_ID,
    MESSAGE_ID,
    PRIORITY,
    RESPONDED_TO,
    Command,
    CommandField,
)
from tests.support.caller import CT, EXPLICIT, IMPLICIT, STUDY_FIND, VERIFICATION, pdata, store_command
from tests.support.samples import MR_CLASS, ct, encode, mr

CONTEXTS = (
    (VERIFICATION, (IMPLICIT,)),  # 1
    (CT, (EXPLICIT,)),  # 3
    (CT, (IMPLICIT,)),  # 5
    (MR_CLASS, (EXPLICIT,)),  # 7
    (STUDY_FIND, (IMPLICIT,)),  # 9
    (COMMITMENT, (IMPLICIT,)),  # 11
)
IDS = frozenset(range(1, 2 * len(CONTEXTS), 2))
RELEASE = struct.pack(">BxLxxxx", 5, 4)
ABORT = struct.pack(">BxLxxBB", 7, 4, 0, 0)
_NUMBER = b"77777777777"
_KEYS = bytes.fromhex("08005200 06000000") + b"STUDY " + bytes.fromhex("10002000 00000000")

Pdv = tuple[int, int, bytes]  # context ID, control header, data


class Chance(random.Random):
    """Where the faults of one stream are, and the number of its instances."""

    serial = 0


@cache
def instance(context_id: int, slot: int) -> tuple[str, bytes]:
    """SOP Instance UID and encoded data set of an instance for a storage context."""
    uid = f"2.25.4711.9.9.1{_NUMBER.decode()}{context_id}{slot}"
    make, syntax = (mr if context_id == 7 else ct), (IMPLICIT if context_id == 5 else EXPLICIT)
    return uid, encode(make(1, rows=4 + slot, SOPInstanceUID=uid), syntax)


def numbered(encoded: bytes, serial: int) -> bytes:
    """Give an instance, or the command that announces it, a UID that no other serial number has."""
    return encoded.replace(_NUMBER, b"%011d" % serial)


def _store(context_id: int, number: int) -> tuple[int, Command, bytes]:
    uid, dataset = instance(context_id, number % 10)
    return context_id, store_command(CONTEXTS[context_id // 2][0], uid, number), dataset


def _request(context_id: int, field: CommandField, number: int) -> Command:
    command = Command.of(field).us(MESSAGE_ID, number)
    return command.uid(AFFECTED_SOP_CLASS_UID, CONTEXTS[context_id // 2][0])


def _event(number: int) -> tuple[int, Command, bytes]:
    command = _request(11, CommandField.N_EVENT_REPORT_RQ, number).us(EVENT_TYPE_ID, 1)
    return 11, command.uid(AFFECTED_SOP_INSTANCE_UID, "1.2.840.10008.1.20.1.1"), b"\x08\x00\x95\x11\0\0\0\0"


MESSAGES: dict[str, Callable[[int], tuple[int, Command, bytes | None]]] = {
    "echo": lambda number: (1, _request(1, CommandField.C_ECHO_RQ, number), None),
    "ct": lambda number: _store(3, number),
    "ct implicit": lambda number: _store(5, number),
    "mr": lambda number: _store(7, number),
    "find": lambda number: (9, _request(9, CommandField.C_FIND_RQ, number).us(PRIORITY, 0), _KEYS),
    "event": _event,
    "cancel": lambda number: (9, Command.of(CommandField.C_CANCEL_RQ).us(RESPONDED_TO, number), None),
    "unknown": lambda number: (1, _request(1, CommandField.N_GET_RQ, number), None),
}
STORING = ("ct", "ct implicit", "mr")


def cut(data: bytes, control: int, context_id: int, step: int) -> list[Pdv]:
    """Cut a command or a data set into PDVs, the last one marked."""
    parts = [data[at : at + step] for at in range(0, len(data), step)] or [b""]
    return [(context_id, control | 2 * (n == len(parts) - 1), part) for n, part in enumerate(parts)]


def message(
    kind: str, number: int, step: int, serial: int = 0, change: Callable[[Command], object] | None = None
) -> list[Pdv]:
    """The PDVs of one message, with `step` bytes in each at most."""
    context_id, command, dataset = MESSAGES[kind](number)
    if dataset is not None:
        command.with_data()
    if change:
        change(command)
    pdvs = cut(numbered(command.encode(), serial), 1, context_id, step)
    return pdvs if dataset is None else pdvs + cut(numbered(dataset, serial), 0, context_id, step)


# Faults of PDVs: each takes the list and changes it in place.
def _at(pdvs: list[Pdv], chance: Chance) -> int:
    return chance.randrange(len(pdvs))


def _context(pdvs: list[Pdv], chance: Chance) -> None:
    at = _at(pdvs, chance)
    pdvs[at] = (chance.choice((0, 1, 2, 3, 5, 7, 13, 255)), *pdvs[at][1:])


def _control(pdvs: list[Pdv], chance: Chance) -> None:
    at = _at(pdvs, chance)
    pdvs[at] = (pdvs[at][0], pdvs[at][1] ^ chance.choice((1, 2, 3, 4, 0x80)), pdvs[at][2])


def _empty(pdvs: list[Pdv], chance: Chance) -> None:
    at = _at(pdvs, chance)
    pdvs.insert(at, (pdvs[at][0], pdvs[at][1] & 1, b""))


def _last_empty(pdvs: list[Pdv], chance: Chance) -> None:
    at = _at(pdvs, chance)
    pdvs[at : at + 1] = [(pdvs[at][0], pdvs[at][1] & 1, pdvs[at][2]), (pdvs[at][0], pdvs[at][1], b"")]


def _shorten(pdvs: list[Pdv], chance: Chance) -> None:
    at = _at(pdvs, chance)
    pdvs[at] = (*pdvs[at][:2], pdvs[at][2][: chance.randrange(len(pdvs[at][2]) + 1)])


def _merge(pdvs: list[Pdv], chance: Chance) -> None:
    at = _at(pdvs, chance)
    if at + 1 < len(pdvs):
        pdvs[at : at + 2] = [(*pdvs[at + 1][:2], pdvs[at][2] + pdvs[at + 1][2])]


def _swap(pdvs: list[Pdv], chance: Chance) -> None:
    one, other = _at(pdvs, chance), _at(pdvs, chance)
    pdvs[one], pdvs[other] = pdvs[other], pdvs[one]


def _twice(pdvs: list[Pdv], chance: Chance) -> None:
    pdvs.insert(_at(pdvs, chance), pdvs[_at(pdvs, chance)])


def _drop(pdvs: list[Pdv], chance: Chance) -> None:
    if len(pdvs) > 1:
        del pdvs[_at(pdvs, chance)]


def _between(pdvs: list[Pdv], chance: Chance) -> None:
    at = _at(pdvs, chance)
    pdvs[at:at] = message(
        chance.choice(list(MESSAGES)), chance.randrange(6, 10), chance.choice((30, 4000)), chance.serial
    )


def _endless(pdvs: list[Pdv], chance: Chance) -> None:
    at, size = _at(pdvs, chance), chance.choice((500, 20_000))
    pdvs[at:at] = [(pdvs[at][0], 1, bytes(size))] * (80_000 // size)


def _element(pdvs: list[Pdv], chance: Chance) -> None:
    """A message whose command lacks an element, or has a strange one."""
    element = chance.choice(
        (COMMAND_FIELD, MESSAGE_ID, DATA_SET_TYPE, AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID, 0x0601)
    )

    def change(command: Command) -> None:
        if chance.random() < 0.5:
            command.elements.pop(element, None)
        else:
            command.elements[element] = chance.choice((b"", b"\x01", b"\x30\x00", bytes(200), b"\xff" * 4))

    at = _at(pdvs, chance)
    pdvs[at:at] = message(chance.choice(list(MESSAGES)), chance.randrange(6, 10), 4000, chance.serial, change)


# Faults of the bytes.
def _flip(stream: bytearray, chance: Chance) -> None:
    for _ in range(chance.randint(1, 4)):
        if stream:
            stream[chance.randrange(len(stream))] ^= 1 << chance.randrange(8)


def _end(stream: bytearray, chance: Chance) -> None:
    del stream[chance.randrange(len(stream) + 1) :]


def _lose(stream: bytearray, chance: Chance) -> None:
    at = chance.randrange(len(stream) + 1)
    del stream[at : at + chance.randint(1, 12)]


def _insert(stream: bytearray, chance: Chance) -> None:
    at = chance.randrange(len(stream) + 1)
    stream[at:at] = chance.choice(
        (RELEASE, ABORT, chance.randbytes(chance.randint(1, 12)), RELEASE + RELEASE)
    )


def _starts(stream: bytearray) -> list[int]:
    """Where the PDUs begin, as their lengths say."""
    starts, at = [], 0
    while at + 12 <= len(stream):
        starts.append(at)
        at += 6 + struct.unpack_from(">L", stream, at + 2)[0]
    return starts


def _length(stream: bytearray, chance: Chance) -> None:
    """Another length of a PDU, or of the first PDV in it."""
    if starts := _starts(stream):
        where = chance.choice(starts) + chance.choice((2, 6))
        (length,) = struct.unpack_from(">L", stream, where)
        wrong = chance.choice((0, 1, length + 1, length - 1, length * 2, 131072, 131073, -1))
        struct.pack_into(">L", stream, where, wrong & 0xFFFFFFFF)


def _tiny(stream: bytearray, chance: Chance) -> None:
    """A PDV too short for its own header, in a PDU of that length."""
    if starts := _starts(stream):
        at, length = chance.choice(starts), chance.choice((0, 1))
        stream[at:at] = pdata((struct.pack(">L", length) + bytes([chance.choice((1, 3, 5))]))[: 4 + length])


PDV_FAULTS = {
    fault.__name__: fault
    for fault in (
        *(_context, _control, _empty, _last_empty, _shorten, _merge),
        *(_swap, _twice, _drop, _between, _endless, _element),
    )
}
BYTE_FAULTS = {fault.__name__: fault for fault in (_flip, _end, _lose, _insert, _length, _tiny)}
SPOILING = (*PDV_FAULTS, *BYTE_FAULTS)


@dataclass(frozen=True)
class Recipe:
    """What a stream is made of.

    Attributes
    ----------
    step
        Bytes of a PDV at most.
    together
        PDVs of a PDU at most.
    ending
        Bytes after the last message.
    """

    kinds: tuple[str, ...]
    faults: tuple[str, ...]
    step: int
    together: int
    ending: bytes
    seed: int

    def stream(self, serial: int = 0) -> bytes:
        """The bytes after the A-ASSOCIATE-RQ."""
        chance = Chance(self.seed)
        chance.serial = serial
        pdvs = [pdv for n, kind in enumerate(self.kinds) for pdv in message(kind, n + 1, self.step, serial)]
        for fault in self.faults:
            if fault in PDV_FAULTS:
                PDV_FAULTS[fault](pdvs, chance)
        stream = bytearray(pdus(pdvs, self.together, chance) + self.ending)
        for fault in self.faults:
            if fault in BYTE_FAULTS:
                BYTE_FAULTS[fault](stream, chance)
        return bytes(stream)

    def pieces(self, stream: bytes, most: int = 60) -> list[bytes]:
        """Cut a stream into writes: one, or up to `most` of any size."""
        chance = random.Random(self.seed)
        count = chance.choice((1, 1, 2, 5, most))
        cuts = sorted({0, *(chance.randrange(len(stream) + 1) for _ in range(count - 1))})
        pieces = [stream[a:b] for a, b in zip(cuts, [*cuts[1:], len(stream)], strict=True)]
        return [piece for piece in pieces if piece]


def pdus(pdvs: list[Pdv], together: int, chance: Chance) -> bytes:
    """P-DATA-TF PDUs of up to `together` PDVs each."""
    out, at = [], 0
    while at < len(pdvs):
        group = pdvs[at : at + chance.randint(1, together)]
        out.append(
            pdata(
                *(
                    struct.pack(">LBB", len(data) + 2, context, control) + data
                    for context, control, data in group
                )
            )
        )
        at += len(group)
    return b"".join(out)


def recipes(
    kinds: tuple[str, ...] = tuple(MESSAGES), faults: tuple[str, ...] = SPOILING, most_faults: int = 3
) -> st.SearchStrategy[Recipe]:
    """Draw recipes, a quarter of them or so without a fault."""
    return st.builds(
        Recipe,
        kinds=st.lists(st.sampled_from((*kinds, *STORING)), min_size=1, max_size=5).map(tuple),
        faults=st.lists(st.sampled_from(faults), max_size=most_faults).map(tuple) if faults else st.just(()),
        step=st.sampled_from((4000, 16_000, 2, 30, 150, 700)),
        together=st.sampled_from((1, 2, 9)),
        ending=st.sampled_from((RELEASE, b"", ABORT, RELEASE + RELEASE)),
        seed=st.integers(0, 2**32),
    )
