"""The supervisor: starts processes, starts those again that die, and ends all of them together.

A process that dies is started again after a pause that doubles, up to a minute, as long as it dies young.
Until everything was ready once, a process that cannot start ends the whole: then a person is watching.
"""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from node.core import clock
from node.core.errors import UserError
from node.run.signals import STOPPING, Signals

TOLD = 78
"""Exit code of a process that has said what is wrong (EX_CONFIG of sysexits.h)."""

_YOUNG = 10.0  # seconds; who dies later has worked
_FIRST_PAUSE = 0.5  # seconds
_LONGEST_PAUSE = 60.0
_TRIES = 3  # deaths before anything was ready
_ASK = 0.25  # seconds between two looks whether all is ready
_COMPLAIN = 15.0  # seconds between two words about what is not ready

_log = structlog.get_logger()


@dataclass
class Child:
    """A process that is to be there.

    Attributes
    ----------
    deaths
        How often in a row it died young.
    due
        When it is to be started, on the monotonic clock.
    """

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    due: float = 0.0

    def start(self) -> None:
        """Start it, in a process group of its own: what is typed at a terminal is for the supervisor."""
        self.started = clock.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "node.cli.child", str(os.getpid()), *self.arguments],
            stdin=subprocess.DEVNULL,
            process_group=0,
        )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def pause(self) -> float:
        """Return the seconds until its next start."""
        exact = min(_FIRST_PAUSE * 2.0 ** min(self.deaths - 1, 30), _LONGEST_PAUSE)
        return exact * random.uniform(0.8, 1.2)


class Supervisor:
    """The processes of one node.

    Parameters
    ----------
    commands
        Name of each process to the arguments of `isocentre`.
    grace
        Seconds that they have to end before they are killed.
    missing
        Says what is not ready yet, empty when everything is.
    ready
        Called once, when everything is.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        *,
        grace: float,
        missing: Callable[[], str],
        ready: Callable[[], None],
    ) -> None:
        self._children = [Child(name, arguments) for name, arguments in commands.items()]
        self._grace = grace
        self._missing = missing
        self._tell_ready = ready
        self._is_ready = False
        self._complained = clock.monotonic()

    def run(self) -> bool:
        """Keep them running until SIGTERM or SIGINT; tell whether all ended in time by themselves.

        Raises
        ------
        UserError
            One of them cannot start. None is left.
        """
        with Signals(*STOPPING, signal.SIGCHLD) as signals:
            try:
                while not signals.wait(self._patience()) & set(STOPPING):
                    for child in self._children:
                        self._look_after(child)
                    if not self._is_ready:
                        self._look_whether_ready()
            finally:
                ended = self._end(signals)
        return ended

    def _patience(self) -> float | None:
        now = clock.monotonic()
        due = [child.due - now for child in self._children if child.process is None]
        if not self._is_ready:
            due.append(_ASK)
        return max(0.0, min(due)) if due else None

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            if clock.monotonic() >= child.due:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            return
        lived = clock.monotonic() - child.started
        child.process = None
        child.deaths = child.deaths + 1 if lived < _YOUNG else 1
        if not self._is_ready and (code == TOLD or child.deaths >= _TRIES):
            raise UserError(f"{child.name} cannot start ({_words(code)}); what it said stands above")
        pause = child.pause()
        child.due = clock.monotonic() + pause
        _log.error(
            "supervisor.restart", process=child.name, ended=_words(code), lived=round(lived, 1), pause=pause
        )

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:  # the machine is out of memory or of processes
            child.deaths += 1
            child.due = clock.monotonic() + child.pause()
            _log.error("supervisor.not_started", process=child.name, error=error.strerror)

    def _look_whether_ready(self) -> None:
        missing = self._missing()
        if not missing:
            self._is_ready = True
            self._tell_ready()
        elif clock.monotonic() - self._complained > _COMPLAIN:
            self._complained = clock.monotonic()
            _log.warning("supervisor.not_ready", missing=missing)

    def _end(self, signals: Signals) -> bool:
        """End all that run; a second request to stop does not wait for them."""
        for child in self._running():
            child.send(signal.SIGTERM)
        deadline = clock.monotonic() + self._grace
        while self._running():
            left = deadline - clock.monotonic()
            if left <= 0 or signals.wait(left) & set(STOPPING):
                break
        late = self._running()
        for child in late:
            _log.error("supervisor.killed", process=child.name)
            child.send(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()
        return not late

    def _running(self) -> list[Child]:
        return [child for child in self._children if child.process and child.process.poll() is None]


def _words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
