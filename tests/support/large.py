"""An instance too large to be held in memory: made while it is sent, and hashed while it comes back."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from pydicom.dataset import Dataset

from scu.wire.channel import Channel
from scu.wire.command import COMPLETED, CommandField, response_to
from tests.support.caller import context_of, store_command
from tests.support.samples import EXPLICIT, ct, encode

MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.3"
"""Multi-frame Grayscale Word Secondary Capture Image Storage."""

_PIECE = 1 << 20


@dataclass
class Large:
    """A multi-frame instance with `frames` frames of 1 MiB, no two of them alike.

    Attributes
    ----------
    digest
        Of the data set, once it has been sent.
    """

    frames: int
    study: int = 7
    _sent: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def uid(self) -> str:
        """Its SOP Instance UID."""
        return f"2.25.4711.{self.study}.99.1"

    @property
    def study_uid(self) -> str:
        """Its Study Instance UID."""
        return f"2.25.4711.{self.study}"

    @cached_property
    def _head(self) -> bytes:
        dataset: Dataset = ct(1, study=self.study, series=99, PixelData=None)
        dataset.SOPClassUID, dataset.Modality = MULTI_FRAME, "OT"
        dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 512, 1024, self.frames
        return encode(dataset) + b"\xe0\x7f\x10\x00OW\0\0" + (self.frames * _PIECE).to_bytes(4, "little")

    @property
    def size(self) -> int:
        """Bytes of the data set."""
        return len(self._head) + self.frames * _PIECE

    @property
    def digest(self) -> str:
        """SHA-256 of the data set that was sent."""
        return self._sent.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """The data set in pieces."""
        body = bytes(range(256)) * (_PIECE // 256 - 1)
        self._sent = hashlib.sha256()
        for number in range(-1, self.frames):
            piece = self._head if number < 0 else self.begin_of(number) + body
            self._sent.update(piece)
            yield piece

    def begin_of(self, frame: int) -> bytes:
        """The first 256 bytes of a frame, which no other begins with."""
        return f"{self.uid} frame {frame} of {self.frames}".encode().ljust(256, b".")

    def send(self, channel: Channel) -> int:
        """C-STORE it; returns the status."""
        command = store_command(MULTI_FRAME, self.uid)
        channel.send_streamed(context_of(channel, MULTI_FRAME), command, self.chunks(), self.size)
        return channel.receive().command.status


PROPOSED = (MULTI_FRAME, (EXPLICIT,))
"""The presentation context that it goes over."""


def take_all(channel: Channel) -> tuple[dict[str, str], int, int]:
    """Take the instances of a C-GET as they come; return the digest of each, final status and completed."""
    digests: dict[str, str] = {}
    while True:
        message = channel.receive()
        if message.command.field != CommandField.C_STORE_RQ:
            if message.command.status == 0xFF00:
                continue
            return digests, message.command.status, message.command.number(COMPLETED)
        digest = hashlib.sha256()
        for fragments in channel.dataset():
            for fragment in fragments:
                digest.update(fragment)
        digests[message.command.affected_sop_instance_uid] = digest.hexdigest()
        channel.send(message.context, response_to(message.command, 0))
