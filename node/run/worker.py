"""The worker: claims jobs, runs each in a thread, keeps its leases, and gives back what it cannot finish.

The main thread claims and sleeps; another renews the leases and returns the jobs of workers that died.
Beside them run the loops that deliver and that let studies settle. A database that is away for a while costs
time, not the process.
"""

import os
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from node.core import clock
from node.delivery.dispatcher import Dispatcher
from node.jobs.kinds import KINDS, Kind
from node.jobs.task import Task
from node.root import Node
from node.rulings.settler import Settler
from node.run.attempt import Attempt
from node.run.loops import Loop
from storage.errors import StorageError
from storage.records.jobs import Job
from storage.wake import Waker

LEASE = timedelta(seconds=60)
"""How long a job stays with a worker that is not heard of."""

_SLEEP = 30.0  # seconds; a wake-up that was missed costs no more
_AWAY = 1.0  # seconds between two questions to a database that does not answer

_log = structlog.get_logger()


class Worker:
    """One worker process.

    Parameters
    ----------
    node
        The services.
    kinds
        What it can do.
    lease
        How long its jobs stay its own when it is not heard of.
    """

    def __init__(self, node: Node, kinds: Mapping[str, Kind] = KINDS, lease: timedelta = LEASE) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._node = node
        self._kinds = kinds
        self._lease = lease
        self._renew_every = lease.total_seconds() / 4
        self._at_once = node.config.worker.at_once
        self._lock = threading.Condition()
        self._tasks: dict[int, Task] = {}
        self._stop = False
        self._stopping = threading.Event()
        self._waker: Waker = node.archive.waker()

    def stop(self) -> None:
        """Let `run` end: running jobs are interrupted and go back to the queue. Fit for a signal handler."""
        self._stop = True  # no lock is taken: the thread that is interrupted may hold it
        self._waker.poke()

    def run(self) -> None:
        """Do jobs until `stop`."""
        keeper = threading.Thread(target=self._keep, name="leases", daemon=True)
        keeper.start()
        self._start_loops()
        _log.info("worker.ready", worker=self.name, at_once=self._at_once)
        away = False
        while not self._stop:
            try:
                sleep = self._step()
                away = False
            except StorageError as error:
                if not away:
                    _log.error("worker.database_away", error=str(error))
                away, sleep = True, _AWAY
            if sleep:
                self._waker.wait(sleep)
        self._stopping.set()
        loops = threading.Thread(target=self._stop_loops, name="loops", daemon=True)
        loops.start()  # jobs and deliveries have the same time to end in
        self._drain()
        loops.join()
        keeper.join()
        self._waker.close()
        _log.info("worker.stopped")

    def _start_loops(self) -> None:
        node = self._node
        self._dispatcher = Dispatcher(node, self.name)
        settler = Settler(node.archive, node.blobs, node.book, node.config.rules)
        self._loops = [
            Loop("delivery", self._dispatcher.look, node.archive.waker()),
            Loop("settling", settler.look, node.archive.waker()),
        ]
        for loop in self._loops:
            loop.start()

    def _stop_loops(self) -> None:
        for loop in self._loops:
            loop.stop()
        self._dispatcher.stop()

    def _step(self) -> float:
        """Begin a job that is due; return 0 when one was begun, else the seconds until one may be."""
        kinds = self._free_kinds()
        if not kinds:
            return _SLEEP  # the end of a job wakes us
        now = clock.now()
        with self._node.archive.read() as tx:  # only a look, which takes no lock
            due = tx.jobs.next_due(kinds)
        if due is None:
            return _SLEEP
        if due > now:
            return min((due - now).total_seconds() + 0.001, _SLEEP)
        with self._node.archive.begin() as tx:
            job = tx.jobs.claim(self.name, kinds, now, now + self._lease)
            tx.commit()
        if job is not None:
            self._start(job)
        return 0.0

    def _free_kinds(self) -> list[str]:
        with self._lock:
            running = Counter(task.job.kind for task in self._tasks.values())
            if running.total() >= self._at_once:
                return []
            return sorted(name for name, kind in self._kinds.items() if running[name] < kind.at_once)

    def _start(self, job: Job) -> None:
        task = Task(self._node, job)
        with self._lock:
            self._tasks[job.id] = task
        threading.Thread(target=self._work, args=(task,), name=f"job {job.id}", daemon=True).start()

    def _work(self, task: Task) -> None:
        try:
            Attempt(task, self._kinds[task.job.kind], self._lease.total_seconds()).run()
        finally:
            with self._lock:
                self._tasks.pop(task.job.id, None)
                self._lock.notify_all()
                if not self._stopping.is_set():
                    self._waker.poke()

    def _keep(self) -> None:
        """Renew our leases, and return the jobs of those who do not renew theirs, until we stop."""
        heard = clock.monotonic()
        while True:
            with self._lock:
                tasks = list(self._tasks.values())
            try:
                held = self._renew()
                heard = clock.monotonic()
            except StorageError:
                lost = tasks if clock.monotonic() - heard > self._lease.total_seconds() else []
            else:
                lost = [task for task in tasks if task.job.id not in held]
            for task in lost:  # cancelled, or given to another
                task.stop()
            if self._stopping.wait(self._renew_every):
                with self._lock:
                    if self._lock.wait_for(lambda: not self._tasks, self._renew_every):
                        return

    def _renew(self) -> set[int]:
        now = clock.now()
        with self._node.archive.begin() as tx:
            held = tx.jobs.renew(self.name, now + self._lease)
            expired = tx.jobs.expire(now)
            tx.commit()
        for job in expired:
            _log.error("job.expired", job=job.id, kind=job.kind, state=job.state.value, worker=job.worker)
        return held

    def _drain(self) -> None:
        """Interrupt what runs and wait for it; what does not listen goes back to the queue as it is."""
        with self._lock:
            for task in self._tasks.values():
                task.stop()
            self._lock.wait_for(lambda: not self._tasks, self._node.config.dicom.drain_timeout)
            left, self._tasks = list(self._tasks.values()), {}
            self._lock.notify_all()
        for task in left:
            _log.warning("job.cut_off", job=task.job.id, kind=task.job.kind)
        with suppress(StorageError):  # then their leases run out
            self._give_back([task.job for task in left])

    def _give_back(self, jobs: Sequence[Job]) -> None:
        if jobs:
            with self._node.archive.begin() as tx:
                for job in jobs:
                    tx.jobs.give_back(job, clock.now())
                tx.commit()
