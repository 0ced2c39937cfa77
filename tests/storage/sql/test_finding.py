"""How the databases find what is asked for: by which index, seen in their own plans."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from storage.archive import Archive
from storage.records.attributes import Level
from storage.records.matching import parse
from storage.repos.query import QueryRepo
from storage.sql.finding import asked
from tests.support.index import SeriesRows, StudyRows, analyze, fill

EXACT = [  # level, keys, the index that must be used
    (Level.STUDY, {"StudyInstanceUID": "2.25.77"}, "study_instance_uid"),
    (Level.STUDY, {"PatientID": "P77"}, "patient_id"),
    (Level.STUDY, {"PatientID": "P77", "PatientSex": "M"}, "patient_id"),
    (Level.STUDY, {"AccessionNumber": "A77"}, "accession_number"),
    (Level.STUDY, {"AccessionNumber": "A77", "StudyDate": "20000101-"}, "accession_number"),
    (Level.STUDY, {"PatientName": "FAMILY77^GIVEN"}, "patient_name_alphabetic"),
    (Level.STUDY, {"PatientName": "FAMILY77^*"}, "patient_name_alphabetic"),
    (Level.STUDY, {"PatientID": "P77*"}, "patient_id"),
    (Level.STUDY, {"StudyDate": "20240101"}, "study_date_key"),
    (Level.STUDY, {"StudyDate": "20240101-20240102", "StudyTime": "10-12"}, "study_date_key"),
    (Level.STUDY, {"ModalitiesInStudy": "XA"}, "modality"),
    (Level.PATIENT, {"PatientID": "P77"}, "patient_id"),
    (Level.SERIES, {"SeriesInstanceUID": "2.25.77.1"}, "series_instance_uid"),
    (Level.SERIES, {"StudyInstanceUID": "2.25.77"}, "study_instance_uid"),
    (Level.SERIES, {"StudyInstanceUID": "2.25.77", "Modality": "CT"}, "study_instance_uid"),
    (Level.SERIES, {"StudyInstanceUID": "2.25.77", "SeriesInstanceUID": "2.25.77.1"}, "series_instance_uid"),
    (Level.IMAGE, {"SOPInstanceUID": "2.25.77.1.1"}, "sop_instance_uid"),
    (Level.IMAGE, {"StudyInstanceUID": "2.25.77", "SOPInstanceUID": "2.25.77.1.1"}, "sop_instance_uid"),
    (Level.IMAGE, {"SeriesInstanceUID": "2.25.77.1"}, "series_instance_uid"),
    (Level.IMAGE, {"SeriesInstanceUID": "2.25.77.1", "InstanceNumber": "1"}, "series_row"),
    (Level.IMAGE, {"PatientID": "P77"}, "patient_id"),
]
WANTED = ["PatientName", "StudyDate", "StudyInstanceUID"]


BROAD = [  # level, keys, what must be gone through first, on SQLite
    (Level.PATIENT, {}, "SCAN study USING INDEX ix_study_patient_id"),
    (Level.STUDY, {}, "SCAN study"),
    (Level.SERIES, {}, "SCAN study"),
    (Level.IMAGE, {}, "SCAN study"),
    (Level.IMAGE, {"StudyDate": "20240101-"}, "SEARCH study USING INDEX ix_study_study_date_key"),
    (Level.IMAGE, {"StudyDate": "20240101-", "Modality": "CT"}, "SEARCH study USING INDEX"),
    (Level.IMAGE, {"PatientName": "*Y7*"}, "SCAN study"),
    (Level.IMAGE, {"Modality": "CT"}, "SEARCH series USING INDEX ix_series_modality"),
    (Level.STUDY, {"ModalitiesInStudy": "CT"}, "SEARCH series_1 USING INDEX ix_series_modality"),
    (Level.IMAGE, {"InstanceNumber": "1"}, "SCAN instance"),
]


def studies(count: int, instances: int) -> Iterator[StudyRows]:
    for number in range(count):
        uid = f"2.25.{number}"
        images = [
            {"SOPInstanceUID": f"{uid}.1.{each}", "InstanceNumber": str(each), "SOPClassUID": "1.2"}
            for each in range(1, instances + 1)
        ]
        modality = "XA" if number % 1000 == 77 else "CT" if number % 2 else "MR"
        attributes = {
            "StudyInstanceUID": uid,
            "PatientID": f"P{number}",
            "PatientName": f"FAMILY{number}^GIVEN",
            "PatientSex": "M" if number % 2 else "F",
            "AccessionNumber": f"A{number}",
            "StudyDate": f"20{number % 25:02}{number % 12 + 1:02}{number % 28 + 1:02}",
            "StudyTime": f"{number % 24:02}1500",
        }
        yield StudyRows(
            attributes, [SeriesRows({"SeriesInstanceUID": f"{uid}.1", "Modality": modality}, images)]
        )


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive with 3,000 studies."""
    yield from _filled(request, tmp_path_factory, 3000, 2)


