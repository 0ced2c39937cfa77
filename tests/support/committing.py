"""Storage commitment for tests: deliveries that wait for it, reports by hand, and a stranger that commits.

The stranger is pynetdicom's, as SCP of the Push Model: it reports over the association of the request, over
one of its own, or not at all.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.sop_class import StorageCommitmentPushModel
from sqlalchemy import insert, select, update

from scu import identifiers
from scu.commitment import COMMITMENT, INSTANCE
from scu.wire.channel import Channel, Context
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    EVENT_TYPE_ID,
    MESSAGE_ID,
    Command,
    CommandField,
)
from storage.archive import Archive
from storage.records.tables import delivery, destination, instance, series
from tests.support.arrivals import NOW, arrival, put

IMPLICIT = "1.2.840.10008.1.2"
_QUIET = 0.2  # seconds


def delivered(archive: Archive, name: str, count: int, *, first: int = 1, at: datetime = NOW) -> list[str]:
    """Record instances that `name` has taken and is to be asked for; return their SOP Instance UIDs."""
    arrivals = [arrival(number=number) for number in range(first, first + count)]
    put(archive, *arrivals)
    uids = [each.sop_instance_uid for each in arrivals]
    due(archive, name, uids, at)
    return uids


def due(archive: Archive, name: str, uids: Sequence[str], at: datetime = NOW) -> None:
    """Record that `name` has taken stored instances and is to be asked for them."""
    with archive.begin() as tx:
        home = tx.connection.execute(select(destination.c.id).where(destination.c.name == name)).scalar()
        if home is None:
            values = {"name": name, "paused": False, "associations": 0, "rate": 0.0, "commitment": True}
            made = insert(destination).values(values | {"failures": 0}).returning(destination.c.id)
            home = tx.connection.execute(made).scalar_one()
        rows = (
            select(instance.c.id, series.c.id.label("series_row"), series.c.study_row)
            .join(series, series.c.id == instance.c.series_row)
            .where(instance.c.sop_instance_uid.in_(uids))
            .order_by(instance.c.id)
        )
        for row in tx.connection.execute(rows).all():
            tx.connection.execute(insert(delivery).values(_delivered(row, home, at)))
        tx.commit()


def _delivered(row: object, home: int, at: datetime) -> dict[str, object]:
    return {
        "instance_row": row.id,  # type: ignore[attr-defined]
        "destination_row": home,
        "study_row": row.study_row,  # type: ignore[attr-defined]
        "series_row": row.series_row,  # type: ignore[attr-defined]
        "instance_number": 1,
        "state": "delivered",
        "priority": 50,
        "rank": 0,
        "queued_at": at,
        "attempts": 1,
        "failures": 0,
        "worker": "w1",
        "ended_at": at,
        "status": 0,
        "digest": "d1",
        "committed": "due",
    }


def redelivered(archive: Archive) -> None:
    """Deliver whatever is queued, and have it asked for again."""
    with archive.begin() as tx:
        tx.connection.execute(
            update(delivery)
            .where(delivery.c.state == "queued")
            .values(
                state="delivered", committed="due", ended_at=NOW, status=0, attempts=delivery.c.attempts + 1
            )
        )
        tx.commit()


def standing(archive: Archive) -> dict[str, tuple[str, str]]:
    """Return SOP Instance UID to the state of its delivery and what is said of commitment."""
    with archive.read() as tx:
        query = select(instance.c.sop_instance_uid, delivery.c.state, delivery.c.committed).join(
            instance, instance.c.id == delivery.c.instance_row
        )
        return {row[0]: (row[1], row[2]) for row in tx.connection.execute(query)}


def event_of(
    transaction_uid: str, committed: Sequence[str] | None, failed: Mapping[str, int] | None = None
) -> Dataset:
    """Return the Event Information of a report."""
    event = Dataset()
    event.TransactionUID = transaction_uid
    if committed is not None:
        event.ReferencedSOPSequence = [_item(uid) for uid in committed]
    if failed:
        event.FailedSOPSequence = [_item(uid, FailureReason=code) for uid, code in failed.items()]
    return event


def _item(uid: str, **more: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    item.ReferencedSOPInstanceUID = uid
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


def report(
    channel: Channel, context: Context, event: Dataset | bytes, event_type: int = 1, message_id: int = 77
) -> None:
    """Send an N-EVENT-REPORT-RQ, and do not wait for the answer."""
    command = (
        Command.of(CommandField.N_EVENT_REPORT_RQ)
        .us(MESSAGE_ID, message_id)
        .us(EVENT_TYPE_ID, event_type)
        .uid(AFFECTED_SOP_CLASS_UID, COMMITMENT)
        .uid(AFFECTED_SOP_INSTANCE_UID, INSTANCE)
    )
    data = event if isinstance(event, bytes) else identifiers.encode(event, context.transfer_syntax)
    channel.send(context, command, data)


Judge = Callable[[Sequence[str]], Mapping[str, int]]
"""SOP Instance UIDs to the Failure Reasons of those that are not kept."""


@dataclass
class Committer:
    """A running SCP of storage commitment.

    Attributes
    ----------
    requests
        SOP Instance UIDs of each request.
    answers
        Statuses of the answers to its reports; None where there was none.
    """

    judge: Judge
    over: str
    node_port: int
    propose_role: bool
    port: int = 0
    requests: list[list[str]] = field(default_factory=list)
    transactions: list[str] = field(default_factory=list)
    answers: list[int | None] = field(default_factory=list)
    reported: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    threads: list[threading.Thread] = field(default_factory=list)
    # pynetdicom mixes the parts of two messages that two of its threads send over one association.
    reporting: threading.Lock = field(default_factory=threading.Lock)
    answering: bool = False
    heard: float = 0.0

    def asked(self, event: evt.Event) -> tuple[int, None]:
        """Take an N-ACTION, and report in another thread when it is answered."""
        self.answering, self.heard = True, time.monotonic()
        action = event.action_information
        uids = [str(item.ReferencedSOPInstanceUID) for item in action.ReferencedSOPSequence]
        self.requests.append(uids)
        self.transactions.append(str(action.TransactionUID))
        if self.over != "none":
            work = (event.assoc, str(action.TransactionUID), uids)
            thread = threading.Thread(target=self._report, args=work, daemon=True)
            self.threads.append(thread)
            thread.start()
        return 0x0000, None

    def sent(self, event: evt.Event) -> None:
        """Note that the answer to an N-ACTION has left."""
        if self.answering and isinstance(event.pdu, P_DATA_TF):
            self.answering, self.heard = False, time.monotonic()

    def _wait_for_quiet(self) -> None:
        """Return once all is answered and nothing more has been asked for a while."""
        while self.answering or time.monotonic() - self.heard < _QUIET:
            time.sleep(0.01)

    def _report(self, association: object, transaction_uid: str, uids: list[str]) -> None:
        failed = self.judge(uids)
        event = event_of(transaction_uid, [uid for uid in uids if uid not in failed], failed)
        kind = 2 if failed else 1
        if self.over == "same":
            with self.reporting:
                self._wait_for_quiet()
                self.send(association, event, kind)
        else:
            self.call(event, kind)
        self.reported.release()

    def call(self, event: Dataset, kind: int, ae_title: str = "STRANGER") -> bool:
        """Report over an association of its own; return whether it came about."""
        caller = AE(ae_title=ae_title)
        caller.add_requested_context(StorageCommitmentPushModel)
        roles = [build_role(StorageCommitmentPushModel, scp_role=True)] if self.propose_role else []
        association = caller.associate(
            "127.0.0.1",
            self.node_port,
            ae_title="ISOCENTRE",
            ext_neg=roles,  # type: ignore[arg-type]
        )
        if not association.is_established:
            return False
        self.send(association, event, kind)
        association.release()
        return True

    def send(self, association: object, event: Dataset, kind: int) -> None:
        """Send one report over `association`, and keep the status of the answer."""
        status, _ = association.send_n_event_report(  # type: ignore[attr-defined]
            event, kind, StorageCommitmentPushModel, INSTANCE
        )
        self.answers.append(status.Status if status and "Status" in status else None)


@contextlib.contextmanager
def committer(
    judge: Judge = lambda _: {}, *, over: str = "same", node_port: int = 0, propose_role: bool = True
) -> Iterator[Committer]:
    """Run a `Committer` for the block; `over` is ``same``, ``own`` or ``none``."""
    running = Committer(judge, over, node_port, propose_role)
    ae = AE(ae_title="STRANGER")
    ae.add_supported_context(StorageCommitmentPushModel)
    handlers = [(evt.EVT_N_ACTION, running.asked), (evt.EVT_PDU_SENT, running.sent)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    running.port = server.socket.getsockname()[1]
    try:
        yield running
    finally:
        for thread in running.threads:
            thread.join(30)
        server.shutdown()
