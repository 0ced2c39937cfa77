"""What the machine itself can do, for comparison: one writer that syncs, one socket, one hash, one commit."""

import hashlib
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers
from benchmarks.ingest import Load, send
from benchmarks.report import Table

_SIZES = {"525 KB": 525_000, "39 KB": 39_000}
_SECONDS = 1.5  # for each figure
_CHUNK = 1 << 20


def measure(folder: Path, loads: list[Load]) -> list[Table]:
    """Return the tables: writes by size, and the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    writes = Table("Limits of the disk", "writes/s")
    for name, size in _SIZES.items():
        data = os.urandom(size)
        writes.put("a file each, fsync'd", name, _rate(_Files(folder, data)))
        writes.put(
            "appended to a file written before, fdatasync'd", name, _rate(_Append(folder / "log", data))
        )
    rest = Table("Limits of the rest", "MB/s or commits/s")
    rest.put("loopback socket, MB/s", "one", _loopback())
    block = bytes(_CHUNK)
    rest.put("SHA-256, MB/s", "one", _rate(lambda: hashlib.sha256(block).digest()) * _CHUNK / 1e6)
    for level in ("FULL", "NORMAL"):
        rest.put(
            f"SQLite commits, synchronous={level}", "one", _rate(_Commits(folder / f"{level}.db", level))
        )
    return [writes, rest, *_sender(folder, loads)]


def _sender(folder: Path, loads: list[Load]) -> list[Table]:
    """How fast dcmtk's sender is when the receiver does nothing."""
    if peers.program("storescp") is None:
        return []
    table = Table("Limit of the sender: storescu to a receiver that drops all", "instances/s")
    for load in loads:
        with peers.storescp(folder / load.name.replace(" ", ""), True, "STORESCP", "--ignore") as peer:
            table.put("dcmtk storescp --ignore", load.name, load.count / send(load, peer, True))
    return [table]


def _rate(act: Callable[[], object]) -> float:
    """Return how often a second it can be done, one after the other."""
    act()
    count, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < _SECONDS:
        act()
        count += 1
    return count / elapsed


class _Files:
    def __init__(self, folder: Path, data: bytes) -> None:
        self._folder = folder
        self._data = data
        self._count = 0

    def __call__(self) -> None:
        self._count += 1
        file = os.open(self._folder / f"{len(self._data)}-{self._count}", os.O_WRONLY | os.O_CREAT)
        os.write(file, self._data)
        os.fsync(file)
        os.close(file)


class _Append:
    def __init__(self, path: Path, data: bytes, size: int = 256 << 20) -> None:
        path.write_bytes(b"")
        self._file = os.open(path, os.O_RDWR)
        for offset in range(0, size, _CHUNK):
            os.pwrite(self._file, bytes(_CHUNK), offset)
        os.fsync(self._file)
        self._data = data + bytes(-len(data) % 4096)
        self._size = size
        self._offset = 0

    def __call__(self) -> None:
        os.pwrite(self._file, self._data, self._offset)
        os.fdatasync(self._file)
        self._offset += len(self._data)
        if self._offset + len(self._data) > self._size:
            self._offset = 0


class _Commits:
    def __init__(self, path: Path, level: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(f"PRAGMA synchronous={level}")
        self._connection.execute("CREATE TABLE t (a)")

    def __call__(self) -> None:
        self._connection.execute("INSERT INTO t VALUES (?)", ("x" * 200,))


def _loopback() -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
    total = 1 << 30
    thread = threading.Thread(target=_drain, args=(receiver, total))
    thread.start()
    block, began = bytes(_CHUNK), time.perf_counter()
    for _ in range(total // _CHUNK):
        sender.sendall(block)
    thread.join()
    elapsed = time.perf_counter() - began
    sender.close()
    receiver.close()
    return total / elapsed / 1e6


def _drain(sock: socket.socket, total: int) -> None:
    buffer = bytearray(_CHUNK)
    while total > 0:
        total -= sock.recv_into(buffer)