def _filled(request: Any, folders: pytest.TempPathFactory, count: int, instances: int) -> Iterator[Archive]:
    on_postgresql = request.param == "postgresql"
    server = request.getfixturevalue("postgres_server") if on_postgresql else None
    url = server.create() if server else f"sqlite:///{folders.mktemp('finding') / 'index.db'}"
    archive = Archive.open(url)
    archive.upgrade()
    fill(archive, studies(count, instances))
    if on_postgresql:
        analyze(archive)
    yield archive
    archive.close()
    if server:
        server.drop(url)


def plan(archive: Archive, level: Level, keys: dict[str, str]) -> str:
    """Return what the database says it will do."""
    wanted = WANTED[: 1 if level is Level.PATIENT else 3]
    sql, values = asked(archive.kind, level, parse(keys), wanted, 100)
    with archive.read() as tx:
        if archive.kind == "sqlite":
            rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            return "\n".join(str(row[3]) for row in rows)
        return json.dumps(tx.connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", values).scalar_one())


def scans(archive: Archive, told: str) -> list[str]:
    """Return the tables that are read from end to end."""
    if archive.kind == "sqlite":
        return re.findall(r"^SCAN (study|series|instance)\b", told, re.MULTILINE)
    return re.findall(r'"Seq Scan"[^{}]*"Relation Name": "(study|series|instance)"', told)


@pytest.mark.parametrize(("level", "keys", "index"), EXACT)
def test_an_index_leads(filled: Archive, level: Level, keys: dict[str, str], index: str) -> None:
    told = plan(filled, level, keys)
    assert index in told
    assert not scans(filled, told), told


@pytest.mark.parametrize(("level", "keys", "first"), BROAD)
def test_a_broad_query_begins_at_once(
    filled: Archive, level: Level, keys: dict[str, str], first: str
) -> None:
    told = plan(filled, level, keys)
    if filled.kind == "sqlite":
        assert told.startswith(first), told
        assert "LIST SUBQUERY" not in told, "all are collected before the first is answered"
        assert "TEMP B-TREE" not in told
    with filled.read() as tx:
        found = [
            answer for some in tx.query.find(level, parse(keys), ["StudyInstanceUID"]) for answer in some
        ]
    expected = 6000 if level is Level.IMAGE else 3000
    assert len(found) == (expected if not keys else len(found)) > 0


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES, Level.IMAGE])
@pytest.mark.parametrize("modalities", ["XA", "XA\\CT", "X?", "XA\\C*"])
def test_a_study_of_several_series_of_a_modality_is_found_once(
    archive: Archive, level: Level, modalities: str
) -> None:
    series = [
        SeriesRows({"SeriesInstanceUID": f"1.{n}", "Modality": each}, [{"SOPInstanceUID": f"1.{n}.1"}])
        for n, each in enumerate(("MR", "XA", "XA", "CT"))
    ]
    fill(archive, [StudyRows({"StudyInstanceUID": "1"}, series), StudyRows({"StudyInstanceUID": "2"}, [])])
    with archive.read() as tx:
        (found,) = tx.query.find(level, parse({"ModalitiesInStudy": modalities}), ["StudyInstanceUID"])
    assert [list(answer) for answer in found] == [["1"]] * (1 if level is Level.STUDY else 4)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("filled_soak", ["sqlite", "postgresql"], indirect=True)
def test_a_million_instances_answer_an_exact_key_by_index(filled_soak: Archive) -> None:
    for level, keys, index in EXACT:
        told = plan(filled_soak, level, keys)
        assert index in told, (level, keys, told)
        assert not scans(filled_soak, told), (level, keys, told)
        with filled_soak.read() as tx:
            assert list(QueryRepo(tx.connection).find(level, parse(keys), WANTED, 5000)) or "Modality" in keys


@pytest.fixture(scope="module")
def filled_soak(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Archive]:
    """An archive with a million instances."""
    yield from _filled(request, tmp_path_factory, 20_000, 50)


def test_text_only_queries_end_soon_whatever_the_pattern(filled: Archive) -> None:
    pattern = "*" + "a*" * 200 + "b"
    with filled.read() as tx:
        condition = parse({"StudyDescription": pattern})
        assert list(QueryRepo(tx.connection).find(Level.STUDY, condition, WANTED)) == []
        tx.connection.execute(text("SELECT 1"))
