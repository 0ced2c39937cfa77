"""Signals as something to wait for, instead of something that interrupts at any point.

A handler that takes a lock can meet itself holding it; here the handler does nothing, and Python's wake-up
file descriptor says which signal came.
"""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self

STOPPING = (signal.SIGTERM, signal.SIGINT)
"""What asks a process to end cleanly."""


class Signals:
    """A with statement in which `numbers` are waited for; only in the main thread."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._numbers = frozenset(numbers)
        self._before: dict[signal.Signals, Any] = {}
        self._end = self._wake = self._outer = -1

    def __enter__(self) -> Self:
        self._end, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._outer = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in self._numbers:
            self._before[number] = signal.signal(number, _nothing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._outer)
        os.close(self._end)
        os.close(self._wake)

    def wait(self, timeout: float | None) -> frozenset[int]:
        """Return which signals came, none of them when `timeout` seconds passed."""
        ready, _, _ = select.select([self._end], [], [], timeout)
        return self._numbers.intersection(os.read(self._end, 4096)) if ready else frozenset()


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Be there, so that the signal does not end the process."""
