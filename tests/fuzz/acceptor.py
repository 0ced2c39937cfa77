"""pynetdicom's acceptor as a process of its own, which says in JSON what it was given: a second opinion.

It is a process because it ends threads with exceptions where a stream is spoilt, and has timers of its own.
"""

import contextlib
import hashlib
import json
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE

from tests.fuzz.streams import CONTEXTS

LIMIT = 1
"""Seconds after which it gives up a connection on which nothing comes."""


@dataclass(frozen=True)
class Kept:
    """An instance as it was stored."""

    uid: str
    transfer_syntax: str
    digest: str


@dataclass
class Acceptor:
    """A running one.

    Attributes
    ----------
    kept
        Calling AE title to what came from it, in order.
    """

    port: int
    kept: dict[str, list[Kept]] = field(default_factory=lambda: defaultdict(list))


@contextlib.contextmanager
def accepting() -> Iterator[Acceptor]:
    """Run the process for the block."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.acceptor"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        acceptor = Acceptor(int(process.stdout.readline()))
        reader = threading.Thread(target=_note, args=(process.stdout, acceptor))
        reader.start()
        try:
            yield acceptor
        finally:
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            reader.join(30)


def _note(lines: Iterator[str], acceptor: Acceptor) -> None:
    for line in lines:
        caller, *kept = json.loads(line)
        acceptor.kept[caller].append(Kept(*kept))


def _store(event: evt.Event) -> int:
    request = event.request
    assert isinstance(request, C_STORE)
    assert request.DataSet is not None
    digest = hashlib.sha256(request.DataSet.getvalue()).hexdigest()
    line = [event.assoc.requestor.ae_title.strip(), str(request.AffectedSOPInstanceUID)]
    sys.stdout.write(json.dumps([*line, str(event.context.transfer_syntax), digest]) + "\n")
    sys.stdout.flush()
    return 0


def main() -> None:
    """Accept until standard input ends."""
    ae = AE("ISOCENTRE")
    ae.maximum_pdu_size = 128 * 1024
    ae.maximum_associations = 50
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = LIMIT
    for number, (sop_class, syntaxes) in enumerate(CONTEXTS):
        if number < 4:  # those of C-ECHO and C-STORE
            ae.add_supported_context(sop_class, [*syntaxes])
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, _store), (evt.EVT_C_ECHO, lambda _: 0)]
    )
    assert server is not None
    assert server.socket is not None
    sys.stdout.write(f"{server.socket.getsockname()[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
