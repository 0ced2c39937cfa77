"""Puts instances into an archive that is not ours."""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from scu.address import Address
from scu.association import Association
from scu.contexts import EXPLICIT_LITTLE_ENDIAN, for_sending
from scu.store import Outgoing, send
from tests.support.samples import encode
from tests.support.strangers import Stranger


def outgoing(dataset: Dataset) -> Outgoing:
    """`dataset` as something to be sent in Explicit VR Little Endian."""
    data = encode(dataset)
    return Outgoing(
        str(dataset.SOPClassUID),
        str(dataset.SOPInstanceUID),
        EXPLICIT_LITTLE_ENDIAN,
        len(data),
        lambda: iter([data]),
    )


def fill(stranger: Stranger, datasets: Sequence[Dataset]) -> None:
    """Send `datasets` to `stranger` over one association."""
    (proposals,) = for_sending((str(dataset.SOPClassUID), EXPLICIT_LITTLE_ENDIAN) for dataset in datasets)
    address = Address(stranger.ae_title, "127.0.0.1", stranger.port)
    with Association.open(address, "ISOCENTRE", proposals) as association:
        for dataset in datasets:
            instance = outgoing(dataset)
            context = association.need(instance.sop_class_uid)
            assert send(association.channel, context, instance, association.next_id()).stored
