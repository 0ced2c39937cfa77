"""A thread of a worker that looks for work, does it, and sleeps until it is woken or is to look again."""

import threading
from collections.abc import Callable

import structlog

from node.core import clock
from storage.errors import StorageError
from storage.wake import Waker

_LONGEST = 30.0  # seconds; a wake-up that was missed costs no more
_AWAY = 1.0  # seconds between two questions to a database that does not answer
_PACE = 0.02  # seconds; of those who come in a row it is woken by one

_log = structlog.get_logger()


class Loop:
    """Calls `look` again and again, from `start` to `stop`.

    Parameters
    ----------
    name
        Of the thread, and in the log.
    look
        Does what there is to do and returns the seconds until it wants to be called again, or sooner when
        workers are woken. A database that is away does not end the loop, nor does anything else it raises.
    """

    def __init__(self, name: str, look: Callable[[], float], waker: Waker) -> None:
        self._name = name
        self._look = look
        self._waker = waker
        self._stopping = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once the look that is being taken is over."""
        self._stopping.set()
        self._waker.poke()
        self._thread.join()
        self._waker.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            looked_at = clock.monotonic()
            sleep = self._once()
            if sleep > 0:
                self._waker.wait(min(sleep, _LONGEST))
                self._stopping.wait(max(looked_at + _PACE - clock.monotonic(), 0.0))

    def _once(self) -> float:
        try:
            sleep = self._look()
            self._away = False
        except StorageError as error:
            if not self._away:
                _log.error("loop.database_away", loop=self._name, error=str(error))
            self._away, sleep = True, _AWAY
        except Exception as error:  # a fault of ours in one look must not be the end of all others
            _log.error("loop.failed", loop=self._name, error=type(error).__name__, exc_info=error)
            sleep = _AWAY
        return sleep
