import pytest

from rules.deid.codes import CODES, Action, action_for, vr_of
from rules.deid.table import ACTIONS, GROUPS


@pytest.mark.parametrize("code", sorted(set(ACTIONS.values())))
def test_every_code_of_the_table_is_known(code: str):
    assert code in CODES


@pytest.mark.parametrize(
    ("tag", "action"),
    [
        (0x00100010, Action.EMPTY),  # PatientName
        (0x00080020, Action.EMPTY),  # StudyDate
        (0x00080018, Action.UID),  # SOPInstanceUID
        (0x006A0003, Action.UID),  # AnnotationGroupUID: D, and a UID
        (0x00080021, Action.DUMMY),  # SeriesDate: X/D
        (0x00080022, Action.EMPTY),  # AcquisitionDate: X/Z
        (0x00081140, Action.WALK),  # ReferencedImageSequence: X/Z/U*
        (0x00104000, Action.REMOVE),  # PatientComments
        (0x00280010, None),  # Rows
        (0x7FE00010, None),  # PixelData
        (0x00290010, Action.REMOVE),  # private
        (0x50020103, Action.REMOVE),  # of a curve
        (0x60040010, Action.REMOVE),  # of an overlay
        (0x00180000, Action.REMOVE),  # group length
        (0x00020010, Action.REMOVE),  # no part of a dataset
        (0x00020003, Action.REMOVE),
        (0xFFFCFFFC, Action.REMOVE),  # padding
        (0x00189FFE, Action.REMOVE),  # of a later edition, or of none
    ],
)
def test_what_is_done(tag: int, action: Action | None):
    assert action_for(tag) is action


def test_everything_in_repeating_groups_goes():
    for tag, mask, code in GROUPS:
        assert code == "X"
        assert action_for(tag | 0x00020010 & ~mask) is Action.REMOVE


def test_vr():
    assert (vr_of(0x00100010), vr_of(0x7FE00010), vr_of(0x00189FFE)) == ("PN", "OB", "")
