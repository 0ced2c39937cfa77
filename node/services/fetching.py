"""Fetching: a study from a peer by C-GET (PS3.4 C.4.3), each instance by the one way in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pydicom import uid

from node.config import DicomSection
from node.core.errors import UserError
from node.services.asking import ask, identifier
from node.services.calling import associate
from node.services.ingest import Claim, Ingest, Outcome, Refusal
from scu.contexts import for_retrieving
from scu.errors import Failed
from scu.get import STUDY_ROOT, Incoming, get, roles
from scu.wire.channel import Context
from storage.records.arrival import Origin, Verdict, Way
from storage.records.attributes import Level
from storage.records.network import Peer

_STATUS = {  # PS3.4 table B.2-1
    Refusal.OUT_OF_SPACE: 0xA700,
    Refusal.TOO_LARGE: 0xA700,
    Refusal.MISMATCH: 0xA900,
    Refusal.CANNOT_UNDERSTAND: 0xC000,
    Refusal.FAILURE: 0x0110,
}
# Proposed when the peer does not tell what a study consists of. Not all that there are: each takes one of
# 128 contexts, and those that are left over are for compressed transfer syntaxes.
_USUAL = (
    *(uid.CTImageStorage, uid.MRImageStorage, uid.ComputedRadiographyImageStorage),
    *(uid.DigitalXRayImageStorageForPresentation, uid.DigitalMammographyXRayImageStorageForPresentation),
    *(uid.UltrasoundImageStorage, uid.UltrasoundMultiFrameImageStorage, uid.SecondaryCaptureImageStorage),
    *(uid.XRayAngiographicImageStorage, uid.XRayRadiofluoroscopicImageStorage),
    *(uid.NuclearMedicineImageStorage, uid.PositronEmissionTomographyImageStorage),
    *(uid.EnhancedCTImageStorage, uid.EnhancedMRImageStorage, uid.BreastTomosynthesisImageStorage),
    *(uid.GrayscaleSoftcopyPresentationStateStorage, uid.KeyObjectSelectionDocumentStorage),
    *(
        uid.BasicTextSRStorage,
        uid.EnhancedSRStorage,
        uid.ComprehensiveSRStorage,
        uid.Comprehensive3DSRStorage,
    ),
    *(uid.XRayRadiationDoseSRStorage, uid.MammographyCADSRStorage, uid.EncapsulatedPDFStorage),
    *(uid.SegmentationStorage, uid.SpatialRegistrationStorage, uid.RawDataStorage),
    *(uid.RTImageStorage, uid.RTDoseStorage, uid.RTStructureSetStorage, uid.RTPlanStorage),
    *(uid.VLPhotographicImageStorage, uid.VLEndoscopicImageStorage, uid.VLMicroscopicImageStorage),
    *(uid.OphthalmicPhotography8BitImageStorage, uid.OphthalmicTomographyImageStorage),
    *(uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage, uid.GeneralECGWaveformStorage),
    *(uid.MultiFrameTrueColorSecondaryCaptureImageStorage, uid.TwelveLeadECGWaveformStorage),
)


@dataclass
class Fetched:
    """What came of it.

    Attributes
    ----------
    stored, duplicates, conflicts
        Instances that are new, those that the archive had, and those that disagree with what it had.
    refused
        SOP Instance UID to the reason, for those that this node did not take.
    failed
        Instances that the peer could not send.
    failed_uids
        Their SOP Instance UIDs, as far as the peer names them.
    """

    peer: str
    study_instance_uid: str
    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    failed: int = 0
    failed_uids: Sequence[str] = ()

    def count(self, sop_instance_uid: str, outcome: Outcome) -> None:
        """Take in what became of one instance."""
        if outcome.refusal is not None:
            self.refused[sop_instance_uid] = outcome.reason or str(outcome.refusal)
        self.stored += outcome.verdict is Verdict.STORED
        self.duplicates += outcome.verdict is Verdict.DUPLICATE
        self.conflicts += outcome.verdict is Verdict.CONFLICT


def fetch_study(
    ingest: Ingest,
    study_uid: str,
    peer: Peer,
    config: DicomSection,
    advance: Callable[[int], None] = lambda more: None,
) -> Fetched:
    """Have `peer` send every instance of a study, and keep them.

    Parameters
    ----------
    advance
        Called with 1 after each instance.

    Raises
    ------
    UserError
        The peer does not have the study.
    scu.errors.ScuError
        The peer cannot be reached, has no C-GET, or failed; what came before stays.
    """
    done = Fetched(peer.name, study_uid)
    classes = _classes(study_uid, peer, config)
    origin = Origin(Way.DIMSE, calling_ae=peer.ae_title, called_ae=config.ae_title, address=peer.host)

    def receive(incoming: Incoming, _context: Context, dataset: Iterator[list[memoryview]]) -> int:
        claim = Claim(incoming.sop_class_uid, incoming.sop_instance_uid, incoming.transfer_syntax_uid)
        outcome = _take(ingest, claim, origin, dataset)
        done.count(incoming.sop_instance_uid, outcome)
        advance(1)
        return 0x0000 if outcome.refusal is None else _STATUS[outcome.refusal]

    keys = identifier(Level.STUDY, {"StudyInstanceUID": study_uid})
    with associate(peer, config, for_retrieving(STUDY_ROOT, classes), roles(classes)) as association:
        try:
            report = get(association, STUDY_ROOT, keys, receive)
        except Failed:
            if not done.refused:
                raise
            return done  # it only says that nothing arrived, which we know better than the peer
    done.failed = max(report.progress.failed - len(done.refused), 0)
    done.failed_uids = [failed for failed in report.failed_uids if failed not in done.refused]
    return done


def _take(ingest: Ingest, claim: Claim, origin: Origin, dataset: Iterator[list[memoryview]]) -> Outcome:
    reception = ingest.begin(claim, origin)
    try:
        for fragments in dataset:
            reception.write(fragments)
    except BaseException:
        reception.abandon()
        raise
    return reception.finish()


def _classes(study_uid: str, peer: Peer, config: DicomSection) -> Sequence[str]:
    """Return the SOP classes to propose: those in the study when the peer tells, else the usual ones."""
    keys = {"StudyInstanceUID": study_uid, "SOPClassesInStudy": ""}
    found = list(ask(peer, config, Level.STUDY, keys))
    if not found:
        raise UserError(f"{peer.name} has no study {study_uid}")
    told = list(filter(None, found[0].get("SOPClassesInStudy", "").split("\\")))
    return told or [str(each) for each in _USUAL]
