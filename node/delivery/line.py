"""One association with a destination, for parcel after parcel.

The destination never waits for us: while it works on one instance, the next is made ready to its last PDU,
and leaves at once when the answer is there.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from node.config import DicomSection
from node.delivery.loading import Loaded, Loader, Unfit, unfit
from node.services.calling import associate
from node.services.retrieve import Retrieve
from scu.association import Association
from scu.contexts import for_sending
from scu.store import StoreResult, wait_for_result
from scu.transcode import CannotTranscode
from scu.wire.link import Buffer
from storage.errors import StorageError
from storage.records.deliveries import Parcel
from storage.records.network import Peer
from storage.records.objects import StoredInstance

_RELEASE_SECONDS = 5.0  # for the answer to a release; all has been delivered, whatever it is


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one parcel.

    Attributes
    ----------
    outcome
        The answer, or why it was not sent.
    transfer_syntax_uid, digest
        Of the data set as it went; empty when none did.
    """

    outcome: StoreResult | Unfit
    transfer_syntax_uid: str = ""
    digest: str = ""


class Line:
    """An association that stands; for one thread.

    Parameters
    ----------
    peer, preferred
        Who was called, and the transfer syntaxes that it is to get before the stored one, the best first.
    """

    def __init__(
        self, association: Association, retrieve: Retrieve, peer: Peer, preferred: Sequence[str] = ()
    ) -> None:
        self.peer = peer
        self.preferred = preferred
        self._association = association
        self._asked = {
            (proposal.abstract_syntax, syntax)
            for proposal in association.request.proposals
            for syntax in proposal.transfer_syntaxes
        }
        channel = association.channel
        contexts = {(each.abstract_syntax, each.transfer_syntax): each for each in channel.contexts.values()}
        self._loader = Loader(retrieve, channel, contexts, association.next_id, preferred=preferred)
        self._ahead: tuple[int, Loaded | Unfit] | None = None

    @classmethod
    def open(
        cls,
        peer: Peer,
        config: DicomSection,
        retrieve: Retrieve,
        kinds: Iterable[tuple[str, str]],
        preferred: Sequence[str] = (),
    ) -> "Line":
        """Call `peer`.

        Parameters
        ----------
        kinds
            SOP class and transfer syntax of what is to be sent, as stored. Those that one association has
            no room for are left out, the last ones first.

        Raises
        ------
        ScuError
        """
        return cls(associate(peer, config, proposals(kinds, preferred)), retrieve, peer, preferred)

    def covers(self, parcel: Parcel) -> bool:
        """Tell whether what a parcel needs was negotiated, successfully or not."""
        return (parcel.sop_class_uid, parcel.transfer_syntax_uid) in self._asked

    @property
    def torn(self) -> bool:
        """Whether we broke it ourselves: an instance could not be read to its end."""
        return self._association.channel.torn

    @property
    def usable(self) -> bool:
        """Whether it still stands, as far as we have heard."""
        return self._association.usable

    def send(self, parcel: Parcel, following: Callable[[], Parcel | None]) -> Sent:
        """Send one, and wait for the answer.

        Parameters
        ----------
        following
            Gives what will probably be sent next; None: nothing.

        Raises
        ------
        ScuError
            The association broke while the parcel was on its way, and is closed.
        """
        ahead, self._ahead = self._ahead, None
        loaded = ahead[1] if ahead is not None and ahead[0] == parcel.id else self._load(parcel)
        if isinstance(loaded, Unfit):
            return Sent(self._in_full(loaded, parcel))
        try:
            with self._association.explaining("C-STORE"):
                digest = self._transmit(loaded)
                self._look_ahead(following())
                answer = wait_for_result(self._association.channel, loaded.message_id)
        except (StorageError, CannotTranscode, ValueError) as error:
            if self.torn:  # the destination has half of it, and can only be told by an abort
                self._association.abort()
            return Sent(unfit(error))
        return Sent(answer, loaded.context.transfer_syntax, digest)

    def _load(self, parcel: Parcel) -> Loaded | Unfit:
        try:
            return self._loader.load(stored(parcel))
        except Unfit as problem:
            return problem

    def _look_ahead(self, parcel: Parcel | None) -> None:
        if parcel is not None and self.covers(parcel):
            self._ahead = (parcel.id, self._load(parcel))

    def _in_full(self, problem: Unfit, parcel: Parcel) -> Unfit:
        """Say which of the contexts were refused, and why."""
        if not problem.refused:
            return problem
        return Unfit(str(self._association.not_accepted([parcel.sop_class_uid])), refused=True)

    def _transmit(self, loaded: Loaded) -> str:
        """Send it; return the SHA-256 of the data set that went."""
        channel = self._association.channel
        if loaded.pdus is not None:
            channel.write(loaded.pdus)
            return loaded.digest
        outgoing, hashed = loaded.outgoing, hashlib.sha256()
        chunks = outgoing.chunks() if loaded.digest else _hashing(outgoing.chunks(), hashed.update)
        channel.send_streamed(loaded.context, loaded.command, chunks, outgoing.size)
        return loaded.digest or hashed.hexdigest()

    def release(self) -> None:
        """End in good order, or at once where that is not possible; harmless when it has ended."""
        if self.usable:
            link = self._association.channel.link
            link.idle_timeout = min(link.idle_timeout, _RELEASE_SECONDS)
            self._association.release()
        else:
            self._association.abort()

    def hang_up(self) -> None:
        """End it from another thread: `send` raises at once."""
        self._association.channel.link.hang_up()


def proposals(
    kinds: Iterable[tuple[str, str]], preferred: Sequence[str] = ()
) -> list[tuple[str, tuple[str, ...]]]:
    """Return the presentation contexts to propose for sending instances of these kinds, the first ones first.

    Raises
    ------
    ValueError
        There are none.
    """
    wanted = [
        (sop_class, each) for sop_class, syntax in dict.fromkeys(kinds) for each in (*preferred, syntax)
    ]
    first = next(for_sending(wanted), None)
    if first is None:
        raise ValueError("there is nothing to send")
    return first


def stored(parcel: Parcel) -> StoredInstance:
    """Return what a parcel holds, as retrieval knows it."""
    return StoredInstance(
        parcel.sop_class_uid,
        parcel.sop_instance_uid,
        parcel.transfer_syntax_uid,
        parcel.blob,
        parcel.study_instance_uid,
        parcel.series_instance_uid,
        parcel.received_at,
    )


def _hashing(chunks: Iterable[Buffer], note: Callable[[Buffer], object]) -> Iterator[Buffer]:
    for piece in chunks:
        note(piece)
        yield piece
