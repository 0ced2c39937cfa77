"""The power goes, at any moment: what was acknowledged is there at the next start, and nothing twice.

kill -9 says nothing of this, since the kernel lives on and writes what it has. So all that a node does to its
files is recorded, and of what was not synced at a moment anything may be missing (`powercut_disk`).
"""

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from node.config import load
from storage.archive import Archive
from tests.support.burst import Burst
from tests.support.forwarding import forwarding_config, until
from tests.support.node import NodeProcess, free_port
from tests.support.outage import Outage, mortal
from tests.support.powercut import Recording, Senders, Sent, prepare, record
from tests.support.powercut_check import losses
from tests.support.powercut_disk import Disk, Kind, Luck
from tests.support.samples import ct
from tests.support.serving import gone
from tests.support.trace import family

Start = Callable[..., NodeProcess]
Cut = tuple[int, Luck]

HUGE = 1100
"""Rows and columns of an image that is too large for the receive log."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for what cuts leave, in memory where that can be: only what is in it counts."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def _images(numbers: Iterable[int], study: int = 1, rows: int = 16) -> list[Dataset]:
    return [ct(number, study=study, rows=rows) for number in numbers]


def _some(senders: Senders) -> None:
    """One association, with a duplicate, a conflict and its duplicate; then three that share some images."""
    senders.send(_images(range(6)) + _images([3]) + _images([4, 4], rows=18) + _images([6], rows=HUGE))
    senders.send(*(_images(range(first, first + 8), study=2) for first in (0, 5, 10)))


def _many(senders: Senders) -> None:
    """Enough for SQLite to begin its write-ahead log anew."""
    senders.send(_images(range(60)) + _images(range(50, 60)) + _images(range(20), rows=18))
    for study in range(2, 6):
        turns = [list(range(first, first + 25)) for first in (0, 20, 40)]
        for turn in turns:
            random.Random(study).shuffle(turn)
        senders.send(*(_images(turn, study) for turn in turns))
        senders.send(_images([100], study, HUGE), _images(range(10), study, rows=18))


def _few(senders: Senders) -> None:
    senders.send(_images(range(4)) + _images([2]) + _images([3], rows=18))
    senders.send(*(_images(range(first, first + 3), study=2) for first in (0, 2)))


def _nobody(_: Senders) -> None:
    """Start and stop."""


def _at_answers(made: Recording, each: int, seed: int = 0) -> Iterator[Cut]:
    """Cut where each answer may just have left: with nothing, something, or all of what was not certain."""
    chance = random.Random(seed)
    for answer in made.answers:
        for _ in range(each):
            share = chance.choice((0.0, 0.0, 0.1, 0.5, 0.9, 1.0))
            yield answer.moment, Luck(share, chance.getrandbits(32), bool(chance.getrandbits(1)))


def _anywhere(made: Recording, count: int, seed: int = 1) -> Iterator[Cut]:
    chance = random.Random(seed)
    for _ in range(count):
        share = chance.choice((0.0, 0.2, 0.5, 0.8))
        yield chance.choice(made.moments), Luck(share, chance.getrandbits(32), bool(chance.getrandbits(1)))


def _wrong(
    made: Recording,
    disk: Disk,
    cuts: Iterable[Cut],
    place: Path,
    before: Sequence[Sent] = (),
    sent: Sequence[Sent] = (),
) -> list[str]:
    """Return a story of each of `cuts` after which something is wrong.

    Parameters
    ----------
    before, sent
        What was acknowledged and sent before the recording began.
    """
    stories = []
    for moment, luck in cuts:
        config = load(made.cut(disk, moment, luck, place / "node"), environ={})
        acknowledged = [*before, *made.acknowledged(moment)]
        wrong = losses(config, acknowledged, [*sent, *made.sent])
        if wrong:
            stories.append("\n".join([f"cut at {moment}, {luck}", *wrong, made.story(moment)]))
    return stories


def _assert_kept(*arguments: object, **further: object) -> None:
    stories = _wrong(*arguments, **further)  # type: ignore[arg-type]
    assert not stories, "\n\n".join([f"{len(stories)} cuts cost something", *stories[:3]])


@pytest.mark.parametrize("log", [True, False], ids=["log", "files"])
def test_what_was_acknowledged_is_there_whenever_the_power_goes(
    tmp_path: Path, start_process: Start, place: Path, log: bool
) -> None:
    made = record(prepare(tmp_path, receive_log=log), start_process, _some if log else _few)
    cuts = [*_at_answers(made, 1), *_anywhere(made, 15)]
    _assert_kept(made, made.disk(), cuts, place)


def test_what_was_acknowledged_is_there_where_the_bytes_are_in_an_object_store(
    tmp_path: Path, start_process: Start, place: Path, s3_url: str
) -> None:
    """It has power all the time; what is on its way to it has not."""
    made = record(prepare(tmp_path, url=s3_url), start_process, _few)
    _assert_kept(made, made.disk(), [*_at_answers(made, 1), *_anywhere(made, 5)], place)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("log", [True, False], ids=["log", "files"])
def test_what_was_acknowledged_is_there_after_thousands_of_cuts(
    tmp_path: Path, start_process: Start, place: Path, log: bool
) -> None:
    made = record(prepare(tmp_path, receive_log=log), start_process, _many)
    cuts = [*_at_answers(made, 5, seed=2), *_anywhere(made, 1000, seed=3)]
    _assert_kept(made, made.disk(), cuts, place)


def _cut_twice(folder: Path, start: Start, place: Path, *, first: int, second: int) -> None:
    """Cut the power, and cut it again while the node starts on what is left."""
    made = record(prepare(folder), start, _some)
    chance, disk = random.Random(7), made.disk()
    for turn in range(first):
        answer = made.answers[len(made.answers) * (turn + 1) // (first + 1)]
        luck = Luck(chance.choice((0.0, 0.5)), turn, in_order=True)
        config = made.cut(disk, answer.moment, luck, folder / "again")
        again = record(config, start, _nobody)
        cuts = _anywhere(again, second, seed=turn)
        told = made.acknowledged(answer.moment)
        _assert_kept(again, again.disk(), cuts, place, before=told, sent=made.sent)


def test_a_second_cut_while_the_node_starts_after_the_first_loses_nothing(
    tmp_path: Path, start_process: Start, place: Path
) -> None:
    _cut_twice(tmp_path, start_process, place, first=1, second=10)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_hundreds_of_second_cuts_lose_nothing(tmp_path: Path, start_process: Start, place: Path) -> None:
    _cut_twice(tmp_path, start_process, place, first=10, second=60)


def test_losses_are_found_where_syncs_are_left_out(tmp_path: Path, start_process: Start, place: Path) -> None:
    """What the other tests rest on: without the syncs of the log, or of folders, they would fail."""
    made = record(prepare(tmp_path), start_process, _few)
    moment = made.answers[-1].moment
    nothing = [(moment, Luck(in_order=in_order)) for in_order in (True, False)]
    assert _wrong(made, made.disk(), nothing, place) == []
    for ignored in (_is_segment, _is_folder):
        stories = _wrong(made, made.disk(ignored), nothing, place)
        assert len(stories) == 2, stories
        for each in made.acknowledged(moment):
            assert all(each.uid in story for story in stories)
    torn = [(moment, Luck(0.5, seed)) for seed in range(5)]
    assert len(_wrong(made, made.disk(_is_segment), torn, place)) == 5


def _is_segment(path: str, kind: Kind) -> bool:
    return kind is Kind.FILE and path.startswith("blobs/.log/")


def _is_folder(_: str, kind: Kind) -> bool:
    return kind is Kind.FOLDER


def _crash_postgresql(outage: Outage, folder: Path, start: Start, *, times: int, seed: int) -> None:
    """End the server at once, again and again: what it had not written is lost, whatever it had said.

    Half of the time the receiver dies with it, half of the time it lives on and takes more afterwards.
    """
    chance = random.Random(seed)
    url = outage.server.create()
    with contextlib.closing(Archive.open(url)) as archive:
        archive.upgrade()
    path = forwarding_config(folder, url, {"pacs": free_port()}, {"late": free_port()})
    told: list[Sent] = []
    for turn in range(times):
        receiver = start(path)
        burst = Burst(receiver.port, associations=3, each=100, first=turn * 2000, studies=3)
        burst.start()
        _wait_for(burst, chance.randrange(20, 200))
        outage.begin()
        bursts = [burst]
        if turn % 2:
            _kill(receiver)
            outage.end()
        else:
            outage.end()
            bursts.append(Burst(receiver.port, associations=3, each=20, first=turn * 2000 + 1000))
            bursts[1].start()
            bursts[1].join()
            _kill(receiver)
        burst.join()
        told += [Sent(uid, digest) for each in bursts for uid, digest in each.acknowledged.items()]
        assert losses(receiver.config, told, told) == []


def _kill(receiver: NodeProcess) -> None:
    """Kill it, and wait for the end of its children, which comes by itself."""
    processes = family(receiver.process.pid)
    receiver.kill()
    until(lambda: all(map(gone, processes)))


def _wait_for(burst: Burst, count: int) -> None:
    until(lambda: len(burst.acknowledged) >= count)


def test_what_was_acknowledged_is_there_after_postgresql_has_crashed(
    tmp_path: Path, start_process: Start
) -> None:
    with mortal() as outage:
        _crash_postgresql(outage, tmp_path, start_process, times=3, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_what_was_acknowledged_is_there_after_postgresql_has_crashed_thirty_times(
    tmp_path: Path, start_process: Start
) -> None:
    with mortal() as outage:
        _crash_postgresql(outage, tmp_path, start_process, times=30, seed=2)
