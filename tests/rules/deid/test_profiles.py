from rules.deid.profiles import BASIC, PROFILES, mark
from tests.support.samples import ct


def test_basic_is_the_only_one_and_has_its_code():
    assert PROFILES == {"basic": BASIC}
    assert BASIC.code == "113100"


def test_marks_fit_their_vr():
    dataset = ct()
    mark(dataset, BASIC)
    assert all(len(text) <= 64 for text in dataset.DeidentificationMethod)
    assert len(dataset.DeidentificationMethodCodeSequence[0].CodeMeaning) <= 64
