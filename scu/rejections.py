"""What an A-ASSOCIATE-RJ means, and what can be done about it (PS3.8 table 9-21)."""

from scu.address import Address
from scu.errors import Rejected
from scu.wire.negotiate import AssociationRejected

_USER, _ACSE, _PRESENTATION = 1, 2, 3
_TRANSIENT = 2

_REASONS = {
    (_USER, 1): ("it gave no reason", "Look into its log: it may not know this node, or not its address."),
    (_USER, 2): ("it does not know the DICOM application context", "Is this port one of DICOM?"),
    (_USER, 3): (
        "the calling AE title {calling} is not recognized",
        "Have {calling} and the address of this node added there.",
    ),
    (_USER, 7): (
        "the called AE title {called} is not recognized",
        "Check which AE title it has: capitals count.",
    ),
    (_ACSE, 1): ("its protocol layer gave no reason", "Look into its log."),
    (_ACSE, 2): ("it does not know this version of the protocol", "Is this port one of DICOM?"),
    (_PRESENTATION, 1): ("it is congested for a time", "It takes no association now; later it may."),
    (_PRESENTATION, 2): (
        "it has as many associations as it allows",
        "It takes no other now; its limit may be too low for what is asked of it.",
    ),
}


def explain(rejection: AssociationRejected, address: Address, calling_ae: str) -> Rejected:
    """Return the error for `rejection`, with the titles that were used."""
    words, advice = _REASONS.get(
        (rejection.source, rejection.reason),
        (f"for a reason that the Standard does not know ({rejection.source}, {rejection.reason})", ""),
    )
    titles = {"called": address.ae_title, "calling": calling_ae}
    transient = rejection.result == _TRANSIENT or rejection.source == _PRESENTATION
    return Rejected(
        f"{address} rejected the association: {words.format(**titles)}"
        f" ({'for now' if transient else 'for good'})",
        retry=transient,
        advice=advice.format(**titles),
    )
