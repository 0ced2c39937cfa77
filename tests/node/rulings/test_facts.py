from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.intake.wants import NOTHING
from node.rulings.facts import further, last_tag, of_arrival, of_instance, of_series, of_study
from rules.actions import Route
from rules.decisions import decide
from rules.facts import Facts, needs
from rules.ruleset import Rule, RuleSet
from rules.symbols import FIXED, On
from rules.unknown import Unknown
from storage.archive import Archive
from storage.blobs.filesystem import FilesystemStore
from storage.blobs.memory import MemoryReader, MemoryStore
from storage.blobs.protocol import BlobStore
from storage.errors import Unavailable
from storage.records.arrival import Origin, Way
from storage.records.subjects import SeriesSubject, StudySubject, Subject
from tests.support.arrivals import CT, EXPLICIT, NOW, arrival, place, put
from tests.support.datasets import mutated
from tests.support.samples import BIG_ENDIAN, DEFLATED, IMPLICIT, ct, encode

CT1 = Origin(Way.DIMSE, "CT1", "ISOCENTRE", "10.0.0.7", path=("OLD", "basic"))
DERIVED = {"sop_class.name", "transfer_syntax.name"}
OF_CLOCK = {"time.hour", "time.minute", "time.weekday"}
OF_SETTLED = {name for name, symbol in FIXED.items() if On.INSTANCE not in symbol.on}


def nothing_further(subject: Subject) -> Mapping[str, object]:
    return {}


class Stored:
    """A study in an archive, as settling reads it."""

    def __init__(self, archive: Archive, uid: str = "1.2.1") -> None:
        with archive.read() as tx:
            study = tx.subjects.study_by_uid(uid)
            assert study is not None
            self.study: StudySubject = study
            self.series: list[SeriesSubject] = tx.subjects.series_of(study.row)
            self.instances = list(tx.subjects.of_study(study.row))

    def of_study(self, **settings: object) -> Facts:
        return of_study(self.study, self.instances, (), nothing_further, **{"complete": True, **settings})

    def of_series(self, number: int = 0, further_of=nothing_further, labels=(), complete=True) -> Facts:
        one = self.series[number]
        within = [each for each in self.instances if each.place.series_row == one.row]
        return of_series(one, self.study, within, labels, further_of, complete=complete)


# One instance


def test_an_arrival() -> None:
    came = replace(arrival(AccessionNumber=""), origin=CT1, further={"SliceThickness": "1.25"})
    assert of_arrival(came, ("thin",)).values == {
        **came.attributes,
        "AccessionNumber": "",
        "SliceThickness": "1.25",
        "SOPClassUID": CT,
        "SOPInstanceUID": "1.2.1.1.1",
        "StudyInstanceUID": "1.2.1",
        "SeriesInstanceUID": "1.2.1.1",
        "origin.way": "dimse",
        "origin.calling_ae": "CT1",
        "origin.called_ae": "ISOCENTRE",
        "origin.address": "10.0.0.7",
        "origin.path": ["OLD", "basic", "CT1"],
        "sop_class.uid": CT,
        "transfer_syntax.uid": EXPLICIT,
        "labels": ["thin"],
    }


def test_what_a_person_uploads_has_no_sender() -> None:
    facts = of_arrival(replace(arrival(), origin=Origin(Way.UPLOAD, user="anna")))
    assert (facts.get("origin.way"), facts.get("origin.user")) == ("upload", "anna")
    assert facts.get("origin.path") == []
    assert not {"origin.calling_ae", "origin.called_ae", "origin.address"} & facts.values.keys()


def test_an_instance_is_what_it_was_when_it_came(archive: Archive) -> None:
    came = replace(arrival(), origin=CT1, further={"SliceThickness": "1.25"})
    put(archive, came)
    with archive.read() as tx:
        stored = tx.subjects.by_uid(came.sop_instance_uid)
    assert stored is not None
    assert of_instance(stored, ["a"], came.further).values == of_arrival(came, ["a"]).values


def test_every_fact_of_an_instance() -> None:
    origin = Origin(Way.DIMSE, "A", "B", "10.0.0.1", "anna", ("C",))
    facts = of_arrival(replace(arrival(), origin=origin))
    assert facts.values.keys() & FIXED.keys() == FIXED.keys() - DERIVED - OF_CLOCK - OF_SETTLED
    assert facts.get("sop_class.name") == "CT Image Storage"


