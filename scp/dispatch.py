"""The loop of one association: messages go to the handler of their service, in order, until the end."""

import time
from collections.abc import Callable

from scp import commitment, echo, find, get, move, store
from scp.contexts import service_of
from scp.session import Session
from scp.statuses import Status
from scu.wire.channel import Channel, Message
from scu.wire.command import CommandField
from scu.wire.errors import LinkClosed, LinkTimeout, PeerAborted, ProtocolError, ReleaseRequested, WireError

_LINGER_SECONDS = 1.0

Handler = Callable[[Session, Message], None]

_HANDLERS: dict[int, tuple[Handler, str]] = {
    CommandField.C_ECHO_RQ: (echo.serve, "C-ECHO"),
    CommandField.C_STORE_RQ: (store.serve, "C-STORE"),
    CommandField.C_FIND_RQ: (find.serve, "C-FIND"),
    CommandField.C_MOVE_RQ: (move.serve, "C-MOVE"),
    CommandField.C_GET_RQ: (get.serve, "C-GET"),
    CommandField.N_EVENT_REPORT_RQ: (commitment.serve, "N-EVENT-REPORT"),
}


def run(session: Session) -> None:
    """Serve the association to its end. Returns when the connection is closed; raises nothing."""
    channel = session.channel
    end = "released"
    try:
        while True:
            message = channel.receive()
            session.busy = True
            _serve(session, message)
            session.busy = False
            session.last_active = time.monotonic()
    except ReleaseRequested:
        if "C-STORE" in session.counts:
            session.node.ingest.settle()  # who was told of the release finds what was sent
        _release(channel)
    except PeerAborted as error:
        end = str(error)
    except (LinkClosed, LinkTimeout) as error:
        end = str(error)
        channel.link.send_abort(2, 0)
    except ProtocolError as error:
        end = str(error)
        channel.link.send_abort(2, error.reason)  # PS3.8 table 9-26
    except Exception as error:
        end = type(error).__name__
        session.log.exception("association.broke")
        channel.link.send_abort(2, 0)
    finally:
        channel.link.close()
        session.log.info("association.ended", end=end, **session.counts)


def _release(channel: Channel) -> None:
    try:
        channel.answer_release()
        channel.link.linger(_LINGER_SECONDS)
    except WireError:
        pass  # it wanted to go anyway


def _serve(session: Session, message: Message) -> None:
    handler, service = _HANDLERS.get(message.command.field, (_refuse, "other"))
    session.counts[service] = session.counts.get(service, 0) + 1
    if handler is not _refuse and not _fits(service, message):
        session.channel.skip_dataset()
        session.reply(message, Status.SOP_CLASS_NOT_SUPPORTED, f"{service} has no place in this context")
        return
    if handler is not store.serve and handler is not echo.serve:
        session.node.ingest.settle()  # what anybody was told is kept can be found
    try:
        handler(session, message)
    except WireError:
        raise
    except Exception as error:
        # One message that cannot be served must not end the association of those that can.
        session.log.exception("message.failed", service=service)
        session.channel.skip_dataset()
        session.reply(message, Status.PROCESSING_FAILURE, f"internal error: {type(error).__name__}")


def _fits(service: str, message: Message) -> bool:
    return service_of(message.context.abstract_syntax) in (service, "")


def _refuse(session: Session, message: Message) -> None:
    """Answer an operation that this node has not; a C-CANCEL that comes too late needs no answer."""
    session.channel.skip_dataset()
    if message.command.field & 0x8000 or message.command.field == CommandField.C_CANCEL_RQ:
        return  # PS3.7 9.3.2.3: a cancel is never answered
    session.reply(message, Status.UNRECOGNIZED_OPERATION)
