"""From an A-ASSOCIATE-RQ to a session that stands, or to its rejection (PS3.8 7.1)."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from node.root import Node
from scp.admission import CALLING_AE_UNKNOWN, Rejection, check_called, rights_of
from scp.contexts import ForStrangers, arrange, grant_roles, grant_window, service_of
from scp.lobby import Guest
from scp.session import Session
from scu.wire.channel import Channel
from scu.wire.errors import ProtocolError, WireError
from scu.wire.link import A_ASSOCIATE_RQ, Link
from scu.wire.negotiate import Answer, Request, choose, decode_request, encode_accept, encode_reject
from storage.records.arrival import Origin, Way

_LINGER_SECONDS = 1.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reception:
    """What a receiver offers to whoever asks."""

    node: Node
    supported: Mapping[str, frozenset[str]]


def welcome(guest: Guest, reception: Reception) -> Session | None:
    """Answer the request of `guest`. Returns None when it was turned away, with the connection closed."""
    config = reception.node.config.dicom
    link = Link(
        guest.sock,
        max_pdu=config.max_pdu,
        idle_timeout=config.idle_timeout,
        pdu_timeout=config.pdu_timeout,
    )
    try:
        link.preload(bytes(guest.data))
        guest.data.clear()
        kind, body = link.next_pdu()
        if kind != A_ASSOCIATE_RQ:
            raise ProtocolError("another PDU came where A-ASSOCIATE-RQ was due", reason=2)
        return _answer(link, decode_request(bytes(body)), guest.address, reception)
    except ProtocolError as error:
        _log.warning("association.malformed", address=guest.address, why=str(error))
        link.send_abort(2, error.reason)
    except WireError as error:
        _log.info("association.ended", address=guest.address, end=str(error))
    link.close()
    return None


def _answer(link: Link, request: Request, address: str, reception: Reception) -> Session | None:
    node, config = reception.node, reception.node.config.dicom
    peer = node.peers.known(request.calling_ae, address)
    rights = rights_of(peer, config)
    rejection = check_called(request, config)
    if rejection is None and not rights.any_for(request):
        rejection = CALLING_AE_UNKNOWN
    if peer is None:
        _note(node, request, address, refused=rejection is not None)
    if rejection is not None:
        _reject(link, rejection, request, address)
        return None
    supported = reception.supported if peer else ForStrangers(reception.supported)
    contexts, refused = choose(arrange(request), supported)
    roles = grant_roles(request, supported)
    window = grant_window(request, contexts.values())
    answer = Answer(contexts, refused, max_pdu=config.max_pdu, roles=roles, window=window)
    link.send([encode_accept(request, answer)])
    log = _log.bind(calling_ae=request.calling_ae, called_ae=request.called_ae, address=address)
    log.info("association.accepted", contexts=len(contexts), refused=len(refused))
    return Session(
        channel=Channel(link, contexts, request.max_pdu, window[1] if window else 1),
        request=request,
        roles=roles,
        node=node,
        origin=Origin(Way.DIMSE, request.calling_ae, request.called_ae, address),
        peer=peer,
        may_store=rights.may_store,
        may_query=rights.may_query,
        log=log,
    )


def _note(node: Node, request: Request, address: str, *, refused: bool) -> None:
    asked = {service_of(proposal.abstract_syntax) for proposal in request.proposals}
    node.callers.note(request.calling_ae, address, sorted(asked), refused=refused)


def _reject(link: Link, rejection: Rejection, request: Request, address: str) -> None:
    _log.warning(
        "association.rejected",
        address=address,
        calling_ae=request.calling_ae,
        called_ae=request.called_ae,
        why=rejection.word,
    )
    link.send([encode_reject(rejection.result, rejection.source, rejection.reason)])
    link.linger(_LINGER_SECONDS)
    link.close()
