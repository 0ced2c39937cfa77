"""The indexer's process, beside a receiver: started again when it dies, and ended with the receiver.

Each receiver has one; of all only the one that leads writes the index, the others wait in the kernel for its
end. It is forked before the receiver has any thread, by a process that has none ever: so it can be forked
again.
"""

import gc
import os
import signal
from collections.abc import Callable
from time import sleep

import structlog

from node.config import Config
from node.core import clock
from node.core.trouble import report
from node.indexing.indexer import Indexer
from node.run.opening import open_archive
from node.run.parent import die_with
from storage.archive import Archive
from storage.blobs.open import open_blobs, open_front

_YOUNG = 10.0  # seconds; who dies later has worked
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0

_log = structlog.get_logger()


class Keeper:
    """The process that keeps an indexer running. Make it before the first thread."""

    def __init__(self, config: Config) -> None:
        parent = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            _in_child(parent, config, _keep)

    def stop(self) -> None:
        """End it, and the indexer with it. Whatever that was at, it leaves nothing half-done."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _keep(config: Config) -> None:
    pause = _FIRST_PAUSE
    while True:
        began, parent = clock.monotonic(), os.getpid()
        pid = os.fork()
        if not pid:
            _in_child(parent, config, _index)
        _, status = os.waitpid(pid, 0)
        pause = _FIRST_PAUSE if clock.monotonic() - began > _YOUNG else min(2 * pause, _LONGEST_PAUSE)
        _log.error("indexer.restart", ended=os.waitstatus_to_exitcode(status), pause=pause)
        sleep(pause)


def _index(config: Config) -> None:
    archive = open_archive(config)
    lazy = Archive.open(config.database_url, durable=False)
    blobs = open_blobs(config.blobs.url, config.data_dir, log=config.blobs.receive_log)
    log = open_front(config.blobs.url, config.data_dir, blobs)
    if log is not None:
        with log.pages.lead(wait=True):
            indexer = Indexer(config, archive, lazy, blobs, log)
            gc.freeze()  # what stands now stays
            indexer.run()


def _in_child(parent: int, config: Config, act: Callable[[Config], None]) -> None:
    """Do it in this process, which was just forked and never returns to what it was forked from."""
    try:
        die_with(parent)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):  # sent to all: the receiver needs us to its end
            signal.signal(number, signal.SIG_IGN)
        act(config)
    except Exception as error:
        report("indexer.broke", error)
    finally:
        os._exit(1)
