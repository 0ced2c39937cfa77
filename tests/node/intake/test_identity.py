from node.intake.header import Header
from node.intake.identity import Identity, find_fault, identify
from node.intake.outcome import Claim
from node.intake.uids import is_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
PALETTE = "1.2.840.10008.5.1.4.39.1"
CLAIM = Claim(CT, "1.2.3", "1.2.840.10008.1.2")


def identity(claim: Claim = CLAIM, **attributes: str) -> Identity:
    return identify(Header(attributes), claim)


def test_the_dataset_counts_before_the_claim():
    said = {
        "SOPClassUID": "1.1",
        "SOPInstanceUID": "1.9",
        "StudyInstanceUID": "1.4",
        "SeriesInstanceUID": "1.5",
    }
    assert identity(**said) == Identity("1.1", "1.9", "1.4", "1.5")


def test_the_claim_fills_in_what_the_dataset_lacks():
    found = identity(StudyInstanceUID="1.4", SeriesInstanceUID="1.5")
    assert found == Identity(CT, "1.2.3", "1.4", "1.5")


def test_an_image_without_a_study_is_filed_by_itself_and_always_there():
    first, again, other = identity(), identity(), identity(SOPInstanceUID="1.2.4")
    assert first == again
    assert first.filed
    assert is_uid(first.study_instance_uid)
    assert is_uid(first.series_instance_uid)
    assert len({first.study_instance_uid, first.series_instance_uid, other.study_instance_uid}) == 3


def test_an_image_without_a_series_stays_in_its_study():
    found = identity(StudyInstanceUID="1.4")
    assert found.study_instance_uid == "1.4"
    assert (
        found.series_instance_uid == identity(StudyInstanceUID="1.4", SOPInstanceUID="9").series_instance_uid
    )


def test_objects_of_nobody_lie_together_by_class():
    one = identity(SOPClassUID=PALETTE, SOPInstanceUID="1.2.4")
    two = identity(SOPClassUID=PALETTE, SOPInstanceUID="1.2.5")
    assert one.study_instance_uid == two.study_instance_uid


def test_faults_are_named():
    assert find_fault(identity()) == ""
    assert find_fault(identity(SeriesInstanceUID="../x")) == "the Series Instance UID is not a UID"
    assert find_fault(identity(Claim("", "", ""))) == "no SOP Instance UID"
