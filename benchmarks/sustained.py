"""Whether it stays as fast: many small instances over four associations, the last tenth beside the first.

They are made in memory and sent by our own caller, so that no disk but the node's is at work.
"""

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from multiprocessing.synchronize import Barrier
from pathlib import Path

from pydicom import dcmwrite

from benchmarks import peers
from benchmarks.data import CT, ROOT, instance
from benchmarks.report import Table
from scu.address import Address
from scu.association import Association
from scu.store import Outgoing, send
from storage.blobs.log.store import ReceiveLog
from storage.blobs.open import open_blobs

COUNT = 100_000
ASSOCIATIONS = 4
EACH = 100  # instances of a study

_EXPLICIT = "1.2.840.10008.1.2.1"
_SIDE = 48  # pixels: some 5 KB
_TENTHS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "last")
_EVERY = 0.2  # seconds between two looks at what waits for the index


def measure(folder: Path, share: int) -> Table:
    """What each tenth of `COUNT` instances, or of a share of them, is like for the node."""
    part = max(COUNT // share // len(_TENTHS) // ASSOCIATIONS, 1)  # what one association sends at a time
    count = part * ASSOCIATIONS
    title = f"Sustained: {count * len(_TENTHS):,} instances of 5 KB over {ASSOCIATIONS} associations"
    table = Table(title, "", head="of them")
    spawning = multiprocessing.get_context("spawn")
    ready = spawning.Barrier(ASSOCIATIONS + 1, timeout=60)
    with (
        peers.isocentre(folder) as peer,
        ProcessPoolExecutor(ASSOCIATIONS, spawning, _meet, (ready,)) as senders,
    ):
        for _ in range(ASSOCIATIONS):
            senders.submit(int)  # each starts one, as none is ready
        ready.wait()
        address = Address(peer.ae_title, "127.0.0.1", peer.port)
        for number, name in enumerate(_TENTHS):
            starts = [(number * ASSOCIATIONS + place) * part for place in range(ASSOCIATIONS)]
            cpu, began = peer.cpu_seconds(), time.perf_counter()
            with _behind(peer) as waiting:
                for sending in [senders.submit(_send, address, start, part) for start in starts]:
                    sending.result()
            rate = count / (time.perf_counter() - began)
            row = f"{name} tenth"
            table.put(row, "instances/s", rate)
            table.put(row, "CPU s per 1,000", (peer.cpu_seconds() - cpu) / count * 1000)
            table.put(row, "memory, MB", peer.resident() / 1e6)
            table.put(row, "acknowledged, not yet in the index: at most", max(waiting))
    return table


@contextlib.contextmanager
def _behind(peer: peers.Peer) -> Iterator[list[int]]:
    """Note again and again how many instances wait for the index; once more at the end."""
    log = open_blobs("", peer.folder / "data")
    assert isinstance(log, ReceiveLog)
    seen: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_EVERY):
            seen.append(log.pages.behind())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
        seen.append(log.pages.behind())


def _meet(ready: Barrier) -> None:
    """Wait until all senders have this module."""
    ready.wait()


def _send(address: Address, first: int, count: int) -> None:
    """Send `count` instances over one association."""
    with Association.open(address, "BENCH", [(CT, [_EXPLICIT])]) as assoc:
        context = assoc.channel.contexts[1]
        for number in range(count):
            data, uid = _made(first + number)
            outgoing = Outgoing(CT, uid, _EXPLICIT, len(data), lambda data=data: iter([data]))  # type: ignore[misc]
            result = send(assoc.channel, context, outgoing, number % 65535 + 1)
            if result.status:
                raise RuntimeError(f"it answered 0x{result.status:04X}")


def _template() -> bytes:
    ds = instance(9_999_999, 9_999_999, _SIDE)
    out = BytesIO()
    dcmwrite(out, ds, implicit_vr=False, little_endian=True)
    return out.getvalue()


_TEMPLATE = _template()


def _made(number: int) -> tuple[bytes, str]:
    """Return a data set and its SOP Instance UID: numbers of seven digits stand in the place of the nines.

    Making each anew would cost more than sending it.
    """
    study, place = 1_000_000 + number // EACH, 1_000_000 + number % EACH
    data = _TEMPLATE.replace(b"9999999.1.9999999", b"%d.1.%d" % (study, place))
    data = data.replace(b"9999999", b"%d" % study)
    return data, f"{ROOT}.{_SIDE}.{study}.1.{place}"
