from hypothesis import given
from hypothesis import strategies as st

from rules.deid.pseudonyms import pseudonym

KEY = bytes(32)


@given(st.text(), st.text())
def test_always_a_patient_id_or_nothing(patient_id: str, issuer: str):
    given_ = pseudonym(KEY, patient_id, issuer)
    assert given_ == pseudonym(KEY, patient_id, issuer)
    assert bool(given_) is bool(patient_id.strip(" \0"))
    assert len(given_) <= 64


def test_of_one_patient_it_is_the_same():
    assert pseudonym(KEY, "P1") == pseudonym(KEY, "P1 ") == pseudonym(KEY, "P1", " ")


def test_of_others_it_is_another():
    others = [("P1", ""), ("P2", ""), ("P1", "A"), ("P1", "B")]
    assert len({pseudonym(KEY, *each) for each in others} | {pseudonym(b"\1" * 32, "P1")}) == 5
