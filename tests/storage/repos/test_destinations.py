import threading
import time
from datetime import datetime, timedelta

import pytest

from storage.archive import Archive
from storage.records.deliveries import Destination
from tests.support.deliveries import (
    LEASE,
    NOW,
    SECOND,
    W1,
    W2,
    claim,
    delivered,
    finish,
    instances,
    lease,
    new,
    plans,
    queue,
    waiting,
    watch,
)


def leased(archive: Archive, worker: str = W1, at: datetime = NOW, limit: int = 10) -> list[str]:
    with archive.begin() as tx:
        taken = tx.destinations.lease(worker, at, at + LEASE, limit)
        tx.commit()
    return [each.name for each in taken]


def due(archive: Archive, at: datetime = NOW) -> datetime | None:
    with archive.read() as tx:
        return tx.destinations.next_due(at)


def get(archive: Archive, name: str = "north") -> Destination:
    with archive.read() as tx:
        found = tx.destinations.get(name)
    assert found is not None
    return found


def opened(archive: Archive, probe_at: datetime) -> None:
    with archive.begin() as tx:
        assert tx.destinations.trouble(
            "north", W1, failures=3, error="no route", opened_at=NOW, probe_at=probe_at
        )
        assert tx.destinations.release("north", W1)
        tx.commit()


def test_a_destination_is_made_once(archive: Archive) -> None:
    with archive.begin() as tx:
        row = tx.destinations.of("north")
        assert tx.destinations.of("north") == row
        assert tx.destinations.of("south") != row
        tx.commit()
    with archive.begin() as tx:
        assert tx.destinations.of("north") == row
        assert [each.name for each in tx.destinations.list()] == ["north", "south"]
    plain = get(archive)
    assert (plain.id, plain.paused, plain.associations, plain.rate) == (row, False, 0, 0.0)
    assert (plain.window, plain.syntaxes, plain.commitment, plain.failures) == (None, (), False, 0)
    with archive.read() as tx:
        assert tx.destinations.get("east") is None


def test_a_row_that_was_taken_back_is_not_remembered(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.destinations.of("north")
        tx.destinations.of("north")
    with archive.begin() as tx:
        other = tx.destinations.of("south")
        assert tx.destinations.of("north") != other
        tx.commit()


def test_many_make_the_same_at_once(archive: Archive) -> None:
    rows: list[int] = []

    def make() -> None:
        with archive.begin() as tx:
            row = tx.destinations.of("north")
            tx.commit()
        rows.append(row)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rows) == 6
    assert len(set(rows)) == 1


def test_what_is_set_is_kept(archive: Archive) -> None:
    window = {"hours": [[1080, 360]], "weekdays": [5, 6]}
    with archive.begin() as tx:
        made = tx.destinations.set(
            "north", associations=3, rate=2.5, window=window, syntaxes=("1.2", "1.3"), commitment=True
        )
        assert (made.associations, made.rate, made.window) == (3, 2.5, window)
        assert (made.syntaxes, made.commitment, made.paused) == (("1.2", "1.3"), True, False)
        paused = tx.destinations.set("north", paused=True)
        assert (paused.paused, paused.rate) == (True, 2.5)
        tx.destinations.set("north", window=None, syntaxes=())
        assert tx.destinations.set("north").paused
        with pytest.raises(TypeError, match="has no colour"):
            tx.destinations.set("north", colour="red")  # type: ignore[call-arg]
        tx.commit()
    assert get(archive).window is None
    assert get(archive).syntaxes == ()


