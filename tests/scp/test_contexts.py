import pytest
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

from scp.contexts import (
    NATIVE_SYNTAXES,
    STORAGE_SYNTAXES,
    WINDOW_MAX,
    Supported,
    arrange,
    grant_roles,
    grant_window,
    service_of,
)
from scu.wire.channel import Context
from scu.wire.negotiate import Proposal, Request, choose

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
    assert service_of("1.2.840.10008.1.20.1") == "N-EVENT-REPORT"


def test_who_commits_reports_and_asks_nothing() -> None:
    commitment = "1.2.840.10008.1.20.1"
    supported = Supported(unknown_sop_classes=False)
    assert supported[commitment] == {IMPLICIT, EXPLICIT}
    request = Request("A", "B", (), roles={commitment: (True, True)})
    assert grant_roles(request, supported) == {commitment: (False, True)}


def test_a_peer_may_receive_what_is_stored_and_nothing_else() -> None:
    request = Request("A", "B", (), roles={CT: (True, True), FIND: (True, True), PRIVATE: (False, True)})
    assert grant_roles(request, Supported(unknown_sop_classes=False)) == {
        CT: (True, True),
        FIND: (True, False),
    }


IMPLICIT, EXPLICIT, JPEG, RLE, MPEG4 = (
    f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".4.70", ".5", ".4.102")
)
VIDEO = "1.2.840.10008.5.1.4.1.1.77.1.1.1"


@pytest.mark.parametrize(
    ("sop_class", "roles", "offered", "accepted"),
    [
        (CT, (False, True), [JPEG, EXPLICIT, IMPLICIT], EXPLICIT),
        (CT, (False, True), [JPEG, IMPLICIT, EXPLICIT], IMPLICIT),
        (CT, (False, True), [JPEG, RLE], JPEG),
        (CT, (False, True), [IMPLICIT, EXPLICIT], IMPLICIT),
        (VIDEO, (False, True), [MPEG4, EXPLICIT], MPEG4),
        (CT, (True, True), [JPEG, EXPLICIT], JPEG),
        (CT, None, [JPEG, EXPLICIT], JPEG),
    ],
)
def test_a_context_in_which_only_we_send_fits_all_that_may_be_asked_for(
    sop_class: str, roles: tuple[bool, bool] | None, offered: list[str], accepted: str
) -> None:
    roles_proposed = {sop_class: roles} if roles else {}
    request = Request("A", "B", (Proposal(1, sop_class, tuple(offered)),), roles=roles_proposed)
    contexts, _ = choose(arrange(request), Supported(unknown_sop_classes=False))
    assert contexts[1].transfer_syntax == accepted


@pytest.mark.parametrize(
    ("asked", "classes", "granted"),
    [
        (None, ["1.2.840.10008.5.1.4.1.1.2"], None),
        ((3, 2), ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"], (3, 2)),
        ((0, 0), ["1.2.840.10008.5.1.4.1.1.2"], (WINDOW_MAX, WINDOW_MAX)),
        ((1000, 1), [], (WINDOW_MAX, 1)),
        ((8, 8), ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.2.2.3"], (1, 8)),
    ],
)
def test_several_operations_are_granted_where_they_are_served_in_order(
    asked: tuple[int, int] | None, classes: list[str], granted: tuple[int, int] | None
) -> None:
    accepted = [Context(2 * n + 1, uid, "1.2.840.10008.1.2") for n, uid in enumerate(classes)]
    assert grant_window(Request("A", "B", (), window=asked), accepted) == granted
