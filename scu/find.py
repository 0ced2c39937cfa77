"""C-FIND: answers as they come (PS3.4 C.4.1, PS3.7 9.1.2)."""

import contextlib
from collections.abc import Iterator

from pydicom.dataset import Dataset

from scu import identifiers
from scu.association import Association
from scu.errors import ScuError
from scu.operation import category_of, failed, request, send_cancel
from scu.statuses import Category
from scu.wire.channel import Context
from scu.wire.command import CommandField

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"


def find(association: Association, model: str, identifier: Dataset, *, limit: int = 0) -> Iterator[Dataset]:
    """Ask, and yield the answers.

    Closing the iterator before its end cancels the query; the association can go on then.

    Parameters
    ----------
    model
        SOP class of the query: `PATIENT_ROOT`, `STUDY_ROOT`.
    identifier
        Query/Retrieve Level, keys with values, and attributes to be returned, empty.
    limit
        Answers after which the query is cancelled, 0 for all.

    Raises
    ------
    NotAccepted, Failed, PeerFault, TimedOut
    """
    context = association.need(model)
    message_id = association.next_id()
    channel = association.channel
    data = identifiers.encode(identifier, context.transfer_syntax)
    count = 0
    with association.explaining("C-FIND"):
        channel.send(context, request(CommandField.C_FIND_RQ, message_id, model, 0), data)
        while True:
            answer = channel.answer(CommandField.C_FIND_RSP, message_id).command
            category = category_of(answer)
            if category is not Category.PENDING:
                break
            found = channel.read_dataset(identifiers.IDENTIFIER_MAX)
            try:
                yield identifiers.decode(found, context.transfer_syntax)
            except GeneratorExit:
                with contextlib.suppress(ScuError), association.explaining("C-CANCEL"):
                    _cancel(association, context, message_id)
                raise
            count += 1
            if count == limit:
                _cancel(association, context, message_id)
                return
    if category in (Category.FAILURE, Category.CANCEL):
        raise failed(association.address, answer)


def _cancel(association: Association, context: Context, message_id: int) -> None:
    channel = association.channel
    send_cancel(channel, context, message_id)
    while True:
        answer = channel.answer(CommandField.C_FIND_RSP, message_id).command
        channel.skip_dataset()
        if category_of(answer) is not Category.PENDING:
            return
