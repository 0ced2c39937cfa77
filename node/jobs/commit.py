"""Commit: ask a destination for storage commitment of what was delivered to it, and record what it says.

All that is due is asked for over one association, then the reports are waited for. Those that have not come
by then are expected over an association that the destination opens to us (`scp.commitment`). A destination
that does not offer the service is not asked twice for the same instances.
"""

import structlog

from node.core.errors import UserError
from node.jobs.task import Hopeless, Task
from node.services import commitment
from node.services.calling import associate
from scu.commitment import COMMITMENT, Requests
from scu.contexts import for_query
from scu.errors import Failed, NotAccepted, ScuError
from storage.records.network import Peer

_REQUESTS = 20  # over one association; what is more is for the next job

_log = structlog.get_logger()


def run(task: Task) -> None:
    """Ask the destination of the payload for all that is due."""
    archive, config = task.node.archive, task.node.config.delivery
    name = str(task.job.payload["destination"])
    commitment.expire(archive, name, config.commitment_hours)
    with archive.read() as tx:
        due = tx.commitments.has_due(name)
    asked = False
    try:
        if due:
            _ask(task, _peer(task, name))
            asked = True
    finally:
        commitment.follow(archive, name, config.commitment_hours, more=asked)


def _peer(task: Task, name: str) -> Peer:
    try:
        return task.node.peers.get(name)
    except UserError as error:
        raise Hopeless(str(error)) from error


def _ask(task: Task, peer: Peer) -> None:
    config, archive = task.node.config, task.node.archive
    try:
        with associate(peer, config.dicom, for_query(COMMITMENT)) as association:
            requests = Requests(association, lambda report: commitment.take(archive, report, peer.name))
            for _ in range(_REQUESTS):
                task.check()
                if not _send(task, requests, peer.name):
                    break
            requests.wait(config.delivery.commitment_wait, task.check)
    except NotAccepted as error:
        commitment.give_up(archive, peer.name, str(error))
    except Failed as error:
        if error.retry:
            raise
        commitment.give_up(archive, peer.name, str(error))


def _send(task: Task, requests: Requests, name: str) -> bool:
    """Send one request; False when there is nothing left to ask for."""
    request = commitment.begin(task.node.archive, name)
    if request is None:
        return False
    try:
        requests.ask(request.transaction_uid, request.references)
    except ScuError:
        commitment.withdraw(task.node.archive, request)
        raise
    _log.info(
        "commitment.asked",
        destination=name,
        transaction_uid=request.transaction_uid,
        instances=len(request.references),
    )
    return True