# Series and studies


def test_a_series(archive: Archive) -> None:
    put(archive, *(arrival(1, 1, n, ImageType="ORIGINAL") for n in (1, 2)), arrival(1, 2, 1, Modality="SR"))
    facts = Stored(archive).of_series(labels=("thin",), complete=False).values
    expected = {
        "Modality": "CT",
        "Rows": "512",
        "ImageType": "ORIGINAL",
        "PatientID": "P1",
        "SeriesInstanceUID": "1.2.1.1",
        "InstanceNumber": Unknown("InstanceNumber differs within the series"),
        "SOPInstanceUID": Unknown("SOPInstanceUID differs within the series"),
        "origin.calling_ae": "CT1",
        "origin.path": ["CT1"],
        "sop_class.uid": CT,
        "transfer_syntax.uid": EXPLICIT,
        "series.instances": 2,
        "series.complete": False,
        "study.instances": 3,
        "study.series": 2,
        "study.complete": False,
        "study.modalities": ["CT", "SR"],
        "labels": ["thin"],
    }
    assert {name: facts.get(name) for name in expected} == expected


def test_a_study(archive: Archive) -> None:
    put(archive, arrival(1, 1, 1), arrival(1, 2, 1, Modality="SR", Rows=""))
    facts = Stored(archive).of_study().values
    expected = {
        "Modality": Unknown("Modality differs within the study"),
        "Rows": Unknown("Rows differs within the study"),
        "PatientName": "Doe^Jane",
        "StudyInstanceUID": "1.2.1",
        "origin.way": "dimse",
        "study.instances": 2,
        "study.series": 2,
        "study.complete": True,
        "study.modalities": ["CT", "SR"],
        "labels": [],
    }
    assert {name: facts.get(name) for name in expected} == expected
    assert "series.instances" not in facts


def test_every_fact_of_what_has_settled(archive: Archive) -> None:
    put(archive, replace(arrival(), origin=Origin(Way.DIMSE, "A", "B", "10.0.0.1", "anna", ("C",))))
    stored = Stored(archive)
    all_of_series = FIXED.keys() - DERIVED - OF_CLOCK
    assert stored.of_series().values.keys() & FIXED.keys() == all_of_series
    of_series_only = {"series.instances", "series.complete"}
    assert stored.of_study().values.keys() & FIXED.keys() == all_of_series - of_series_only


def test_origins_that_differ(archive: Archive) -> None:
    ways = [CT1, Origin(Way.UPLOAD, user="anna"), Origin(Way.DIMSE, "CT2", path=("OLD",))]
    put(archive, *(replace(arrival(1, 1, n), origin=origin) for n, origin in enumerate(ways)))
    facts = Stored(archive).of_series().values
    for name in ("way", "calling_ae", "called_ae", "address", "user"):
        assert facts[f"origin.{name}"] == Unknown(f"origin.{name} differs within the series")
    assert facts["origin.path"] == ["OLD", "basic", "CT1", "CT2"]


def test_nothing_goes_back_to_where_any_instance_came_from(archive: Archive) -> None:
    put(archive, *(replace(arrival(1, 1, n), origin=Origin(Way.DIMSE, ae)) for n, ae in enumerate("AB")))
    rules = RuleSet((Rule("all", "true", (Route(("one", "two", "three")),), On.SERIES),))
    peers = {"one": "A", "two": "B", "three": "C"}
    decided = decide(rules, Stored(archive).of_series(), datetime(2026, 3, 1), On.SERIES, peers)
    assert [each.peer for each in decided.decisions[0].dropped] == ["one", "two"]
    assert [each.action.to for each in decided.actions] == [("three",)]


def test_what_is_further_must_agree_too(archive: Archive) -> None:
    put(archive, *(arrival(1, 1, n) for n in (1, 2, 3)))
    broken = Unknown("KVP is too long")
    found = {
        1: {"SliceThickness": "1", "PixelSpacing": "1\\1", "KVP": broken, "Gantry": "a", "Dose": ""},
        2: {"SliceThickness": "1", "PixelSpacing": "1\\2", "KVP": broken, "Gantry": "a"},
        3: {"SliceThickness": "1", "PixelSpacing": "1\\1", "KVP": broken},
    }
    facts = Stored(archive).of_series(further_of=lambda each: found[each.instance_number]).values
    assert facts["SliceThickness"] == "1"
    assert facts["PixelSpacing"] == Unknown("PixelSpacing differs within the series")
    assert facts["KVP"] == broken
    assert facts["Gantry"] == Unknown("Gantry differs within the series")
    assert "Dose" not in facts


