"""A caller that asks by C-FIND within one association, so that the node's own time is what is measured.

It reads every answer from the network and decodes none.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from pydicom.dataset import Dataset

from benchmarks.peers import Peer
from scu import identifiers
from scu.address import Address
from scu.association import Association
from scu.find import STUDY_ROOT
from scu.operation import request
from scu.wire.command import CommandField

_IMPLICIT = "1.2.840.10008.1.2"
_PENDING = (0xFF00, 0xFF01)

Keys = dict[str, str]


@dataclass(frozen=True)
class Asked:
    """What one query came to; `first` and `whole` are seconds from sending it."""

    answers: int
    first: float
    whole: float


@dataclass(frozen=True)
class Figures:
    """What several queries of one kind came to, in seconds."""

    answers: int
    first: float
    whole: float
    slowest: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.whole


class Caller:
    """One association that asks."""

    def __init__(self, association: Association) -> None:
        self._association = association
        self._context = association.need(STUDY_ROOT)

    def ask(self, level: str, keys: Keys) -> Asked:
        """Ask once and read all answers.

        Raises
        ------
        AssertionError
            The query did not end with success.
        """
        identifier = Dataset()
        identifier.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(identifier, keyword, value)
        data = identifiers.encode(identifier, self._context.transfer_syntax)
        channel, number = self._association.channel, self._association.next_id()
        began, first, answers = time.perf_counter(), 0.0, 0
        channel.send(self._context, request(CommandField.C_FIND_RQ, number, STUDY_ROOT, 0), data)
        while (status := channel.answer(CommandField.C_FIND_RSP, number).command.status) in _PENDING:
            first = first or time.perf_counter() - began
            channel.skip_dataset()
            answers += 1
        whole = time.perf_counter() - began
        assert status == 0, f"status 0x{status:04X}"
        return Asked(answers, first or whole, whole)

    def measure(
        self, level: str, keys: Callable[[int], Keys], repeats: int, *, seconds: float = 5.0
    ) -> Figures:
        """Ask `repeats` times, each time for `keys` of another number, but no longer than `seconds`."""
        self.ask(level, keys(0))  # what is done once for each kind of query
        asked: list[Asked] = []
        until = time.perf_counter() + seconds
        while len(asked) < repeats and (not asked or time.perf_counter() < until):
            asked.append(self.ask(level, keys(len(asked) + 1)))
        return _summed(asked)


def _summed(asked: Sequence[Asked]) -> Figures:
    return Figures(
        answers=asked[0].answers,
        first=median(each.first for each in asked),
        whole=median(each.whole for each in asked),
        slowest=max(each.whole for each in asked),
    )


@contextmanager
def calling(peer: Peer) -> Iterator[Caller]:
    """Associate with `peer` for as long as the block takes."""
    address = Address(peer.ae_title, "127.0.0.1", peer.port)
    with Association.open(address, "BENCH", [(STUDY_ROOT, [_IMPLICIT])]) as association:
        yield Caller(association)
