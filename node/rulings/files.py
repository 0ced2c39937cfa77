"""What rules would know of a DICOM file, were it to come in: read as ingest reads it, and kept nowhere.

Example
-------
>>> facts_of_file(Path("ct.dcm"), Origin(Way.DIMSE, "CT3_AE"), needs)      # doctest: +SKIP
"""

import os

from node.core.clock import now
from node.core.errors import UserError
from node.intake.buffers import BUFFER
from node.intake.errors import Malformed
from node.intake.files import MEDIA_DIRECTORY, ByteStream, read_head
from node.intake.identity import identify
from node.intake.judgement import judge
from node.intake.outcome import Claim
from node.intake.reader import Reader
from node.rulings.facts import of_arrival
from rules.facts import Facts, Needs
from storage.records.arrival import Arrival, BlobRef, Origin

_ANY_SIZE = 1 << 40
_NO_BLOB = BlobRef("", 0, 0, "")


def facts_of_file(path: str | os.PathLike[str], origin: Origin, needs: Needs) -> Facts:
    """Return the facts of the instance in a file, as if it came by `origin`.

    Raises
    ------
    UserError
        There is no such file, it is no DICOM file, or the node would not take it; the message says why.
    """
    return of_arrival(arrival_of_file(path, origin, needs))


def arrival_of_file(path: str | os.PathLike[str], origin: Origin, needs: Needs) -> Arrival:
    """Return the instance in a file as if it came by `origin`; it has no blob. Raises as `facts_of_file`."""
    try:
        with open(path, "rb", buffering=0) as file:
            return _arrival(file, origin, needs)
    except OSError as error:
        raise UserError(f"{os.fspath(path)}: {error.strerror or error}") from None
    except Malformed as error:
        raise UserError(f"{os.fspath(path)}: {error}") from None


def _arrival(stream: ByteStream, origin: Origin, needs: Needs) -> Arrival:
    head = read_head(stream)
    if head.sop_class_uid == MEDIA_DIRECTORY:
        raise Malformed("a DICOMDIR is no instance")
    claim = Claim(head.sop_class_uid, head.sop_instance_uid, head.transfer_syntax_uid, binding=False)
    reader = Reader(head.transfer_syntax_uid, _ANY_SIZE, needs)
    piece: bytes | None = head.rest
    while piece and not reader.problem:
        reader.feed(piece)
        piece = stream.read(BUFFER)
    header = reader.finish()
    identity = identify(header, claim)
    refused = judge(header, reader.problem, claim, identity)
    if refused is not None:
        raise Malformed(f"the node would not take it: {refused[1]}")
    return Arrival(
        sop_instance_uid=identity.sop_instance_uid,
        sop_class_uid=identity.sop_class_uid,
        study_instance_uid=identity.study_instance_uid,
        series_instance_uid=identity.series_instance_uid,
        transfer_syntax_uid=head.transfer_syntax_uid,
        attributes=header.attributes,
        blob=_NO_BLOB,
        origin=origin,
        received_at=now(),
        further=reader.further,
    )
