"""Status: what the node has and does, in numbers and without patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from node.core import clock
from node.root import MIB, Node
from node.services.destinations import listed
from node.services.standing import Standing
from storage.blobs.open import open_front
from storage.errors import StorageError
from storage.records.jobs import Job, JobState
from storage.records.totals import Totals, Traffic

_DAY = timedelta(hours=24)
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is counted for metrics.

    Attributes
    ----------
    destinations
        How each is doing, and what waits for it.
    free, floor
        Bytes that can still be written (None where nobody knows), and below which nothing is stored.
    unindexed
        Instances, about, that are acknowledged and not in the index yet.
    """

    totals: Totals
    jobs: Mapping[JobState, int]
    destinations: Sequence[Standing]
    free: int | None
    floor: int
    unindexed: int


@dataclass(frozen=True, slots=True)
class Status:
    """What the status page shows.

    Attributes
    ----------
    traffic
        Arrivals of the last 24 hours by calling AE title.
    dead
        The latest jobs that wait for a person.
    """

    numbers: Numbers
    traffic: Sequence[Traffic]
    dead: Sequence[Job]


def numbers(node: Node) -> Numbers:
    """Count.

    Raises
    ------
    storage.errors.StorageError
        The database does not answer.
    """
    with node.archive.read() as tx:
        totals, jobs, destinations = tx.totals.totals(), tx.jobs.counts(), listed(tx)
    floor = node.config.blobs.free_floor_mib * MIB
    return Numbers(totals, jobs, destinations, free(node), floor, unindexed(node))


def unindexed(node: Node) -> int:
    """Return how many instances, about, are acknowledged and not in the index yet."""
    log = open_front(node.config.blobs.url, node.config.data_dir, node.blobs)
    return log.pages.behind() if log else 0


def free(node: Node) -> int | None:
    """Return the bytes that can still be written, None when nobody knows."""
    try:
        return node.blobs.free()
    except StorageError:
        return None


def status(node: Node) -> Status:
    """Gather what the status page shows. Raises as `numbers`."""
    counted = numbers(node)
    with node.archive.read() as tx:
        traffic = tx.totals.traffic(clock.now() - _DAY)
        dead = tx.jobs.list(state=JobState.DEAD, limit=_SHOWN)
    return Status(counted, traffic, dead)
