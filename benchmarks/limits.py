"""What the machine itself can do, for comparison: syncing writers, a socket, a hash, commits, the sender."""

import contextlib
import hashlib
import os
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import peers
from benchmarks.ingest import Load, send
from benchmarks.report import Table

WRITES = "Limits of the disk"
FILES = "a file each, fsync'd"
APPENDED = "appended to a file written before, fdatasync'd"

_SIZES = {"525 KB": 525_000, "39 KB": 39_000}
_THREADS = (1, 4)
_SECONDS = 1.5  # for each figure
_CHUNK = 1 << 20
_ALLOCATED = 64 << 20  # bytes of a file that is appended to

Act = Callable[[], object]


def measure(folder: Path, loads: Sequence[Load]) -> list[Table]:
    """Return the tables: of the disk, of bytes, of commits, and of the sender."""
    return [_disk(folder), _bytes(), _commits(folder), *_sender(folder, loads)]


def _disk(folder: Path) -> Table:
    table = Table(WRITES, "writes/s", head="writes, by so many threads")
    for name, size in _SIZES.items():
        for threads in _THREADS:
            for row, make in ((FILES, _files), (APPENDED, _appended)):
                place = folder / "writes"
                place.mkdir(parents=True)
                with contextlib.ExitStack() as stack:
                    acts = [make(place / str(n), os.urandom(size), stack) for n in range(threads)]
                    os.sync()
                    table.put(row, f"{name} x{threads}", _rate(acts))
                shutil.rmtree(place)
    return table


def _bytes() -> Table:
    table = Table("Limits of one core", "MB/s", head="bytes")
    block = bytes(_CHUNK)
    table.put("SHA-256", "1 MiB at a time", _rate([lambda: hashlib.sha256(block).digest()]) * _CHUNK / 1e6)
    table.put("loopback socket, a core at each end", "1 MiB at a time", _loopback() / 1e6)
    return table


def _commits(folder: Path) -> Table:
    table = Table("Limits of SQLite", "commits/s", head="a row of 200 bytes, write-ahead log")
    for level in ("FULL", "NORMAL"):
        with contextlib.closing(_database(folder / f"{level}.db")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={level}")
            connection.execute("CREATE TABLE t (a)")
            insert = ("INSERT INTO t VALUES (?)", ("x" * 200,))
            # Bound now: the loop goes on.
            table.put("one thread", f"synchronous={level}", _rate([_bound(connection, *insert)]))
    return table


def _database(path: Path) -> sqlite3.Connection:
    """Open a database that another thread may use."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _bound(connection: sqlite3.Connection, statement: str, values: tuple[str]) -> Act:
    return lambda: connection.execute(statement, values)


def _sender(folder: Path, loads: Sequence[Load]) -> list[Table]:
    """How fast dcmtk's sender is when the receiver does nothing."""
    if peers.program("storescp") is None:
        print("  storescp is not installed: the limit of the sender is left out")
        return []
    table = Table("Limit of the sender: storescu to a receiver that drops all, TCP_NODELAY=1", "instances/s")
    for load in loads:
        with peers.storescp(folder / load.name.replace(" ", ""), True, "STORESCP", "--ignore") as peer:
            table.put("dcmtk storescp --ignore", load.name, load.count / send(load, peer, True))
    return [table]


def _rate(acts: Sequence[Act]) -> float:
    """Return how often a second they can be done, each by a thread of its own, one after the other in it."""
    for act in acts:
        act()
    began = time.perf_counter()

    def repeat(act: Act) -> int:
        count = 0
        while time.perf_counter() - began < _SECONDS:
            act()
            count += 1
        return count

    with ThreadPoolExecutor(len(acts)) as threads:
        count = sum(threads.map(repeat, acts))
    return count / (time.perf_counter() - began)


def _files(path: Path, data: bytes, _stack: contextlib.ExitStack) -> Act:
    count = 0

    def write() -> None:
        nonlocal count
        count += 1
        file = os.open(f"{path}-{count}", os.O_WRONLY | os.O_CREAT)
        os.write(file, data)
        os.fsync(file)
        os.close(file)

    return write


def _appended(path: Path, data: bytes, stack: contextlib.ExitStack) -> Act:
    """Make the file whole first: then a sync has data to write and nothing about the file itself."""
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    stack.callback(os.close, file)
    for offset in range(0, _ALLOCATED, _CHUNK):
        os.pwrite(file, bytes(_CHUNK), offset)
    os.fsync(file)
    padded = data + bytes(-len(data) % 4096)
    offset = 0

    def write() -> None:
        nonlocal offset
        os.pwrite(file, padded, offset)
        os.fdatasync(file)
        offset += len(padded)
        if offset + len(padded) > _ALLOCATED:
            offset = 0

    return write


def _loopback(total: int = 1 << 30) -> float:
    """Return the bytes a second from one thread to another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
    with sender, receiver:
        thread = threading.Thread(target=_drain, args=(receiver, total))
        thread.start()
        block, began = bytes(_CHUNK), time.perf_counter()
        for _ in range(total // _CHUNK):
            sender.sendall(block)
        thread.join()
        return total / (time.perf_counter() - began)


def _drain(sock: socket.socket, total: int) -> None:
    buffer = bytearray(_CHUNK)
    while total > 0:
        total -= sock.recv_into(buffer)
