from datetime import UTC, datetime

from node.services.matters import asks, gather, load, needs_of
from rules.decisions import decide
from rules.reading import read
from rules.symbols import On
from rules.unknown import Unknown
from storage.records.rulings import Label
from tests.support.ruled import Ruled
from tests.support.samples import ROOT, ct, mr

NOW = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
STUDY = f"{ROOT}.1"
RULES = read(
    """
[[rule]]
name = "instances"
when = 'DeviceSerialNumber == "7"'
then = [{ action = "tag", label = "x" }]

[[rule]]
name = "series"
on = "series"
when = 'series.complete and SliceThickness == 1.5 and "seen" in labels'
then = [{ action = "tag", label = "x" }]
requires = ['Modality == "CT"']

[[rule]]
name = "studies"
on = "study"
when = 'study.complete and "MR" in study.modalities and study.instances > 2'
then = [{ action = "tag", label = "x" }]
requires = ['Modality == "US"']
"""
).ruleset()


def test_what_rules_want_is_gathered():
    assert [*needs_of([RULES])] == ["DeviceSerialNumber", "SliceThickness"]
    assert [*needs_of([])] == []
    assert asks(RULES, On.STUDY)
    assert not asks(read("").ruleset(), On.STUDY)


def test_a_study_is_seen_as_decisions_on_live_traffic_see_it(ruled: Ruled):
    for n in (1, 2):
        ruled.send(ct(n, SliceThickness="1.5", DeviceSerialNumber="7"))
    ruled.send(mr(1, SliceThickness="3", DeviceSerialNumber="7"))
    row = ruled.study_row(STUDY)
    with ruled.archive.begin() as tx:
        tx.labels.add(Label("study", row, row, "seen", "ann", NOW))
        tx.commit()
    with ruled.archive.read() as tx:
        view = load(tx, ruled.blobs, row, needs_of([RULES]))
        assert load(tx, ruled.blobs, row + 1, needs_of([RULES])) is None
    assert view is not None
    facts = [view.instance(each).facts for each in view.instances]
    assert [each.get("DeviceSerialNumber") for each in facts] == ["7"] * 3
    matters = list(view.settled(RULES, NOW))
    assert [(each.on, each.uid, len(each.instances)) for each in matters] == [
        (On.SERIES, f"{STUDY}.1", 2),
        (On.SERIES, f"{STUDY}.2", 1),
        (On.STUDY, STUDY, 3),
    ]
    outcomes = [str(decide(RULES, m.facts, NOW, m.on).decisions[0].outcome) for m in matters]
    assert outcomes == ["fired", "not fired", "not fired"]  # the study lacks its ultrasound
    assert isinstance(matters[2].facts.get("SliceThickness"), Unknown)
    only = view.settled(RULES, NOW, view.series[1].row)
    assert [each.uid for each in only] == [f"{STUDY}.2"]


def test_files_make_up_studies_too(ruled: Ruled):
    ruled.send(ct(1), ct(2), mr(1), ct(1, study=2))
    subjects = []
    for study in (1, 2):
        with ruled.archive.read() as tx:
            subjects += tx.subjects.of_study(ruled.study_row(f"{ROOT}.{study}"))
    first, second = gather(subjects, {each.place.instance_row: {} for each in subjects})
    with ruled.archive.read() as tx:
        kept = load(tx, ruled.blobs, first.study.row, needs_of([]))
    assert kept is not None
    assert first.study.attributes == kept.study.attributes
    assert (first.study.instances, first.study.series, first.study.modalities) == (3, 2, ("CT", "MR"))
    assert [each.attributes for each in first.series] == [each.attributes for each in kept.series]
    assert [each.instances for each in first.series] == [2, 1]
    assert second.uids[("study", second.study.row)] == f"{ROOT}.2"
