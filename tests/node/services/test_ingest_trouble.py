import pytest

from node.services.ingest import Ingest, Refusal
from storage.errors import InDoubt, OutOfSpace, Unavailable
from storage.records.arrival import Verdict
from tests.support.ingest import send
from tests.support.samples import BIG, ct, encode

ERRORS = (
    (OutOfSpace("full"), Refusal.OUT_OF_SPACE),
    (Unavailable("gone"), Refusal.FAILURE),
    (ValueError("patient Doe"), Refusal.FAILURE),
)


@pytest.mark.parametrize("rows", [4, BIG])
def test_trouble_at_any_step_leaves_nothing_and_ends_with_it(bench, rows, capsys):
    dataset = ct(rows=rows)
    for step in ("create", "write", "place", "sync", "free"):
        for error, refusal in ERRORS:
            bench.trouble.errors[step] = error
            outcome = send(bench.ingest(), dataset)
            assert (outcome.verdict, outcome.refusal) == (None, refusal), step
            assert "Doe" not in outcome.reason
            assert bench.instance(dataset.SOPInstanceUID) is None
            assert bench.keys() == []
            assert not bench.leftovers()
            bench.trouble.errors.clear()
    log = capsys.readouterr()
    assert "ingest.failed" in log.out + log.err
    assert "Doe" not in log.out + log.err
    assert send(bench.ingest(), dataset).verdict is Verdict.STORED
    assert bench.dataset_of(dataset.SOPInstanceUID) == encode(dataset)


def test_after_trouble_the_same_way_in_goes_on(bench):
    ingest, dataset = bench.ingest(), ct(rows=BIG)
    for step in ("create", "write", "place", "sync"):
        bench.trouble.errors[step] = OutOfSpace("full")
        assert send(ingest, dataset).refusal is Refusal.OUT_OF_SPACE
        bench.trouble.errors.clear()
    assert send(ingest, dataset).verdict is Verdict.STORED


def test_below_the_floor_nothing_is_kept_and_above_it_goes_on(bench):
    ingest = bench.ingest(free_floor=1 << 20)
    bench.trouble.left = (1 << 20) + 1000
    outcome = send(ingest, ct())
    assert (outcome.verdict, outcome.refusal) == (None, Refusal.OUT_OF_SPACE)
    assert bench.keys() == []
    bench.trouble.left = 1 << 30
    assert send(bench.ingest(free_floor=1 << 20), ct()).verdict is Verdict.STORED


def test_a_long_instance_stops_at_the_floor(bench):
    bench.trouble.left = (1 << 20) + 400_000
    assert send(bench.ingest(free_floor=1 << 20), ct(rows=BIG)).refusal is Refusal.OUT_OF_SPACE
    assert bench.keys() == []
    assert not bench.leftovers()


@pytest.mark.parametrize("rows", [4, BIG])
def test_a_quarantine_that_fails_is_no_success(bench, rows):
    for step in ("create", "write", "place", "sync", *(["open"] if rows == BIG else [])):
        bench.trouble.errors[step] = Unavailable("gone")
        outcome = send(bench.ingest(), encode(ct(rows=rows))[:-10])
        assert outcome.verdict is None
        assert outcome.refusal in (Refusal.CANNOT_UNDERSTAND, Refusal.FAILURE)
        assert bench.quarantined() == []
        assert bench.keys() == []
        assert not bench.leftovers()
        bench.trouble.errors.clear()


def test_a_quarantine_without_space_says_so(bench):
    bench.trouble.left = 100
    outcome = send(bench.ingest(), encode(ct())[:-10])
    assert outcome.refusal is Refusal.OUT_OF_SPACE
    assert bench.keys() == []


class InDoubtCommits:
    """Records, and then does not know whether it did."""

    def __init__(self, commits) -> None:
        self.commits = commits

    def record(self, arrival):
        self.commits.record(arrival)
        raise InDoubt("the connection broke")


def test_in_doubt_the_blob_stays_and_the_retry_is_a_duplicate(bench):
    dataset = ct()
    commits = bench.archive.commits(bench.blobs)
    doubting = Ingest(
        bench.archive, bench.blobs, free_floor=0, max_dataset=1 << 30, commits=InDoubtCommits(commits)
    )
    assert send(doubting, dataset).refusal is Refusal.FAILURE
    assert bench.dataset_of(dataset.SOPInstanceUID) == encode(dataset)
    assert send(bench.ingest(), dataset).verdict is Verdict.DUPLICATE
    assert bench.dataset_of(dataset.SOPInstanceUID) == encode(dataset)
    assert len(bench.keys()) == 1


def test_a_duplicate_that_cannot_be_deleted_is_still_a_success(bench):
    ingest, dataset = bench.ingest(), ct()
    send(ingest, dataset)
    bench.trouble.errors["delete"] = Unavailable("gone")
    assert send(ingest, dataset).verdict is Verdict.DUPLICATE
