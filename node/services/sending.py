"""Sending: a study to a peer by C-STORE, each instance as it is kept when the peer takes that.

What the peer does not take in its stored transfer syntax is sent in another; what fails is reported and
does not stop the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from node.config import DicomSection
from node.core.errors import UserError
from node.services.calling import associate
from node.services.retrieve import Retrieve
from scu.association import Association
from scu.contexts import Proposals, for_sending
from scu.errors import ScuError
from scu.store import Outgoing, StoreResult, send
from scu.transcode import TARGETS, CannotTranscode, possible, transcoded
from scu.wire.channel import Context
from storage.errors import StorageError
from storage.records.attributes import Level
from storage.records.network import Peer
from storage.records.objects import StoredInstance


@dataclass
class Sent:
    """What came of it.

    Attributes
    ----------
    sent
        Instances that the peer has taken, those with a warning included.
    transcoded
        Those of them that went in another transfer syntax than they are kept in.
    failed
        SOP Instance UID to the reason.
    """

    peer: str
    study_instance_uid: str
    instances: int
    sent: int = 0
    warnings: int = 0
    transcoded: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def send_study(
    retrieve: Retrieve,
    study_uid: str,
    peer: Peer,
    config: DicomSection,
    advance: Callable[[int], None] = lambda more: None,
) -> Sent:
    """Send every instance of a study to `peer`.

    Parameters
    ----------
    advance
        Called with 1 after each instance.

    Raises
    ------
    UserError
        There is no such study.
    scu.errors.ScuError
        Nothing was sent: the peer cannot be reached, or the association broke at once. When it breaks
        later, the rest are reported as failed.
    """
    instances = retrieve.matching(Level.STUDY, {"StudyInstanceUID": study_uid})
    if not instances:
        raise UserError(f"there is no study {study_uid} in the archive")
    done = Sent(peer.name, study_uid, len(instances))
    for proposals in for_sending((i.sop_class_uid, i.transfer_syntax_uid) for i in instances):
        classes = {sop_class for sop_class, _ in proposals}
        batch = [instance for instance in instances if instance.sop_class_uid in classes]
        _Courier(retrieve, peer, config, proposals, done).carry(batch, advance)
    return done


class _Courier:
    """Sends instances that one set of presentation contexts is enough for."""

    def __init__(
        self, retrieve: Retrieve, peer: Peer, config: DicomSection, proposals: Proposals, done: Sent
    ) -> None:
        self._retrieve = retrieve
        self._peer = peer
        self._config = config
        self._proposals = proposals
        self._done = done

    def carry(self, instances: Sequence[StoredInstance], advance: Callable[[int], None]) -> None:
        at = 0
        try:
            while at < len(instances):
                # A new one each time that an instance failed halfway and took its association along.
                with associate(self._peer, self._config, self._proposals) as association:
                    while at < len(instances) and not association.channel.torn:
                        self._send(association, instances[at])
                        at += 1
                        advance(1)
        except ScuError as error:
            if not (self._done.sent or self._done.failed):
                raise
            for instance in instances[at:]:
                self._done.failed[instance.sop_instance_uid] = str(error)
                advance(1)

    def _send(self, association: Association, instance: StoredInstance) -> None:
        uid = instance.sop_instance_uid
        outgoing = self._retrieve.outgoing(instance)
        context = choose(association, outgoing)
        if context is None:
            self._done.failed[uid] = str(association.not_accepted([instance.sop_class_uid]))
            return
        changed = context.transfer_syntax != instance.transfer_syntax_uid
        try:
            if changed:
                outgoing = transcoded(outgoing, context.transfer_syntax)
            result = send(association.channel, context, outgoing, association.next_id())
        except (StorageError, CannotTranscode) as error:
            self._done.failed[uid] = str(error)
            return
        self._count(uid, result, changed)

    def _count(self, uid: str, result: StoreResult, changed: bool) -> None:
        if not result.stored:
            comment = f": {result.comment}" if result.comment else ""
            self._done.failed[uid] = f"{result.meaning.words} (0x{result.status:04X}){comment}"
            return
        self._done.sent += 1
        self._done.warnings += result.warning
        self._done.transcoded += changed


def choose(association: Association, outgoing: Outgoing) -> Context | None:
    """Return the context for the stored transfer syntax, else for one that can be made of it."""
    stored = outgoing.transfer_syntax_uid
    for syntax in (stored, *TARGETS):
        context = association.context_for(outgoing.sop_class_uid, syntax)
        if context is not None and possible(stored, syntax):
            return context
    return None
