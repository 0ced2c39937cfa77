"""Whether it stays as fast: many small instances over four associations, the last tenth beside the first.

They are made in memory and sent by our own caller, so that no disk but the node's is at work.
"""

import threading
import time
from io import BytesIO
from pathlib import Path

from pydicom import dcmwrite

from benchmarks import peers
from benchmarks.data import CT, ROOT, instance
from benchmarks.report import Table
from scu.address import Address
from scu.association import Association
from scu.store import Outgoing, send

COUNT = 100_000
ASSOCIATIONS = 4
EACH = 100  # instances of a study

_EXPLICIT = "1.2.840.10008.1.2.1"
_SIDE = 48  # pixels: some 5 KB


def measure(folder: Path, share: int) -> Table:
    """Instances a second, CPU seconds and memory in the first tenth of `COUNT` and in the last."""
    count = COUNT // share
    table = Table(f"Sustained: {count:,} instances of 5 KB, {ASSOCIATIONS} associations", "see each row")
    with peers.isocentre(folder) as peer:
        tenths = [_tenth(peer, number, count // 10) for number in range(10)]
        for name, place in (("instances/s", 0), ("CPU s per 1,000", 1), ("memory, MB", 2)):
            table.put(name, "first tenth", tenths[0][place])
            table.put(name, "last tenth", tenths[-1][place])
    return table


def _tenth(peer: peers.Peer, number: int, count: int) -> tuple[float, float, float]:
    cpu, began = peer.cpu_seconds(), time.perf_counter()
    threads = [
        threading.Thread(target=_send, args=(peer, number * count + part, count // ASSOCIATIONS))
        for part in range(ASSOCIATIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = count / (time.perf_counter() - began)
    return rate, (peer.cpu_seconds() - cpu) / count * 1000, peer.resident() / 1e6


def _send(peer: peers.Peer, first: int, count: int) -> None:
    """Send `count` instances, whose UIDs are put into the template: making each would cost more."""
    address = Address(peer.ae_title, "127.0.0.1", peer.port)
    with Association.open(address, "BENCH", [(CT, [_EXPLICIT])]) as assoc:
        context = assoc.channel.contexts[1]
        for number in range(count):
            data, uid = _made(first + number * ASSOCIATIONS)
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
    """Return a data set and its SOP Instance UID: numbers of seven digits stand in the place of the nines."""
    study = 1_000_000 + number // EACH
    data = _TEMPLATE.replace(b"9999999.1.9999999", b"%d.1.%d" % (study, 1_000_000 + number % EACH))
    data = data.replace(b"9999999", b"%d" % study)
    return data, f"{ROOT}.{_SIDE}.{study}.1.{1_000_000 + number % EACH}"
