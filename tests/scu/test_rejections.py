"""Rejections in words."""

import pytest

from scu.address import Address
from scu.rejections import explain
from scu.wire.negotiate import AssociationRejected

PACS = Address("PACS", "pacs.example", 104)


@pytest.mark.parametrize(
    ("rejection", "words", "retry"),
    [
        ((1, 1, 7), "called AE title PACS is not recognized (for good)", False),
        ((1, 1, 3), "calling AE title ISOCENTRE is not recognized (for good)", False),
        ((1, 1, 1), "it gave no reason", False),
        ((2, 1, 1), "it gave no reason (for now)", True),
        ((1, 1, 2), "application context", False),
        ((1, 2, 2), "version of the protocol", False),
        ((2, 3, 1), "congested for a time (for now)", True),
        ((1, 3, 2), "as many associations as it allows (for now)", True),
        ((1, 9, 9), "the Standard does not know (9, 9)", False),
    ],
)
def test_reasons(rejection: tuple[int, int, int], words: str, retry: bool) -> None:
    error = explain(AssociationRejected(*rejection), PACS, "ISOCENTRE")
    assert str(error).startswith("PACS at pacs.example:104 rejected the association: ")
    assert words in str(error)
    assert error.retry is retry


def test_advice_names_the_title_to_add() -> None:
    error = explain(AssociationRejected(1, 1, 3), PACS, "ISOCENTRE")
    assert error.advice == "Have ISOCENTRE and the address of this node added there."
