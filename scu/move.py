"""C-MOVE: have another node send to a third (PS3.4 C.4.2, PS3.7 9.1.4)."""

from collections.abc import Callable

from pydicom.dataset import Dataset

from scu import identifiers
from scu.association import Association
from scu.operation import request
from scu.retrieval import Progress, Report, Watch
from scu.wire.command import MOVE_DESTINATION, CommandField

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.2"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.2"


def move(
    association: Association,
    model: str,
    identifier: Dataset,
    destination: str,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Report:
    """Ask for a move to the AE title `destination`, and follow it to its end.

    Parameters
    ----------
    model
        SOP class of the retrieval: `PATIENT_ROOT`, `STUDY_ROOT`.
    identifier
        Query/Retrieve Level and the unique keys of what is to be moved.
    progress
        Called with each count that the other node gives.
    cancel
        Asked at each response whether to stop.

    Raises
    ------
    NotAccepted, Failed, PeerFault, TimedOut
    """
    context = association.need(model)
    message_id = association.next_id()
    data = identifiers.encode(identifier, context.transfer_syntax)
    watch = Watch(association, context, message_id, progress, cancel)
    with association.explaining("C-MOVE"):
        command = request(CommandField.C_MOVE_RQ, message_id, model, 0).text(MOVE_DESTINATION, destination)
        association.channel.send(context, command, data)
        while True:
            answer = association.channel.answer(CommandField.C_MOVE_RSP, message_id).command
            report = watch.follow(answer)
            if report is not None:
                return report
