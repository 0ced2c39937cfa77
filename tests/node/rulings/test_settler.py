"""Studies settle once they are quiet or complete; what comes late reopens them."""

import time
from datetime import timedelta
from pathlib import Path

import pytest

from node.core import clock
from storage.archive import Archive
from storage.records.deliveries import DeliveryState
from storage.records.rulings import Role
from tests.support.ruled import Ruled, ruled_archive
from tests.support.samples import ROOT, ct, mr

STUDY = f"{ROOT}.1"
ROUTE_STUDY = """
[[rule]]
name = "whole studies"
on = "study"
when = '"CT" in study.modalities'
then = [{ action = "route", to = "PACS" }]
"""
REQUIRES = """
[[rule]]
name = "both weightings"
on = "study"
when = '"MR" in study.modalities'
requires = ['SeriesDescription =~ "T1.*"', 'SeriesDescription =~ "T2.*"']
then = [{ action = "route", to = "PACS" }]
"""


def settle(ruled: Ruled) -> None:
    """Look until nothing is left to settle."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ruled.settler.look()
        with ruled.archive.read() as tx:
            if tx.settling.next_due() is None:
                return
        time.sleep(0.02)
    raise AssertionError("it does not settle")


def kinds(ruled: Ruled) -> list[str]:
    with ruled.archive.read() as tx:
        return [each.kind for each in tx.events.list() if each.kind != "study.created"]


def test_a_study_is_routed_whole_when_it_has_settled(ruled: Ruled):
    ruled.apply(ROUTE_STUDY)
    ruled.send(ct(2), ct(1), mr(1))
    assert ruled.deliveries() == []
    settle(ruled)
    assert sorted(each.sop_instance_uid for each in ruled.deliveries(destination="PACS")) == [
        f"{STUDY}.1.1",
        f"{STUDY}.1.2",
        f"{STUDY}.2.1",
    ]
    (why,) = ruled.rulings("study", ruled.study_row(STUDY))
    assert (why.outcomes[0]["outcome"], why.seen["study.modalities"]) == ("fired", ["CT", "MR"])
    assert kinds(ruled) == ["study.settled"]


def test_without_rules_on_studies_nothing_waits_to_settle(ruled: Ruled):
    ruled.apply(ROUTE_STUDY.replace('"study"', '"instance"', 1).replace('"CT" in study.modalities', "true"))
    ruled.send(ct(1))
    with ruled.archive.read() as tx:
        assert tx.settling.next_due() is None


def test_a_late_arrival_reopens_and_only_adds(ruled: Ruled):
    ruled.apply(ROUTE_STUDY)
    ruled.send(ct(1))
    settle(ruled)
    ruled.send(ct(2))
    settle(ruled)
    first, second = ruled.rulings("study", ruled.study_row(STUDY))
    assert first.stale_at is not None
    assert second.stale_at is None
    assert len(ruled.deliveries()) == 2
    assert kinds(ruled) == ["study.settled", "study.reopened", "study.settled"]


def test_only_a_series_that_grew_is_asked_about_again(ruled: Ruled):
    ruled.apply(
        """
[[rule]]
name = "series"
on = "series"
when = 'series.instances > 0'
then = [{ action = "infer", model = "lung" }]
"""
    )
    ruled.send(ct(1), mr(1))
    settle(ruled)
    ruled.send(mr(2))
    settle(ruled)
    with ruled.archive.read() as tx:
        study = tx.subjects.study_by_uid(STUDY)
        rows = {each.series_instance_uid: each.row for each in tx.subjects.series_of(study.row)}
        jobs = sorted(tx.jobs.list(), key=lambda job: job.id)
    assert len(ruled.rulings("series", rows[f"{STUDY}.1"])) == 1
    assert len(ruled.rulings("series", rows[f"{STUDY}.2"])) == 2
    of_mr = rows[f"{STUDY}.2"]
    assert [job.payload["row"] for job in jobs].count(of_mr) == 2
    assert len(jobs) == 3


def test_a_quiet_study_waits_for_what_is_required(archive: Archive, tmp_path: Path):
    with ruled_archive(archive, tmp_path, quiet_seconds=3600.0) as ruled:
        ruled.apply(REQUIRES)
        ruled.send(mr(1, SeriesDescription="T1 ax"))
        time.sleep(0.1)
        ruled.settler.look()
        with ruled.archive.read() as tx:
            due = tx.settling.next_due()
        assert due is not None
        assert due > clock.now() + timedelta(minutes=50)
        ruled.send(mr(1, series=3, SeriesDescription="T2 ax"))
        settle(ruled)
        assert len(ruled.deliveries()) == 2
        (why,) = ruled.rulings("study", ruled.study_row(STUDY))
        assert why.outcomes[0]["outcome"] == "fired"


def test_what_never_becomes_complete_settles_when_it_is_quiet(ruled: Ruled):
    ruled.apply(REQUIRES.replace("in study.modalities'", "in study.modalities and not study.complete'"))
    ruled.send(mr(1, SeriesDescription="T1 ax"))
    settle(ruled)
    assert len(ruled.deliveries()) == 1


def test_a_rule_on_series_reads_what_its_instances_agree_on(ruled: Ruled):
    ruled.apply(
        """
