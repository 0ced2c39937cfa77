from datetime import UTC, datetime

import pytest

from node.config import DicomSection
from scp.admission import APPLICATION_CONTEXT_UNKNOWN, CALLED_AE_UNKNOWN, check_called, rights_of
from scu.commitment import COMMITMENT
from scu.wire.negotiate import Proposal, Request
from storage.records.network import Peer


def peer(*, may_query: bool = True, may_store: bool = True) -> Peer:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return Peer("pacs", "PACS", "10.0.0.9", 104, moment, may_query=may_query, may_store=may_store)


def test_only_our_own_title_is_answered_unless_any_is() -> None:
    wrong = Request("A", "SOMEONE", ())
    assert check_called(wrong, DicomSection()) is CALLED_AE_UNKNOWN
    assert check_called(wrong, DicomSection(called_ae="any")) is None
    assert check_called(Request("A", "ISOCENTRE", ()), DicomSection()) is None


def test_another_application_context_is_refused() -> None:
    request = Request("A", "ISOCENTRE", (), application_context="1.2.3")
    assert check_called(request, DicomSection()) is APPLICATION_CONTEXT_UNKNOWN


@pytest.mark.parametrize("store", ["any", "known"])
@pytest.mark.parametrize("query", ["any", "known"])
def test_a_stranger_may_what_any_may(store: str, query: str) -> None:
    rights = rights_of(None, DicomSection(store_from=store, query_from=query))
    assert (rights.may_store, rights.may_query) == (store == "any", query == "any")


@pytest.mark.parametrize("may_store", [True, False])
@pytest.mark.parametrize("may_query", [True, False])
def test_a_peer_may_what_its_record_says(may_store: bool, may_query: bool) -> None:
    known = peer(may_query=may_query, may_store=may_store)
    rights = rights_of(known, DicomSection(store_from="any", query_from="any"))
    assert (rights.peer, rights.may_store, rights.may_query) == (known, may_store, may_query)


@pytest.mark.parametrize("known", [True, False])
def test_only_a_peer_that_may_nothing_may_still_report(known: bool) -> None:
    config = DicomSection(store_from="known", query_from="known")
    rights = rights_of(peer(may_query=False, may_store=False) if known else None, config)
    reports = Request("A", "ISOCENTRE", (Proposal(1, COMMITMENT, ("1.2.840.10008.1.2",)),))
    assert rights.any_for(reports) is known
    assert not rights.any_for(Request("A", "ISOCENTRE", ()))
    assert rights_of(peer(may_query=False), config).any_for(Request("A", "ISOCENTRE", ()))
