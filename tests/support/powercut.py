"""A node that is recorded while senders store on it, so that its power can be cut later, at any moment."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from node.config import load
from node.root import Node
from scu.wire.channel import Channel
from scu.wire.command import Command
from tests.support.caller import CT, call, context_of, store_command
from tests.support.forwarding import put_forwarding_in_force
from tests.support.node import NodeProcess, free_port, write_config
from tests.support.powercut_calls import Call, Ignored, Reader, read, recording, sends, tracer_of, wait_for
from tests.support.powercut_disk import Disk, Luck, Tree
from tests.support.samples import encode

Start = Callable[..., NodeProcess]

_P_DATA, _WHOLE_COMMAND = 0x04, 0x03
_STORED = (0x8001, 0x0000)  # C-STORE-RSP (PS3.7 E.1), Success


@dataclass(frozen=True)
class Sent:
    """An instance that was sent, or was just going to be, and the SHA-256 of its data set."""

    uid: str
    digest: str


@dataclass(frozen=True)
class Answer:
    """C-STORE-RSP with 0x0000, and the moment from which on it may have been read."""

    moment: int
    sent: Sent


@dataclass
class Senders:
    """Those who store on a node. The place in `sent` is the Message ID, so that answers tell to what."""

    port: int
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def send(self, *associations: Sequence[Dataset]) -> None:
        """Send by so many associations at the same time; return when all have been answered 0x0000."""
        errors: list[BaseException] = []
        threads = [threading.Thread(target=self._send, args=(some, errors)) for some in associations]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors

    def _send(self, datasets: Sequence[Dataset], errors: list[BaseException]) -> None:
        try:
            with call(self.port) as channel:
                for dataset in datasets:
                    self._store(channel, dataset)
                channel.release()
        except BaseException as error:
            errors.append(error)

    def _store(self, channel: Channel, dataset: Dataset) -> None:
        encoded, uid = encode(dataset), str(dataset.SOPInstanceUID)
        with self._lock:
            number = len(self.sent)
            self.sent.append(Sent(uid, hashlib.sha256(encoded).hexdigest()))
        channel.send(context_of(channel, CT), store_command(CT, uid, message_id=number), encoded)
        assert channel.receive().command.status == 0


@dataclass
class Recording:
    """What a node did to its data folder, and what it answered.

    Attributes
    ----------
    config
        The text of its configuration.
    base, data
        What was in the folder before, when all of it was certain; and the folder.
    answers
        In the order in which they were sent.
    """

    config: str
    base: Tree
    data: Path
    calls: Sequence[Call]
    answers: Sequence[Answer]
    sent: Sequence[Sent]

    def disk(self, ignored: Ignored = lambda path, kind: False) -> Disk:
        """Return the disk on which it did that; see `Reader` for `ignored`."""
        return Reader(Disk.holding(self.base), self.data, ignored).play(self.calls)

    @property
    def moments(self) -> range:
        """The moments at which the power can be cut, but for those at which nothing was done yet."""
        began = [each.began for each in self.calls if not each.target.startswith("TCP:")]
        return range(min(began), max(began) + 2)

    def acknowledged(self, moment: int) -> list[Sent]:
        """Return what may have been acknowledged when the power is cut at `moment`."""
        return [each.sent for each in self.answers if each.moment <= moment]

    def cut(self, disk: Disk, moment: int, luck: Luck, folder: Path) -> Path:
        """Lay out what a power cut may leave, in place of `folder`; return the configuration of a node."""
        shutil.rmtree(folder, ignore_errors=True)
        disk.after(moment, luck).lay_out(folder / "data")
        config = folder / "config.toml"
        config.write_text(self.config.replace(str(self.data), str(folder / "data")))
        return config

    def story(self, moment: int, count: int = 15) -> str:
        """Return what was done last before `moment`, and when each call began and ended."""
        done = [
            each for each in self.calls if each.began <= moment and not each.name.startswith(("open", "mmap"))
        ]
        lines = [f"{each.began}-{each.ended} {each.short(str(self.data))}" for each in done[-count:]]
        return "\n".join(["done last:", *lines])


def prepare(folder: Path, **blobs: object) -> Path:
    """Make a node that is to deliver each instance and each study, and return its configuration.

    Parameters
    ----------
    blobs
        What the configuration says of them.
    """
    config = write_config(folder, blobs=blobs)
    with Node.open(load(config, environ={})) as node:
        put_forwarding_in_force(node.archive, {"pacs": free_port()}, {"late": free_port()})
    return config


def record(config: Path, start: Start, send: Callable[[Senders], None]) -> Recording:
    """Start a node, record it while `send` stores on it, and stop it."""
    data, output = load(config, environ={}).data_dir, config.with_name("strace")
    base = Tree.of(data)
    process = start(config, within=recording(output))
    tracer = tracer_of(process.process.pid)
    senders = Senders(process.port)
    send(senders)
    assert process.stop() == 0, process.read_log()[-3000:]
    wait_for(tracer)
    calls = read(output, data)
    output.unlink()
    answers = list(_answers(calls, process.port, senders.sent))
    assert len(answers) == len(senders.sent)
    made = Recording(config.read_text(), base, data, calls, answers, senders.sent)
    disk = made.disk()
    end, left = disk.after(made.moments[-1], Luck(share=1)), Tree.of(data)
    assert end.keys() == left.keys(), f"the record does not tell all: {end.keys() ^ left.keys()}"
    for path in end:
        inode = disk.find(path)
        if inode is not None and inode.mapped is None:
            assert end[path] == left[path], f"the record does not tell all of {path}"
    return made


def _answers(calls: Sequence[Call], port: int, sent: Sequence[Sent]) -> Iterator[Answer]:
    streams: dict[str, bytearray] = {}
    for each, connection in sorted(sends(calls, port), key=lambda one: one[0].began):
        stream = streams.setdefault(connection, bytearray())
        stream += each.data()
        for command in _commands(stream):
            if (command.field, command.status) == _STORED:
                yield Answer(each.began, sent[command.responded_to])


def _commands(stream: bytearray) -> Iterator[Command]:
    """Yield the commands at the beginning of `stream` and take them away; those of a node fit into a PDU."""
    while len(stream) >= 6:
        length = 6 + int.from_bytes(stream[2:6], "big")
        if len(stream) < length:
            return
        pdu = bytes(stream[:length])
        del stream[:length]
        if pdu[0] == _P_DATA and pdu[11] == _WHOLE_COMMAND:
            yield Command.decode(pdu[12:])