def test_only_what_has_something_to_do_is_leased_and_by_one(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.destinations.of("idle")
        tx.commit()
    assert leased(archive) == []
    assert due(archive) is None
    queue(archive, instances(archive))
    assert due(archive) == NOW
    assert leased(archive) == ["north"]
    assert leased(archive, W2) == []
    assert leased(archive, W1) == []
    assert due(archive) == NOW + LEASE
    held = get(archive)
    assert (held.worker, held.lease_until) == (W1, NOW + LEASE)
    assert leased(archive, W2, NOW + LEASE) == ["north"]
    with archive.begin() as tx:
        assert tx.destinations.renew(W1, NOW + 3 * LEASE) == set()
        assert tx.destinations.renew(W2, NOW + 3 * LEASE) == {"north"}
        assert not tx.destinations.release("north", W1)
        assert not tx.destinations.succeeded("north", W1, NOW)
        assert tx.destinations.release("north", W2)
        tx.commit()
    assert leased(archive) == ["north"]


def test_a_limit_is_kept_and_who_was_served_last_comes_last(archive: Archive) -> None:
    (place,) = instances(archive)
    for name in ("a", "b", "c"):
        queue(archive, [place], name)
    assert leased(archive, limit=2) == ["a", "b"]
    with archive.begin() as tx:
        for name in ("a", "b"):
            tx.destinations.succeeded(name, W1, NOW)
            tx.destinations.release(name, W1)
        tx.commit()
    assert "c" in leased(archive, limit=2)


def test_one_that_is_paused_is_left_alone(archive: Archive) -> None:
    queue(archive, instances(archive))
    with archive.begin() as tx:
        tx.destinations.set("north", paused=True)
        tx.commit()
    assert (leased(archive), due(archive)) == ([], None)


def test_what_waits_for_its_time_wakes_at_its_time(archive: Archive) -> None:
    queue(archive, instances(archive), due=NOW + LEASE)
    assert due(archive) == NOW + LEASE
    assert leased(archive) == []
    assert leased(archive, at=NOW + LEASE) == ["north"]


def test_what_a_lost_worker_was_sending_is_something_to_do(archive: Archive) -> None:
    queue(archive, instances(archive))
    claim(archive, lease(archive).id)
    assert due(archive) == NOW + LEASE
    assert leased(archive, W2) == []
    assert leased(archive, W2, NOW + LEASE) == ["north"]


def test_one_that_was_given_up_is_leased_when_it_may_be_probed(archive: Archive) -> None:
    first, second = instances(archive, each=2)
    queue(archive, [first])
    home = lease(archive)
    opened(archive, NOW + 5 * SECOND)
    assert (leased(archive), due(archive)) == ([], NOW + 5 * SECOND)
    assert leased(archive, at=NOW + 5 * SECOND) == ["north"]
    # What only waits for its time is reason enough to probe.
    finish(archive, [waiting(parcel, NOW + LEASE * 9) for parcel in claim(archive, home.id)])
    opened(archive, NOW + 7 * SECOND)
    assert due(archive, NOW + 6 * SECOND) == NOW + 7 * SECOND
    assert leased(archive, at=NOW + 7 * SECOND) == ["north"]
    troubled = get(archive)
    assert (troubled.failures, troubled.error, troubled.opened_at) == (3, "no route", NOW)
    with archive.begin() as tx:
        assert tx.destinations.succeeded("north", W1, NOW + LEASE)
        tx.commit()
    well = get(archive)
    assert (well.failures, well.error, well.opened_at, well.probe_at) == (0, "", None, None)
    assert well.succeeded_at == NOW + LEASE
    assert second


def test_one_that_was_given_up_is_probed_also_when_nothing_waits(archive: Archive) -> None:
    number = queue(archive, instances(archive))[0]
    lease(archive)
    opened(archive, NOW + 5 * SECOND)
    with archive.begin() as tx:
        tx.ledger.cancel(ids=[number], at=NOW)
        tx.destinations.release("north", W1)
        tx.commit()
    assert (leased(archive), due(archive)) == ([], NOW + 5 * SECOND)
    assert leased(archive, at=NOW + 5 * SECOND) == ["north"]


def test_a_person_has_one_probed_at_once(archive: Archive) -> None:
    queue(archive, instances(archive))
    with archive.begin() as tx:
        assert not tx.destinations.probe("nowhere", NOW)
        assert not tx.destinations.probe("north", NOW)  # nothing is wrong with it
        tx.commit()
    lease(archive)
    opened(archive, NOW + 99 * LEASE)
    assert leased(archive) == []
    with archive.begin() as tx:
        assert tx.destinations.probe("north", NOW)
        tx.commit()
    assert leased(archive) == ["north"]


def test_nothing_is_due_when_all_is_delivered(archive: Archive) -> None:
    queue(archive, instances(archive))
    home = lease(archive)
    finish(archive, [delivered(parcel) for parcel in claim(archive, home.id)])
    assert due(archive) is None
    assert leased(archive, W2, NOW + LEASE) == []


def test_many_workers_never_hold_the_same(archive: Archive) -> None:
    (place,) = instances(archive)
    names = [f"d{n}" for n in range(12)]
    with archive.begin() as tx:
        tx.deliveries.add([new(place, name) for name in names])
        tx.commit()
    taken: list[str] = []

    def work(n: int) -> None:
        while got := leased(archive, f"w{n}", limit=2):
            taken.extend(got)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(names)


def test_leases_are_renewed_while_deliveries_are_recorded(archive: Archive) -> None:
    if archive.kind != "postgresql":
        pytest.skip("SQLite has one writer")
    for n, place in enumerate(instances(archive, each=2)):
        queue(archive, [place], f"d{n}")
    assert leased(archive) == ["d0", "d1"]
    with archive.begin() as tx:  # where it lies, the first comes last now
        tx.destinations.succeeded("d0", W1, NOW)
        tx.commit()
    renewed: list[frozenset[str]] = []

    def renew() -> None:
        with archive.begin() as tx:
            renewed.append(tx.destinations.renew(W1, NOW + LEASE))
            tx.commit()

    thread = threading.Thread(target=renew)
    with archive.begin() as tx:
        tx.destinations.succeeded("d0", W1, NOW + SECOND)
        thread.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        while not tx.connection.exec_driver_sql(waits).scalar():
            time.sleep(0.01)
        tx.destinations.succeeded("d1", W1, NOW + SECOND)
        tx.commit()
    thread.join()
    assert renewed == [{"d0", "d1"}]


def test_what_is_to_be_done_is_found_by_indexes(archive: Archive) -> None:
    queue(archive, instances(archive))
    with archive.begin() as tx:
        ran = watch(tx)
        tx.destinations.next_due(NOW)
        assert tx.destinations.lease(W1, NOW, NOW + timedelta(seconds=1), 1)
        looks = plans(tx, [each for each in ran if each[0].startswith("SELECT")])
    assert len(looks) == 2
    for plan in looks:
        assert "ix_delivery_waiting" in plan
        assert "ix_delivery_sending" in plan
        assert "ix_delivery_queue" in plan or "ix_delivery_series" in plan
        assert "SCAN delivery" not in plan
