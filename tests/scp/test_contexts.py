import pytest
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

from scp.contexts import NATIVE_SYNTAXES, STORAGE_SYNTAXES, Supported, grant_roles, service_of
from scu.wire.negotiate import Request

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PRIVATE = "1.3.12.2.1107.5.9.1"
WORKLIST = "1.2.840.10008.5.1.4.31"
NEWER_STORAGE = "1.2.840.10008.5.1.4.1.1.999"


def test_every_storage_class_is_taken_in_every_syntax_of_a_stored_dataset() -> None:
    supported = Supported(unknown_sop_classes=False)
    for context in AllStoragePresentationContexts:
        assert supported[str(context.abstract_syntax)] == STORAGE_SYNTAXES
    assert {uid for uid in ALL_TRANSFER_SYNTAXES if ".1.2.7." not in uid} == STORAGE_SYNTAXES


def test_services_are_spoken_in_native_syntaxes() -> None:
    assert Supported(unknown_sop_classes=False)[FIND] == NATIVE_SYNTAXES


@pytest.mark.parametrize(("uid", "taken"), [(PRIVATE, True), (NEWER_STORAGE, True), (WORKLIST, False)])
def test_unknown_classes_are_taken_only_when_configured(uid: str, taken: bool) -> None:
    assert Supported(unknown_sop_classes=False).get(uid) is None
    assert (Supported(unknown_sop_classes=True).get(uid) is not None) == taken


def test_a_context_carries_the_messages_of_its_service() -> None:
    assert service_of(FIND) == "C-FIND"
    assert service_of(CT) == service_of(PRIVATE) == "C-STORE"
    assert service_of("1.2.840.10008.1.1") == "C-ECHO"


def test_a_peer_may_receive_what_is_stored_and_nothing_else() -> None:
    request = Request("A", "B", (), roles={CT: (True, True), FIND: (True, True), PRIVATE: (False, True)})
    assert grant_roles(request, Supported(unknown_sop_classes=False)) == {
        CT: (True, True),
        FIND: (True, False),
    }