def test_a_series_that_has_nothing(archive: Archive) -> None:
    put(archive, arrival())
    stored = Stored(archive)
    facts = of_series(stored.series[0], stored.study, [], (), nothing_further, complete=True)
    assert facts.get("origin.path") == []
    assert facts.get("Modality") == "CT"
    assert facts.get("sop_class.uid") is None


# A header that is read again


@pytest.fixture(params=["files", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path):
    store: BlobStore = MemoryStore() if request.param == "memory" else FilesystemStore(tmp_path / "blobs")
    yield store
    store.close()


NEEDS = needs(["SliceThickness", "PixelSpacing", "KVP", 'private["0019,ACME,0C"]', "RescaleSlope"])


def dataset():
    image = ct(rows=512, RescaleSlope="2")
    image.private_block(0x0019, "ACME", create=True).add_new(0x0C, "LO", "x")
    return image


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_a_stored_header(blobs: BlobStore, syntax: str) -> None:
    ref = place(blobs, encode(dataset(), syntax))
    assert further(blobs, ref, syntax, NEEDS) == {
        "SliceThickness": "1.0",
        "PixelSpacing": "0.5\\0.5",
        'private["0019,ACME,0C"]': "x",
        "RescaleSlope": "2",
    }


class Counting(MemoryStore):
    """Counts the pieces that are read."""

    pieces = 0

    def open(self, key):
        store, reader = self, super().open(key)

        class Reader(MemoryReader):
            def chunks(self, offset=0, chunk=1 << 20):
                for piece in super().chunks(offset, chunk):
                    store.pieces += 1
                    yield piece

        reader.__class__ = Reader
        return reader


def test_no_more_is_read_than_it_takes() -> None:
    store = Counting()
    early = ct(rows=512, AdditionalPatientHistory="x" * 1000, DerivationDescription="y" * 1000)
    early.add_new(0x00291010, "OB", bytes(1 << 20))
    ref = place(store, encode(early))
    assert further(store, ref, EXPLICIT, needs(["DerivationDescription"])) == {
        "DerivationDescription": "y" * 1000
    }
    assert store.pieces == 1
    # far elements: the pixels stay where they are
    assert further(store, ref, EXPLICIT, needs(["RescaleSlope", 'tag["FFFC,0001"]'])) == {}
    assert store.pieces <= 1 + (1 << 20) // (64 << 10) + 2


def test_nothing_needed_is_nothing_read(blobs: BlobStore) -> None:
    nowhere = arrival().blob
    assert further(blobs, nowhere, EXPLICIT, NOTHING.needs) == {}


def test_what_is_not_in_the_store_is_unknown(blobs: BlobStore) -> None:
    found = further(blobs, replace(arrival().blob, key="instances/2026/0301/1200/none-0"), EXPLICIT, NEEDS)
    assert found.keys() == set(NEEDS)
    assert found["KVP"] == Unknown("KVP cannot be read: the data set is not in the store")


def test_a_store_that_does_not_answer() -> None:
    class Down(MemoryStore):
        def open(self, key):
            raise Unavailable("down")

    with pytest.raises(Unavailable):
        further(Down(), arrival().blob, EXPLICIT, NEEDS)


@given(st.binary(max_size=400) | mutated([encode(dataset())[:2000]]), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_arbitrary_bytes_never_raise(raw: bytes, syntax: str) -> None:
    store = MemoryStore()
    found = further(store, place(store, raw), syntax, NEEDS)
    assert found.keys() <= set(NEEDS)


def test_the_last_element_that_is_needed() -> None:
    assert last_tag(NOTHING.needs) == 0
    assert last_tag(needs(["SliceThickness"])) == 0x00180050
    assert last_tag(NEEDS) == 0x00281053
    assert last_tag(needs(['private["0029,ACME,0C"]', "SliceThickness"])) == 0x0029FFFF
    assert last_tag(needs(['tag["FFFC,0001"]'])) == 0x7FE0000F


def test_time_is_not_among_the_facts() -> None:
    facts = of_arrival(replace(arrival(), received_at=NOW + timedelta(hours=1)))
    assert not OF_CLOCK & facts.values.keys()
