"""A node with instances in it, and the jobs that make copies of them and remove them."""

from collections.abc import Sequence
from typing import Any

from pydicom.dataset import Dataset

from node.jobs.kinds import KINDS
from node.jobs.task import Task
from node.root import Node
from node.run.attempt import Attempt
from storage.records.arrival import Origin, Verdict
from storage.records.deliveries import Delivery, DeliveryState
from storage.records.jobs import Job
from storage.records.subjects import Subject
from tests.support.ingest import ORIGIN, send
from tests.support.opened import claim, enqueue, job_of


def take_in(node: Node, *datasets: Dataset, origin: Origin = ORIGIN) -> list[Subject]:
    """Let instances come in; return them as the archive has them."""
    for dataset in datasets:
        assert send(node.ingest, dataset, origin=origin).verdict is Verdict.STORED
    return [found(node, str(dataset.SOPInstanceUID)) for dataset in datasets]


def subject(node: Node, uid: str) -> Subject | None:
    """The instance of this UID, when it is there."""
    with node.archive.read() as tx:
        return tx.subjects.by_uid(uid)


def found(node: Node, uid: str) -> Subject:
    """The instance of this UID."""
    instance = subject(node, uid)
    assert instance is not None
    return instance


def work(node: Node, kind: str, **payload: Any) -> Job:
    """Do a job as a worker does; return it as it stands afterwards."""
    number = enqueue(node, kind, payload=payload)
    return attempt(node, kind, number)


def attempt(node: Node, kind: str, number: int) -> Job:
    """Do the job of this number, which is the first of its kind in the queue."""
    task = Task(node, claim(node, kind))
    assert task.job.id == number
    Attempt(task, KINDS[kind], 1.0).run()
    return job_of(node, number)


def deliveries(node: Node) -> Sequence[Delivery]:
    """All deliveries, in the order in which they were ordered."""
    with node.archive.read() as tx:
        return sorted(tx.ledger.list(limit=10_000), key=lambda each: each.id)


def jobs(node: Node, kind: str) -> Sequence[Job]:
    """All jobs of a kind, the first first."""
    with node.archive.read() as tx:
        return sorted(tx.jobs.list(kind=kind, limit=10_000), key=lambda each: each.id)


def end(node: Node, state: DeliveryState, *ids: int) -> None:
    """Say of deliveries, all when none is named, that they ended so."""
    with node.archive.begin() as tx:
        where = f" WHERE id IN ({', '.join(map(str, ids))})" if ids else ""
        tx.connection.exec_driver_sql(f"UPDATE delivery SET state = '{state.value}'{where}")
        tx.commit()
