"""A lane does what it is told, keeps its association while that serves, and reports what came of it."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from node.core import clock
from node.core.errors import UserError
from node.delivery.lane import Do, Lane
from node.delivery.line import Line, Sent
from node.root import Node
from scu.errors import ScuError
from scu.store import StoreResult
from storage.errors import StorageError, Unavailable
from storage.records.deliveries import Parcel
from storage.records.network import Peer
from tests.support.arrivals import place
from tests.support.faulty import Act, Fault, FaultyPeer, faulty
from tests.support.parcels import parcel
from tests.support.samples import CT_CLASS, EXPLICIT, MR_CLASS, ct, encode


class Chief:
    """Gives out what a test lists, then the end; keeps what it is told."""

    def __init__(self, node: Node, port: int, tasks: Sequence[Parcel | Do | Callable[[], None]]) -> None:
        self._node = node
        self._peer = Peer("pacs", "PEER", "127.0.0.1", port, clock.now())
        self._tasks = list(tasks)
        self.preferred: Sequence[str] = ()
        self.fails: list[Exception] = []
        self.answers: list[StoreResult | Exception] = []
        self.told: list[str] = []
        self.refuses: set[int] = set()

    @property
    def peer(self) -> Peer | None:
        return self._peer

    def next(self, lane: Lane) -> Parcel | Do:
        while self._tasks:
            task = self._tasks.pop(0)
            if isinstance(task, Parcel | Do):
                return task
            task()
        return Do.END

    def open(self, lane: Lane) -> Line:
        self.told.append("open")
        if self.fails:
            raise self.fails.pop(0)
        kinds = [(CT_CLASS, EXPLICIT)]
        return Line.open(self._peer, self._node.config.dicom, self._node.retrieve, kinds, self.preferred)

    def begin(self, lane: Lane, parcel: Parcel) -> bool:
        return parcel.id not in self.refuses

    def following(self, lane: Lane) -> Parcel | None:
        return None

    def answered(self, lane: Lane, parcel: Parcel, sent: Sent) -> None:
        self.told.append(f"answered {parcel.id}")
        self.answers.append(sent.outcome)

    def broke(self, lane: Lane, parcel: Parcel, error: ScuError) -> None:
        self.told.append(f"broke {parcel.id}")
        self.answers.append(error)

    def unreachable(self, lane: Lane, error: ScuError | UserError) -> None:
        self.told.append("unreachable")
        self.answers.append(error)

    def probe(self) -> None:
        self.told.append("probe")

    def pause(self, seconds: float) -> None:
        self.told.append("pause")

    def left(self, lane: Lane) -> None:
        self.told.append("left")


@pytest.fixture
def peer() -> Iterator[FaultyPeer]:
    with faulty() as made:
        yield made


@pytest.fixture
def parcels(node: Node) -> list[Parcel]:
    blobs = [place(node.blobs, encode(ct(n))) for n in (1, 2, 3)]
    return [parcel(n, blob=b) for n, b in enumerate(blobs, 1)]


def run(chief: Chief) -> Lane:
    lane = Lane(chief, 0, "pacs")
    lane.start()
    assert lane.join(60)
    return lane


def test_one_association_serves_as_long_as_it_fits(
    node: Node, peer: FaultyPeer, parcels: list[Parcel]
) -> None:
    chief = Chief(node, peer.port, parcels)
    lane = run(chief)
    assert chief.told == ["open", "answered 1", "answered 2", "answered 3", "left"]
    assert set(chief.answers) == {StoreResult(0)}
    assert peer.released == 1
    assert not lane.connected


def test_it_is_ended_when_told_and_opened_again(node: Node, peer: FaultyPeer, parcels: list[Parcel]) -> None:
    chief = Chief(node, peer.port, [parcels[0], Do.RELEASE, Do.PROBE, parcels[1]])
    run(chief)
    assert chief.told == ["open", "answered 1", "probe", "open", "answered 2", "left"]
    assert peer.released == 2


def test_other_preferences_and_other_kinds_need_another(
    node: Node, peer: FaultyPeer, parcels: list[Parcel]
) -> None:
    chief = Chief(node, peer.port, [])

    def prefer() -> None:
        chief.preferred = (EXPLICIT,)

    other = parcel(9, sop_class_uid=MR_CLASS)
    chief._tasks = [parcels[0], prefer, parcels[1], other]
    run(chief)
    assert chief.told.count("open") == 3
    assert peer.released == 3


def test_one_that_the_peer_ended_meanwhile_is_not_used(
    node: Node, parcels: list[Parcel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.delivery.lane._FRESH", 0.0)
    with faulty() as peer:

        def end() -> None:
            peer._links[0].close()

        chief = Chief(node, peer.port, [parcels[0], end, parcels[1]])
        run(chief)
    assert chief.told == ["open", "answered 1", "open", "answered 2", "left"]


def test_a_break_is_reported(node: Node, parcels: list[Parcel]) -> None:
    with faulty(Fault(2, Act.ABORT)) as peer:
        chief = Chief(node, peer.port, parcels)
        run(chief)
    assert chief.told == ["open", "answered 1", "broke 2", "open", "answered 3", "left"]
    assert "aborted C-STORE" in str(chief.answers[1])


def test_what_is_no_longer_to_be_sent_is_not(node: Node, peer: FaultyPeer, parcels: list[Parcel]) -> None:
    chief = Chief(node, peer.port, parcels)
    chief.refuses = {2}
    run(chief)
    assert chief.told == ["open", "answered 1", "answered 3", "left"]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ScuError("away", retry=True), "unreachable"),
        (UserError("peer 'x' is not known"), "unreachable"),
        (Unavailable("the database is away"), "pause"),
    ],
)
def test_no_association_is_reported_or_waited_for(
    node: Node, peer: FaultyPeer, parcels: list[Parcel], error: ScuError | UserError | StorageError, word: str
) -> None:
    chief = Chief(node, peer.port, parcels[:2])
    chief.fails = [error]
    run(chief)
    assert chief.told == ["open", word, "open", "answered 2", "left"]


def test_a_fault_of_ours_is_a_break_and_the_end_of_the_lane(
    node: Node, peer: FaultyPeer, parcels: list[Parcel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Line, "send", fails)
    chief = Chief(node, peer.port, parcels)
    run(chief)
    assert chief.told == ["open", "broke 1", "left"]
    assert str(chief.answers[0]) == "this node failed while it was on its way: ZeroDivisionError"


def test_it_can_be_cut_off(node: Node, parcels: list[Parcel]) -> None:
    with faulty(Fault(1, Act.STALL)) as peer:
        chief = Chief(node, peer.port, parcels[:1])
        lane = Lane(chief, 0, "pacs")
        lane.cut()  # there is nothing yet
        lane.start()
        came = threading.Event()
        while not peer.messages:
            came.wait(0.01)
        lane.cut()
        assert lane.join(60)
    assert chief.told == ["open", "broke 1", "left"]
