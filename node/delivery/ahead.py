"""Instances of one association made ready before they are wanted, while the receiver works.

Usually in the thread that sends, for handing over costs a sixth more. Large ones in a thread of their own
where there are cores for it: reading and SHA-256 let go of the interpreter, and so does sending. With two
cores, of which the receiver had its share, that was measured and found slower. It knows nothing of answers,
and sends nothing.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence

from node.delivery.loading import Loaded, Loader, Unfit
from node.services.retrieve import AHEAD_MAX
from storage.records.objects import StoredInstance

HELD_MAX = 4 << 20
"""Bytes of instances that stand ready at once; one may, whatever its size."""

THREAD_MIN = 256 << 10
"""Bytes of the smallest instance for which a thread is started."""

CORES_MIN = 3
"""Cores that there must be for that."""

_CORES = os.cpu_count() or 1  # once: the system reads a file to tell


class Ahead:
    """Gives out instances in order, ready to leave. As a context manager it ends its thread."""

    def __init__(self, loader: Loader, instances: Sequence[StoredInstance]) -> None:
        self._loader = loader
        self._todo = deque(instances)
        self._ready: deque[tuple[int, Loaded | Unfit]] = deque()
        self._held = 0
        self._ended = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def take(self) -> Loaded | Unfit:
        """Return the next one, or why it cannot be sent; waits until that is known.

        Raises
        ------
        IndexError
            All have been given out.
        """
        if self._thread is None:
            loaded = self._ready.popleft()[1] if self._ready else self._load(self._todo.popleft())
            if self._todo and self._todo[0].blob.size >= THREAD_MIN and _CORES >= CORES_MIN:
                self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)
                self._thread.start()
            return loaded
        with self._changed:
            while not self._ready:
                if self._ended:
                    raise IndexError("all have been given out")
                self._changed.wait()
            size, loaded = self._ready.popleft()
            self._held -= size
            self._changed.notify()
        return loaded

    def prepare(self) -> None:
        """Use the time until the receiver answers."""
        if self._thread is None and self._todo and not self._ready:
            self._ready.append((0, self._load(self._todo.popleft())))

    def close(self) -> None:
        """End the thread; what it has ready is dropped."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _read(self) -> None:
        try:
            while self._todo and self._waited_for_room(self._todo[0]):
                instance = self._todo.popleft()
                loaded = self._load(instance)
                with self._changed:
                    self._ready.append((_size(instance), loaded))
                    self._changed.notify()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _waited_for_room(self, instance: StoredInstance) -> bool:
        """Wait until an instance may be held too; return whether it is still wanted."""
        size = _size(instance)
        with self._changed:
            while self._held and self._held + size > HELD_MAX and not self._ended:
                self._changed.wait()
            self._held += size
            return not self._ended

    def _load(self, instance: StoredInstance) -> Loaded | Unfit:
        try:
            return self._loader.load(instance)
        except Unfit as problem:
            return problem

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _size(instance: StoredInstance) -> int:
    """Return the bytes in memory once it is ready: one that is large is streamed."""
    return instance.blob.size if instance.blob.size <= AHEAD_MAX else 0
