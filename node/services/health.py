"""Health: whether the node can do its work now, found out by trying.

Nothing here names a patient; anybody who can reach the console may read it.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from node.config import DicomSection
from node.core import clock
from node.root import MIB, Node
from node.services.standing import standing
from node.services.status import unindexed
from storage.archive import Archive
from storage.blobs.log.journal import AHEAD
from storage.blobs.protocol import BlobStore
from storage.errors import StorageError

_PATIENCE = 2.0  # seconds for the DICOM port
_BEHIND = 4 * AHEAD  # a receiver waits for an index that is being written, so this one is not


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried.

    Attributes
    ----------
    fault
        What is wrong with it, for an administrator; empty when nothing is.
    """

    name: str
    fault: str

    @property
    def ok(self) -> bool:
        """Whether it works."""
        return not self.fault


def check(node: Node) -> Sequence[Check]:
    """Try everything that the node needs."""
    floor = node.config.blobs.free_floor_mib * MIB
    return (
        Check("database", _database(node.archive)),
        Check("blobs", _blobs(node.blobs)),
        Check("space", _space(node.blobs, floor)),
        Check("index", _index(node)),
        Check("dicom", _dicom(node.config.dicom)),
    )


def warnings(node: Node) -> Sequence[Check]:
    """Return what is wrong with others: destinations that are down. What is for them waits."""
    try:
        with node.archive.read() as tx:
            destinations = tx.destinations.list()
    except StorageError:
        return ()  # which is a fault of ours, and told as such
    now = clock.now()
    return [
        Check(each.name, standing(each, {}, None, True, now).words)
        for each in destinations
        if each.opened_at is not None and not each.paused
    ]


def _database(archive: Archive) -> str:
    try:
        return "" if archive.is_current() else "the schema is another one; run isocentre db upgrade"
    except StorageError as error:
        return str(error)


def _blobs(blobs: BlobStore) -> str:
    """Write a byte and drop it, and ask for a name that is not there."""
    try:
        writer = blobs.create()
        try:
            writer.write([b"\0"])
        finally:
            writer.abandon()
        next(blobs.keys(after="instances/9999"), None)
    except StorageError as error:
        return str(error)
    return ""


def _space(blobs: BlobStore, floor: int) -> str:
    try:
        free = blobs.free()
    except StorageError as error:
        return str(error)
    if free is None or free >= floor:
        return ""
    return f"{free // MIB} MiB are free, below the floor of {floor // MIB}: nothing more is stored"


def _index(node: Node) -> str:
    behind = unindexed(node)
    if behind <= _BEHIND:
        return ""
    return f"{behind} instances are kept but not in the index yet: queries do not find them"


def _dicom(config: DicomSection) -> str:
    """See that the receiver takes a connection and notices its end.

    It is not an association: that would be counted among the callers, and "known" might forbid it.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)  # noqa: S104
    try:
        with socket.create_connection((host, config.port), _PATIENCE) as sock:
            sock.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                sock.recv(1)
    except TimeoutError:
        return f"the receiver on port {config.port} does not answer"
    except OSError as error:
        return f"port {config.port}: {error.strerror}"
    return ""