[[rule]]
name = "thin"
on = "series"
when = 'SliceThickness <= 1.5 and DeviceSerialNumber == "B60f"'
then = [{ action = "route", to = "PACS" }]
"""
    )
    agreed = {"DeviceSerialNumber": "B60f"}
    ruled.send(ct(1, **agreed), ct(2, **agreed), mr(1, **agreed), mr(2, SliceThickness=5, **agreed))
    settle(ruled)
    by_state = {each.sop_instance_uid: each.state for each in ruled.deliveries()}
    assert by_state == {
        f"{STUDY}.1.1": DeliveryState.QUEUED,
        f"{STUDY}.1.2": DeliveryState.QUEUED,
        f"{STUDY}.2.1": DeliveryState.HELD,  # unknown: its instances differ
        f"{STUDY}.2.2": DeliveryState.HELD,
    }


def test_an_arrival_meanwhile_leaves_the_study_to_the_next_look(ruled: Ruled):
    ruled.apply(ROUTE_STUDY)
    ruled.send(ct(1))
    with ruled.archive.read() as tx:
        (seen,) = tx.settling.due(clock.now() + timedelta(hours=1), 10)
    ruled.send(ct(2))
    with ruled.archive.begin() as tx:
        assert not tx.settling.close(seen)
        tx.commit()
    settle(ruled)
    assert len(ruled.deliveries()) == 2


def test_a_study_that_cannot_be_asked_about_does_not_stop_the_others(
    ruled: Ruled, monkeypatch: pytest.MonkeyPatch
):
    from node.rulings import settlement

    ruled.apply(ROUTE_STUDY)
    ruled.send(ct(1), ct(1, study=2))
    bad = ruled.study_row(STUDY)
    whole = settlement.of_study

    def fails(study, *rest, **named):  # a fault of ours
        if study.row == bad:
            raise ZeroDivisionError
        return whole(study, *rest, **named)

    monkeypatch.setattr(settlement, "of_study", fails)
    time.sleep(0.1)
    ruled.settler.look()
    assert [each.sop_instance_uid for each in ruled.deliveries()] == [f"{ROOT}.2.1.1"]
    with ruled.archive.read() as tx:
        assert tx.settling.get(bad).due > clock.now()


def test_a_file_that_cannot_be_read_does_not_stop_the_other_studies(ruled: Ruled, tmp_path: Path):
    ruled.apply(
        """
[[rule]]
name = "one scanner"
on = "study"
when = 'DeviceSerialNumber == "B60f"'
then = [{ action = "route", to = "PACS" }]
"""
    )
    ruled.send(ct(1, DeviceSerialNumber="B60f"), ct(1, study=2, DeviceSerialNumber="B60f"))
    with ruled.archive.read() as tx:
        first = tx.subjects.by_uid(f"{STUDY}.1.1")
    file = tmp_path / "blobs" / first.blob.key
    content = file.read_bytes()
    file.unlink()
    file.mkdir()  # it opens, and every read of it fails, as of a bad sector
    time.sleep(0.1)
    ruled.settler.look()
    assert [each.sop_instance_uid for each in ruled.deliveries()] == [f"{ROOT}.2.1.1"]
    with ruled.archive.read() as tx:
        assert tx.settling.get(first.place.study_row).due > clock.now()
    file.rmdir()
    file.write_bytes(content)


def test_the_shadow_settles_without_acting(ruled: Ruled):
    ruled.apply(ROUTE_STUDY, Role.SHADOW)
    ruled.send(ct(1))
    settle(ruled)
    (why,) = ruled.rulings("study", ruled.study_row(STUDY))
    assert why.role is Role.SHADOW
    assert ruled.deliveries() == []


def test_a_hold_on_the_study_takes_back_what_was_queued_before(ruled: Ruled):
    ruled.apply(
        """
[[rule]]
name = "at once"
when = "true"
then = [{ action = "route", to = "PACS" }]
[[rule]]
name = "look at mixed studies"
on = "study"
when = '"MR" in study.modalities'
then = [{ action = "hold", reason = "mixed" }]
"""
    )
    ruled.send(ct(1), mr(1))
    assert {each.state for each in ruled.deliveries()} == {DeliveryState.QUEUED}
    settle(ruled)
    assert {(each.state, each.words) for each in ruled.deliveries()} == {(DeliveryState.HELD, "mixed")}
