"""A scanner in a hurry: several associations at once, and what each was told."""

import hashlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from scu.wire.errors import WireError
from scu.wire.negotiate import AssociationRejected
from tests.support.caller import call, store
from tests.support.samples import ct, encode


@dataclass
class Burst:
    """Instances sent until the node is gone or all are through.

    Attributes
    ----------
    rows
        Rows and columns of each image.
    studies
        Over which the instances are spread; with more than one, each association mixes them its own way.
    acknowledged
        SOP Instance UID to the SHA-256 of the data set, of each instance that was answered 0x0000.
    """

    port: int
    associations: int = 4
    each: int = 200
    first: int = 0
    rows: int = 16
    studies: int = 1
    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def start(self) -> None:
        """Begin to send; returns at once."""
        self._threads = [
            threading.Thread(target=self._send, args=(index,)) for index in range(self.associations)
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all have finished or given up."""
        for thread in self._threads:
            thread.join()

    def _instances(self, index: int) -> Iterator[tuple[str, bytes]]:
        numbers = list(range(self.first + index * self.each, self.first + (index + 1) * self.each))
        if self.studies > 1:
            random.Random(self.first + index).shuffle(numbers)
        for number in numbers:
            dataset = ct(number, study=1 + number % self.studies, rows=self.rows)
            yield str(dataset.SOPInstanceUID), encode(dataset)

    def _send(self, index: int) -> None:
        try:
            with call(self.port) as channel:
                for uid, encoded in self._instances(index):
                    status, comment = store(channel, encoded, uid)
                    if status == 0:
                        self.acknowledged[uid] = hashlib.sha256(encoded).hexdigest()
                    else:
                        self.refused.append((status, comment))
                channel.release()  # which waits until all of it is in the index
        except (OSError, WireError, AssociationRejected):
            return  # it was killed under us
