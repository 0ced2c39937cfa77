"""An association that we opened: what was accepted, and the errors of the wire in plain words (PS3.8 7)."""

import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from scu import contexts, faults, rejections
from scu.address import Address
from scu.connect import connect
from scu.errors import NotAccepted
from scu.wire.channel import Channel, Context
from scu.wire.errors import LinkClosed, PeerAborted, ProtocolError, WireError
from scu.wire.link import A_ABORT, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, Link
from scu.wire.negotiate import (
    Answer,
    AssociationRejected,
    Request,
    decode_answer,
    encode_request,
    narrowed,
)

PDU_TIMEOUT = 30.0
"""Seconds for a PDU that has begun to be there whole, and for what is written to be taken."""


class Association:
    """One established association, for any number of operations one after the other; see `open`.

    As a context manager it releases at the end of the block, aborts when the block raises, and raises the
    `ScuError` for a `WireError`.

    Attributes
    ----------
    channel
        Messages in and out.
    answer
        What the other node settled.
    """

    def __init__(self, address: Address, channel: Channel, request: Request, answer: Answer) -> None:
        self.address = address
        self.channel = channel
        self.request = request
        self.answer = answer
        self._last_id = 0

    @classmethod
    def open(
        cls,
        address: Address,
        calling_ae: str,
        proposals: Sequence[tuple[str, Sequence[str]]],
        *,
        connect_timeout: float = 10.0,
        response_timeout: float = 60.0,
        max_pdu: int = 131072,
        roles: Mapping[str, tuple[bool, bool]] | None = None,
        window: int = 1,
        sock: socket.socket | None = None,
    ) -> Self:
        """Connect and negotiate.

        Parameters
        ----------
        proposals
            SOP class and transfer syntaxes of each presentation context, at most 128; see `contexts`.
        connect_timeout, response_timeout
            Seconds for the connection, and for each answer.
        max_pdu
            Bytes of the longest P-DATA-TF variable field to be received.
        roles
            SOP class to the (SCU, SCP) roles of ours, where they are not SCU alone (PS3.7 D.3.3.4).
        window
            Operations to have under way at once, where the other node answers that it takes several
            (PS3.7 D.3.3.3); 1 does not ask.
        sock
            A connection that is there already (see `scu.connect`), owned from now on; None to make one.

        Raises
        ------
        CannotConnect, Rejected, PeerFault, TimedOut
        NotAccepted
            Not one context was accepted.
        """
        request = Request(
            calling_ae,
            address.ae_title,
            contexts.number(proposals),
            max_pdu=max_pdu,
            roles=roles or {},
            window=(window, 1) if window > 1 else None,
        )
        link = Link(
            connect(address, connect_timeout) if sock is None else sock,
            max_pdu=max_pdu,
            idle_timeout=response_timeout,
            pdu_timeout=min(PDU_TIMEOUT, response_timeout),
        )
        answer = _negotiate(link, request, address)
        granted = narrowed(answer.window[0], window) if answer.window else 1
        channel = Channel(link, answer.contexts, answer.max_pdu, granted)
        association = cls(address, channel, request, answer)
        if not answer.contexts:
            association.release()
            raise association.not_accepted()
        return association

    def context_for(self, sop_class: str, transfer_syntax: str | None = None) -> Context | None:
        """Return an accepted context for `sop_class`, None when there is none.

        With `transfer_syntax`, one that has just that; else the first in the order of the proposals.
        """
        for proposal in self.request.proposals:
            context = self.channel.contexts.get(proposal.context_id)
            if context is None or context.abstract_syntax != sop_class:
                continue
            if transfer_syntax in (None, context.transfer_syntax):
                return context
        return None

    def need(self, sop_class: str) -> Context:
        """Return an accepted context for `sop_class`.

        Raises
        ------
        NotAccepted
        """
        context = self.context_for(sop_class)
        if context is None:
            raise self.not_accepted([sop_class])
        return context

    def not_accepted(self, sop_classes: Iterable[str] | None = None) -> NotAccepted:
        """Return the error that says what was proposed for `sop_classes`, and why it was not accepted."""
        return contexts.not_accepted(self.address, self.request, self.answer, sop_classes)

    def next_id(self) -> int:
        """Return a Message ID that is not in use (PS3.7 9.1.1.1.1)."""
        self._last_id = self._last_id % 0xFFFF + 1
        return self._last_id

    @property
    def usable(self) -> bool:
        """Whether a message can be sent: none is half sent, and the other node has not ended meanwhile."""
        return not self.channel.torn and not self.channel.link.readable()

    @contextlib.contextmanager
    def explaining(self, doing: str) -> Iterator[None]:
        """Turn a `WireError` of the block into the `ScuError` for it, and end the association.

        Parameters
        ----------
        doing
            What was asked for, for example ``"C-ECHO"``.
        """
        try:
            yield
        except WireError as error:
            _end(self.channel.link, error)
            raise faults.explain(error, self.address, doing) from error

    def release(self) -> None:
        """End in good order, as well as it goes: the work is done, whatever the other node says."""
        with contextlib.suppress(WireError):
            self.channel.release()

    def abort(self) -> None:
        """End at once; harmless when it has ended."""
        self.channel.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, WireError):
            with self.explaining("the operation"):
                raise error
        if error is None and not self.channel.torn:
            self.release()
        else:
            self.abort()


def _negotiate(link: Link, request: Request, address: Address) -> Answer:
    """Ask for the association; the link is closed where it does not come about."""
    try:
        with contextlib.suppress(LinkClosed):  # then what comes to be read says why
            link.send([encode_request(request)])
        return _answer(link, request)
    except AssociationRejected as rejected:
        link.close()
        raise rejections.explain(rejected, address, request.calling_ae) from rejected
    except WireError as error:
        _end(link, error)
        raise faults.explain(error, address, "the request for an association") from error
    except BaseException:
        link.close()
        raise


def _answer(link: Link, request: Request) -> Answer:
    kind, body = link.next_pdu()
    if kind == A_ABORT:
        raise PeerAborted(*(body[2:4] if len(body) == 4 else (0, 0)))
    if kind not in (A_ASSOCIATE_AC, A_ASSOCIATE_RJ):
        raise ProtocolError(f"PDU type 0x{kind:02X} came where an answer to the request was due", reason=2)
    return decode_answer(kind, bytes(body), request)


def _end(link: Link, error: WireError) -> None:
    if isinstance(error, ProtocolError):
        link.send_abort(2, error.reason)  # PS3.8 table 9-26
    elif not isinstance(error, PeerAborted):
        link.send_abort(0, 0)
    link.close()
