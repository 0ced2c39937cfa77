"""Processes that decode compressed pixel data, seen from outside: started when needed, kept, replaced.

Image decoders are large programs in C that read what strangers send. They run apart (`decoder.py`), with a
ceiling on their memory and on the time for a frame; when one dies, the instance it worked on has failed, and
nothing else.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from scu.transcoding.source import CannotTranscode
from scu.wire.link import Buffer


class _Process:
    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            number = str(theirs.fileno())
            self._process = subprocess.Popen(
                # -P: no folder of a stranger's on sys.path
                [sys.executable, "-P", "-m", "scu.transcoding.decoder", number],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._connection = Connection(ours.detach())

    def decode(
        self, request: dict[str, Any], data: Sequence[Buffer], frame_bytes: int, patience: float
    ) -> tuple[list[Buffer], str]:
        """Return the native frames and the last one's Photometric Interpretation.

        Raises
        ------
        CannotTranscode
            It cannot; the process is as good as before.
        OSError, EOFError
            The process has died, or must.
        """
        self._connection.send_bytes(json.dumps(request).encode())
        self._connection.send_bytes(b"".join(data))
        frames: list[Buffer] = []
        photometric = ""
        while True:
            if not self._connection.poll(patience):
                raise TimeoutError
            said = json.loads(self._connection.recv_bytes())
            if "error" in said:
                raise CannotTranscode(f"its pixel data cannot be decoded ({said['error']})")
            if "end" in said:
                return frames, photometric
            photometric = str(said["photometric"])
            frames.append(self._connection.recv_bytes(frame_bytes))

    def close(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()


class Decoders:
    """Some of these processes, for any number of threads.

    Parameters
    ----------
    count
        Processes at a time; who needs one more waits.
    patience
        Seconds for the next frame.
    """

    def __init__(self, count: int = 0, patience: float = 60.0) -> None:
        self._slots = threading.BoundedSemaphore(count or min(os.cpu_count() or 1, 4))
        self._patience = patience
        self._idle: list[_Process] = []  # append and pop are atomic

    def decode(
        self, request: dict[str, Any], data: Sequence[Buffer], frame_bytes: int
    ) -> tuple[list[Buffer], str]:
        """Return native frames of at most `frame_bytes` each, and their Photometric Interpretation.

        Raises
        ------
        CannotTranscode
            The data cannot be decoded, or broke the decoder.
        """
        request = {**request, "frame_bytes": frame_bytes}
        with self._slots:
            process = self._take()
            try:
                answer = process.decode(request, data, frame_bytes, self._patience)
            except CannotTranscode:
                self._idle.append(process)
                raise
            except (OSError, EOFError, ValueError, KeyError) as error:  # the last two: it talks nonsense
                process.close()
                words = "took too long" if isinstance(error, TimeoutError) else "broke down"
                raise CannotTranscode(f"the decoder {words} on its pixel data") from error
            except BaseException:
                process.close()
                raise
            self._idle.append(process)
            return answer

    def _take(self) -> _Process:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        try:
            return _Process()
        except OSError as error:
            raise CannotTranscode(f"a decoder cannot be started: {error.strerror}") from error

    def close(self) -> None:
        """End the processes that have nothing to do."""
        while self._idle:
            self._idle.pop().close()


DECODERS = Decoders()
"""Those of this process."""

atexit.register(DECODERS.close)
