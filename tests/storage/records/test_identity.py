import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.records.identity import Identity, identity

PARTS = st.tuples(
    st.sampled_from(["", "P1", "P2", " P1 "]),
    st.sampled_from(["", "HOSPITAL", "CLINIC"]),
    st.sampled_from(["", "Doe^Jane", "DOE^JANE^^", "Roe^Jane", "Yamada^Tarou=山田^太郎", "=山田^太郎"]),
)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("P1", "", "Doe^Jane"), ("P1", "", "Smith^Jane"), True),  # married, or spelled in another way
        (("P1", "", "Doe^Jane"), (" P1 ", "", "Doe^Jane"), True),  # LO: blanks around mean nothing
        (("P1", "", "Doe^Jane"), ("P2", "", "Doe^Jane"), False),
        (("P1", "", "Doe^Jane"), ("p1", "", "Doe^Jane"), False),
        (("P1", "", "Doe^Jane"), ("", "", "Doe^Jane"), False),
        (("P1", "A", ""), ("P1", "A", ""), True),
        (("P1", "A", ""), ("P1", "B", ""), False),
        (("P1", "A", ""), ("P1", "", ""), True),
        (("", "", "Doe^Jane"), ("", "", "DOE^JANE^^"), True),
        (("", "", "Doe^Jane"), ("", "", "Doe^John"), False),
        (("", "", "Doe^Jane"), ("", "", ""), False),
        (("", "", ""), ("", "", ""), True),
        (("", "A", "Doe^Jane"), ("", "B", "Doe^Jane"), True),  # an issuer of no ID says nothing
        (("", "", "Yamada^Tarou=山田^太郎"), ("", "", "Yamada^Tarou"), True),
        (("", "", "Yamada^Tarou=山田^太郎"), ("", "", "Yamada^Tarou=山下^太郎"), False),
        (("", "", "Yamada^Tarou"), ("", "", "=山田^太郎"), False),
    ],
)
def test_who_is_the_same(one: tuple[str, str, str], other: tuple[str, str, str], same: bool) -> None:
    assert identity(*one).agrees(identity(*other)) is same


@given(PARTS, PARTS)
def test_agreeing_is_mutual(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert identity(*one).agrees(identity(*one))
    assert identity(*one).agrees(identity(*other)) == identity(*other).agrees(identity(*one))


@given(st.text(), st.text(), st.text())
def test_any_text_is_an_identity(patient_id: str, issuer: str, name: str) -> None:
    assert isinstance(identity(patient_id, issuer, name), Identity)
