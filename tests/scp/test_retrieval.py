"""Retrievals that do not begin: the same for C-MOVE and C-GET."""

import pytest

from scp.statuses import Status
from storage.errors import Unavailable
from tests.support.caller import call, echo, request
from tests.support.node import Running
from tests.support.retrieving import PATIENT_GET, STUDY_GET, STUDY_MOVE, Counts, ask, identifier

ALL = [(uid, ("1.2.840.10008.1.2",)) for uid in (STUDY_GET, STUDY_MOVE, PATIENT_GET, "1.2.840.10008.1.1")]


def refused(running: Running, model: str, keys: bytes) -> Counts:
    with call(running.port, request(ALL)) as channel:
        end = ask(channel, model, keys, destination="CALLER" if model == STUDY_MOVE else "").end
        assert echo(channel) == 0  # the association lives
    assert end.numbers == (None, 0, 0, 0)
    assert end.failed_uids == []
    return end


@pytest.fixture
def known(running_node: Running) -> Running:
    running_node.node.peers.add("caller", ae_title="CALLER", host="127.0.0.1", port=9)
    return running_node


def test_identifiers_that_do_not_match_the_sop_class(known: Running) -> None:
    for model in (STUDY_MOVE, STUDY_GET):
        end = refused(known, model, identifier(StudyInstanceUID="1.2.3"))
        assert (end.status, end.tags) == (Status.IDENTIFIER_MISMATCH, b"\x08\x00\x52\x00")
        end = refused(known, model, identifier("STUDY", PatientID="P1"))
        assert (end.status, end.tags) == (Status.IDENTIFIER_MISMATCH, b"\x20\x00\x0d\x00")
        assert end.comment == "StudyInstanceUID is missing"
        end = refused(known, model, identifier("PATIENT", PatientID="P1"))
        assert (end.status, end.tags) == (Status.IDENTIFIER_MISMATCH, b"\x08\x00\x52\x00")
        assert refused(known, model, b"junk").status == Status.IDENTIFIER_MISMATCH
    assert refused(known, PATIENT_GET, identifier("PATIENT")).status == Status.IDENTIFIER_MISMATCH


def test_who_may_not_query_may_not_retrieve(start_node: object) -> None:
    running = start_node(dicom={"query_from": "known", "store_from": "any"})  # type: ignore[operator]
    for model in (STUDY_MOVE, STUDY_GET):
        assert refused(running, model, identifier("STUDY", StudyInstanceUID="1.2.3")).status == 0x0124


def test_an_archive_that_does_not_answer(known: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("database")

    monkeypatch.setattr(known.node.retrieve, "matching", unavailable)
    for model in (STUDY_MOVE, STUDY_GET):
        end = refused(known, model, identifier("STUDY", StudyInstanceUID="1.2.3"))
        assert (end.status, end.comment) == (0xA701, "the archive does not answer")


def test_nothing_found_is_a_success(known: Running) -> None:
    for model in (STUDY_MOVE, STUDY_GET):
        assert refused(known, model, identifier("STUDY", StudyInstanceUID="1.2.3")).status == Status.SUCCESS
