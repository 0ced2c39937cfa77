import pytest

from node.intake.header import Header
from node.intake.identity import identify
from node.intake.judgement import judge
from node.intake.outcome import REASON_MAX, Claim, Refusal

GOOD = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "SOPInstanceUID": "1.2.3",
    "StudyInstanceUID": "1.2.4",
    "SeriesInstanceUID": "1.2.5",
}
CLAIM = Claim(GOOD["SOPClassUID"], "1.2.3", "1.2.840.10008.1.2.1")


def judged(claim: Claim = CLAIM, problem: str = "", **changed: str) -> Refusal | None:
    header = Header({**GOOD, **changed})
    verdict = judge(header, problem, claim, identify(header, claim))
    if verdict is None:
        return None
    assert 0 < len(verdict[1]) <= REASON_MAX
    assert verdict[1].isascii()
    return verdict[0]


def test_what_is_named_and_as_announced_is_taken():
    assert judged() is None
    assert judged(Claim("", "", "1.2")) is None


def test_the_class_may_be_known_from_the_command_alone():
    assert judged(SOPClassUID="") is None
    assert judged(Claim("", "", "1.2"), SOPClassUID="") is Refusal.CANNOT_UNDERSTAND


def test_a_problem_comes_first():
    assert judged(problem="cut off") is Refusal.CANNOT_UNDERSTAND


@pytest.mark.parametrize(
    "keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"]
)
@pytest.mark.parametrize("value", ["../../x", "1.2\0.3", "1." + "2" * 64, "/etc/passwd", "1.2\\1.3"])
def test_uids_that_are_none(keyword, value):
    assert judged(**{keyword: value}) is Refusal.CANNOT_UNDERSTAND


def test_an_instance_needs_a_name_from_somewhere():
    assert judged(Claim("", "", "1.2"), SOPInstanceUID="") is Refusal.CANNOT_UNDERSTAND
    assert judged(SOPInstanceUID="") is None


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_study_and_series_may_lack(keyword):
    assert judged(**{keyword: ""}) is None


def test_another_instance_or_class_than_was_announced():
    assert judged(SOPInstanceUID="1.2.9") is Refusal.MISMATCH
    assert judged(SOPClassUID="1.2.840.10008.5.1.4.1.1.4") is Refusal.MISMATCH
    assert judged(Claim(CLAIM.sop_class_uid, "../../x", "1.2")) is Refusal.MISMATCH


def test_what_is_only_a_hint_need_not_agree():
    assert judged(Claim("1.2.9", "1.2.9", "1.2", binding=False)) is None
