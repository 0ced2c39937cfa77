"""What a node takes, as one association finds out."""

from scu.address import Address
from scu.association import Association
from scu.contexts import VERIFICATION
from scu.survey import STORAGE_COMMITMENT, Group, Service, proposals, services
from scu.wire.negotiate import CONTEXTS_MAX
from tests.support.faulty import faulty

CT = "1.2.840.10008.5.1.4.1.1.2"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.70"


def survey(accepts: dict[str, frozenset[str]]) -> dict[str, Service]:
    with faulty(accepts=accepts) as peer:
        address = Address("PACS", "127.0.0.1", peer.port)
        with Association.open(address, "US", proposals()) as association:
            return {each.sop_class_uid: each for each in services(association.request, association.answer)}


def test_it_fits_into_one_association():
    assert len(proposals()) <= CONTEXTS_MAX
    assert len(set(proposals())) == len(proposals())


def test_each_syntax_of_an_image_is_asked_for():
    found = survey({CT: frozenset((EXPLICIT, JPEG)), VERIFICATION: frozenset((EXPLICIT,))})
    assert found[CT] == Service(Group.STORAGE, "CT", CT, ("Explicit", "JPEG lossless"))
    assert found[VERIFICATION].syntaxes == ("Explicit",)
    assert found[PDF].syntaxes == found[STORAGE_COMMITMENT].syntaxes == ()


def test_every_group_is_asked_for():
    found = survey({STORAGE_COMMITMENT: frozenset((EXPLICIT,))})
    assert {each.group for each in found.values()} == set(Group)
    assert [each.name for each in found.values() if each.syntaxes] == ["push model"]


def test_what_was_not_proposed_is_not_told():
    with faulty() as peer:
        address = Address("PACS", "127.0.0.1", peer.port)
        with Association.open(address, "US", [(CT, (EXPLICIT,))]) as association:
            (found,) = services(association.request, association.answer)
    assert (found.name, found.syntaxes) == ("CT", ("Explicit",))
