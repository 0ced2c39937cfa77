"""What one C-STORE costs from its first byte to its answer, in the upper layer alone: CPU of this process.

    python -m benchmarks.bench_wire [--count N]

A second process sends as dcmtk's storescu does, a PDU of 16 KiB a write over loopback, and waits for each
answer; the fragments are looked at and dropped. `replay` has no network: the bytes are in the buffer of the
link already.
"""

import argparse
import multiprocessing
import socket
import struct
import time
from collections.abc import Sequence

from scu.wire.channel import Channel, Context
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    MESSAGE_ID,
    PRIORITY,
    Command,
    CommandField,
)
from scu.wire.errors import LinkClosed
from scu.wire.link import Link

_CT = Context(1, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")
_PDU = 16384
_REPEATS = 5


def message(number: int, size: int) -> list[bytes]:
    """The PDUs of a C-STORE-RQ as dcmtk sends them: the command in one, then the data set."""
    command = Command.of(CommandField.C_STORE_RQ).us(MESSAGE_ID, number % 0xFFFF + 1).us(PRIORITY, 0)
    command.uid(AFFECTED_SOP_CLASS_UID, _CT.abstract_syntax).with_data()
    command.uid(AFFECTED_SOP_INSTANCE_UID, f"1.2.826.0.1.3680043.8.498.4711.{number}")
    data, step = command.encode(), _PDU - 6
    pdus = [struct.pack(">BxLLBB", 4, len(data) + 6, len(data) + 2, 1, 3) + data]
    for begin in range(0, size, step):
        length = min(step, size - begin)
        last = 2 if begin + length >= size else 0
        pdus.append(struct.pack(">BxLLBB", 4, length + 6, length + 2, 1, last) + bytes(length))
    return pdus


def _send(port: int, messages: Sequence[Sequence[bytes]]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pdus in messages:
            for pdu in pdus:
                sock.sendall(pdu)
            sock.recv(4096)


def _serve(channel: Channel, size: int) -> None:
    """Take one message and answer it."""
    request = channel.receive()
    got = sum(len(fragment) for fragments in channel.dataset() for fragment in fragments)
    if got != size:
        raise RuntimeError(f"{got} of {size} bytes came")
    channel.reply(request, 0)


def over_loopback(size: int, count: int) -> float:
    """CPU seconds of this process for `count` messages."""
    messages = [message(number, size) for number in range(count)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = multiprocessing.Process(target=_send, args=(listener.getsockname()[1], messages))
        sender.start()
        sock, _ = listener.accept()
    link = Link(sock, max_pdu=131072, idle_timeout=60, pdu_timeout=60)
    channel = Channel(link, {1: _CT}, _PDU)
    began = time.process_time()
    try:
        while True:
            _serve(channel, size)
    except LinkClosed:
        pass
    spent = time.process_time() - began
    sender.join()
    link.close()
    return spent


class _Deaf(Link):
    """Sends nothing, as if it had."""

    def send(self, buffers: Sequence[object]) -> None:
        pass


def in_memory(size: int, count: int) -> float:
    """CPU seconds for `count` messages that are in the buffer already."""
    one, other = socket.socketpair()
    link = _Deaf(one, max_pdu=131072, idle_timeout=60, pdu_timeout=60)
    channel = Channel(link, {1: _CT}, _PDU)
    whole = [b"".join(message(number, size)) for number in range(count)]
    spent = 0.0
    for data in whole:
        link.preload(data)
        began = time.process_time()
        _serve(channel, size)
        spent += time.process_time() - began
    link.close()
    other.close()
    return spent


def main() -> None:
    """Print a line for each size and way."""
    parser = argparse.ArgumentParser(description="What one C-STORE costs in the upper layer.")
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    for size in (39_000, 525_000):
        runs = [("loopback", over_loopback)]
        if size < 256 * 1024:
            runs.append(("replay", in_memory))
        for name, run in runs:
            best = min(run(size, count) for _ in range(_REPEATS))
            print(f"{size / 1000:7.0f} KB  {name:8} {best / count * 1e6:8.1f} us CPU")


if __name__ == "__main__":
    main()
