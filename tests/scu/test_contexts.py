"""What is proposed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scu.address import Address
from scu.contexts import (
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    UNCOMPRESSED,
    for_query,
    for_retrieving,
    for_sending,
    not_accepted,
    number,
)
from scu.wire.channel import Context
from scu.wire.negotiate import Answer, Request

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
JPEG, J2K = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"
GET = "1.2.840.10008.5.1.4.1.2.2.3"


def test_identifiers_are_odd_and_at_most_128() -> None:
    numbered = number([(CT, UNCOMPRESSED)] * 128)
    assert [proposal.context_id for proposal in numbered] == list(range(1, 256, 2))
    for count in (0, 129):
        with pytest.raises(ValueError, match="1 to 128"):
            number([(CT, UNCOMPRESSED)] * count)


def test_each_syntax_has_a_context_of_its_own() -> None:
    assert list(for_sending([(CT, JPEG), (CT, JPEG), (CT, EXPLICIT_LITTLE_ENDIAN)])) == [
        [(CT, (JPEG,)), (CT, (EXPLICIT_LITTLE_ENDIAN,)), (CT, (IMPLICIT_LITTLE_ENDIAN,))]
    ]


def test_nothing_to_send_needs_no_association() -> None:
    assert list(for_sending([])) == []


@given(
    st.lists(
        st.tuples(st.integers(1, 90).map(lambda n: f"1.2.{n}"), st.sampled_from([JPEG, J2K, *UNCOMPRESSED])),
        max_size=300,
    )
)
def test_everything_to_send_is_proposed_once(kinds: list[tuple[str, str]]) -> None:
    batches = list(for_sending(kinds))
    proposed = [(sop_class, syntax) for batch in batches for sop_class, (syntax,) in batch]
    assert len(proposed) == len(set(proposed))
    fallbacks = {(sop_class, syntax) for sop_class, _ in kinds for syntax in UNCOMPRESSED}
    assert set(proposed) == set(kinds) | fallbacks
    for batch in batches:
        number(batch)
    for sop_class in {sop_class for sop_class, _ in kinds}:
        assert sum(sop_class in {one for one, _ in batch} for batch in batches) == 1


def test_retrieving_proposes_every_class_uncompressed_first() -> None:
    proposals = for_retrieving(GET, [CT, MR])
    assert proposals[:3] == [(GET, UNCOMPRESSED), (CT, UNCOMPRESSED), (MR, UNCOMPRESSED)]
    assert proposals[3:5] == [(CT, (JPEG,)), (MR, (JPEG,))]


def test_retrieving_fits_into_one_association() -> None:
    for count in (1, 40, 127, 200):
        proposals = for_retrieving(GET, [f"1.2.{n}" for n in range(count)])
        number(proposals)
        assert {f"1.2.{n}" for n in range(min(count, 127))} <= {sop_class for sop_class, _ in proposals}


def _refused(*sop_classes: str, asked: list[str] | None = None) -> str:
    request = Request("ME", "PACS", number([(uid, (JPEG,)) for uid in sop_classes]))
    refused = {1: 3, 3: 4, 5: 1}
    answer = Answer({99: Context(99, CT, JPEG)}, {**dict.fromkeys(range(1, 256, 2), 2), **refused})
    return str(not_accepted(Address("PACS", "host", 104), request, answer, asked))


def test_a_refusal_names_classes_and_syntaxes() -> None:
    words = _refused(CT, MR)
    assert "CT Image Storage in JPEG Lossless" in words
    assert "the SOP class is not supported there" in words
    assert "MR Image Storage" in words
    assert "none of the transfer syntaxes is supported there" in words


def test_a_refusal_names_only_what_was_asked_for() -> None:
    words = _refused(CT, MR, asked=[MR, "1.2.3"])
    assert "CT" not in words
    assert "MR Image Storage" in words
    assert "1.2.3: was not proposed" in words


def test_a_long_refusal_is_cut() -> None:
    assert "and 15 more" in _refused(*[f"1.2.{n}" for n in range(20)])


def test_queries_are_proposed_uncompressed() -> None:
    assert for_query(GET) == [(GET, UNCOMPRESSED)]
