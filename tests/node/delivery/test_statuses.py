import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config.sections import DeliverySection
from node.delivery.loading import Unfit
from node.delivery.statuses import Whose, is_unknown_ae, judge, matches
from scu import rejections
from scu.address import Address
from scu.errors import CannotConnect, NotAccepted, PeerFault, Rejected, ScuError, TimedOut
from scu.store import StoreResult
from scu.transcode import CannotTranscode
from scu.wire.negotiate import AssociationRejected
from storage.errors import Damaged, NotFound, Unavailable

DEFAULT = DeliverySection().permanent
ADDRESS = Address("PACS", "10.0.0.1", 104)


@pytest.mark.parametrize(
    ("status", "taken", "permanent"),
    [
        (0x0000, True, False),
        (0xB000, True, False),
        (0xB007, True, False),
        (0x0107, True, False),
        (0xA700, False, False),
        (0xA7FF, False, False),
        (0x0110, False, False),
        (0x0213, False, False),
        (0xA900, False, True),
        (0xA9FE, False, True),
        (0xC000, False, True),
        (0xCFFF, False, True),
        (0x0117, False, True),
        (0x0122, False, True),
        (0x1234, False, False),
    ],
)
def test_answers(status: int, taken: bool, permanent: bool) -> None:
    verdict = judge(StoreResult(status), DEFAULT)
    assert (verdict.whose, verdict.status) == (Whose.ITEM, status)
    assert (verdict.taken, verdict.permanent) == (taken, permanent)
    assert (f"(0x{status:04X})" in verdict.words) == (status != 0)


def test_the_comment_is_told() -> None:
    assert judge(StoreResult(0xA700, "disk full"), ()).words == "out of resources (0xA700): disk full"
    assert judge(StoreResult(0x0000, "thanks"), ()).words == "thanks"


def test_what_is_permanent_is_configured() -> None:
    assert judge(StoreResult(0xA700), ["a7XX"]).permanent
    assert not judge(StoreResult(0xA900), ["A7xx"]).permanent
    assert not judge(StoreResult(0x0000), ["xxxx"]).permanent  # it took it, whatever the pattern says


@given(st.integers(0, 0xFFFF), st.text("0123456789abcdefABCDEFxX", min_size=4, max_size=4))
def test_a_pattern_matches_digit_by_digit(status: int, pattern: str) -> None:
    spelled = f"{status:04X}"
    expected = all(p in "xX" or p.upper() == s for p, s in zip(pattern, spelled, strict=True))
    assert matches(status, pattern) == expected


@given(st.text(max_size=6))
def test_what_is_no_pattern_matches_nothing_by_accident(pattern: str) -> None:
    if len(pattern) != 4:
        assert not matches(0xA900, pattern)


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (Damaged("it is damaged"), True),
        (NotFound("it is gone"), True),
        (CannotTranscode("it is broken"), True),
        (Unavailable("the store does not answer"), False),
        (Unfit("no syntax"), True),
        (Unfit("MemoryError", permanent=False), False),
    ],
)
def test_what_went_wrong_here_concerns_the_instance(error: Unfit | Damaged, permanent: bool) -> None:
    verdict = judge(error, DEFAULT)
    assert (verdict.whose, verdict.permanent, verdict.words) == (Whose.ITEM, permanent, str(error))
    assert (verdict.taken, verdict.status) == (False, None)


@pytest.mark.parametrize("kind", [CannotConnect, PeerFault, TimedOut, Rejected])
@pytest.mark.parametrize("retry", [True, False])
def test_what_went_wrong_between_us_concerns_the_destination(kind: type[ScuError], retry: bool) -> None:
    verdict = judge(kind("it aborted", retry=retry, advice="Look into its log."), DEFAULT)
    assert (verdict.whose, verdict.permanent) == (Whose.DESTINATION, False)
    assert verdict.words == "it aborted. Look into its log."


def test_what_is_not_accepted_concerns_the_instance_and_is_hopeless() -> None:
    verdict = judge(NotAccepted("MR Image Storage is not supported", retry=False), DEFAULT)
    assert (verdict.whose, verdict.permanent) == (Whose.ITEM, True)


@pytest.mark.parametrize(
    ("rejection", "unknown"),
    [((1, 1, 3), True), ((1, 1, 7), True), ((2, 1, 3), False), ((1, 1, 1), False), ((1, 3, 1), False)],
)
def test_an_unknown_ae_title_is_told_from_other_rejections(
    rejection: tuple[int, int, int], unknown: bool
) -> None:
    cause = AssociationRejected(*rejection)
    error = rejections.explain(cause, ADDRESS, "US")
    error.__cause__ = cause
    assert is_unknown_ae(error) is unknown
    assert judge(error, DEFAULT).permanent is unknown
