"""The unit of work: a transaction with a repository for each family of records.

Nothing is saved unless `commit` is said; leaving the with statement without it takes everything back.

Example
-------
>>> with archive.begin() as tx:                                    # doctest: +SKIP
...     tx.peers.add(Peer("ct1", "CT1", "10.0.0.7", 104, added_at=now))
...     tx.commit()
"""

from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy import Connection

from storage.repos.arrivals import ArrivalsRepo
from storage.repos.assignments import AssignmentsRepo
from storage.repos.audit import AuditRepo
from storage.repos.bookmarks import BookmarksRepo
from storage.repos.callers import CallersRepo
from storage.repos.commitments import CommitmentsRepo
from storage.repos.conflicts import ConflictsRepo
from storage.repos.deliveries import DeliveriesRepo
from storage.repos.destinations import DestinationsRepo
from storage.repos.discards import DiscardsRepo
from storage.repos.events import EventsRepo
from storage.repos.holds import HoldsRepo
from storage.repos.inquiry import InquiryRepo
from storage.repos.instances import InstancesRepo
from storage.repos.jobs import JobsRepo
from storage.repos.labels import LabelsRepo
from storage.repos.ledger import LedgerRepo
from storage.repos.peers import PeersRepo
from storage.repos.pending import PendingRepo
from storage.repos.quarantine import QuarantineRepo
from storage.repos.rulesets import RulesetsRepo
from storage.repos.rulings import RulingsRepo
from storage.repos.settling import SettlingRepo
from storage.repos.studies import StudiesRepo
from storage.repos.subjects import SubjectsRepo
from storage.repos.totals import TotalsRepo
from storage.repos.withheld import WithheldRepo
from storage.wake import Bell

if TYPE_CHECKING:
    from storage.repos.query import QueryRepo


class Transaction:
    """One transaction, for one thread, in a with statement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._bell = Bell(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()  # takes back what was not committed

    @property
    def connection(self) -> Connection:
        """The connection, for repositories."""
        return self._connection

    def commit(self) -> None:
        """Save everything done so far; on return it survives a power cut. Ends the transaction.

        Raises
        ------
        OutOfSpace, Unavailable
            Nothing was saved. (When the connection breaks during the commit itself, nobody can know:
            arrivals sent again are then found to be duplicates.)
        """
        self._bell.announce()
        self._connection.commit()
        self._bell.ring()

    def ring(self) -> None:
        """Wake the workers when this transaction commits, for something that it leaves to them."""
        self._bell.pull()

    @cached_property
    def arrivals(self) -> ArrivalsRepo:
        """Instances coming in."""
        return ArrivalsRepo(self._connection)

    @cached_property
    def instances(self) -> InstancesRepo:
        """Instances as retrieval and verification need them."""
        return InstancesRepo(self._connection)

    @cached_property
    def studies(self) -> StudiesRepo:
        """Studies as people look at them."""
        return StudiesRepo(self._connection)

    @cached_property
    def subjects(self) -> SubjectsRepo:
        """What rules are asked about."""
        return SubjectsRepo(self._connection)

    @cached_property
    def query(self) -> "QueryRepo":
        """C-FIND matching."""
        from storage.repos.query import QueryRepo

        return QueryRepo(self._connection)

    @cached_property
    def peers(self) -> PeersRepo:
        """Nodes that we know."""
        return PeersRepo(self._connection)

    @cached_property
    def callers(self) -> CallersRepo:
        """Nodes that called without being known."""
        return CallersRepo(self._connection)

    @cached_property
    def conflicts(self) -> ConflictsRepo:
        """Arrivals that disagree."""
        return ConflictsRepo(self._connection)

    @cached_property
    def quarantine(self) -> QuarantineRepo:
        """Datasets that were refused."""
        return QuarantineRepo(self._connection)

    @cached_property
    def commitments(self) -> CommitmentsRepo:
        """What destinations answer for."""
        return CommitmentsRepo(self._connection, self.ring)

    @cached_property
    def events(self) -> EventsRepo:
        """What happened, for those who follow."""
        return EventsRepo(self._connection)

    @cached_property
    def audit(self) -> AuditRepo:
        """Who did what."""
        return AuditRepo(self._connection)

    @cached_property
    def jobs(self) -> JobsRepo:
        """Work to be done."""
        return JobsRepo(self._connection, self.ring)

    @cached_property
    def destinations(self) -> DestinationsRepo:
        """Peers as something to deliver to."""
        return DestinationsRepo(self._connection, self.ring)

    @cached_property
    def deliveries(self) -> DeliveriesRepo:
        """Deliveries for those who deliver."""
        return DeliveriesRepo(self._connection, self.destinations, self.ring)

    @cached_property
    def ledger(self) -> LedgerRepo:
        """Deliveries for people."""
        return LedgerRepo(self._connection, self.ring)

    @cached_property
    def withheld(self) -> WithheldRepo:
        """What is held for a person."""
        return WithheldRepo(self._connection)

    @cached_property
    def pending(self) -> PendingRepo:
        """What is still to be done with an instance."""
        return PendingRepo(self._connection)

    @cached_property
    def bookmarks(self) -> BookmarksRepo:
        """How far long work has come."""
        return BookmarksRepo(self._connection)

    @cached_property
    def totals(self) -> TotalsRepo:
        """Numbers about all of it."""
        return TotalsRepo(self._connection)

    @cached_property
    def rulesets(self) -> RulesetsRepo:
        """Revisions of the rules."""
        return RulesetsRepo(self._connection)

    @cached_property
    def rulings(self) -> RulingsRepo:
        """What rules decided."""
        return RulingsRepo(self._connection)

    @cached_property
    def labels(self) -> LabelsRepo:
        """Labels that were given."""
        return LabelsRepo(self._connection)

    @cached_property
    def assignments(self) -> AssignmentsRepo:
        """To whom studies are given to read."""
        return AssignmentsRepo(self._connection)

    @cached_property
    def holds(self) -> HoldsRepo:
        """What waits for a person."""
        return HoldsRepo(self._connection)

    @cached_property
    def settling(self) -> SettlingRepo:
        """Studies that have grown since they settled."""
        return SettlingRepo(self._connection)

    @cached_property
    def inquiry(self) -> InquiryRepo:
        """Looking back, for people who ask."""
        return InquiryRepo(self._connection)

    @cached_property
    def discards(self) -> DiscardsRepo:
        """What is removed for good."""
        return DiscardsRepo(self._connection)
