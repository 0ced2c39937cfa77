"""A byte that changed in the store: loud, for its instance alone, and named by verification (T25)."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.caller import call, request
from tests.support.command import isocentre, know, verify
from tests.support.large import PROPOSED, Large
from tests.support.node import NodeProcess, write_config
from tests.support.retrieving import STUDY_GET, STUDY_MOVE, Retrieved, ask, fill, identifier, receiver
from tests.support.rot import rot
from tests.support.samples import IMPLICIT, ct, encode
from tests.support.strangers import Stranger, storescp

STUDY = "2.25.4711.1"
KEYS = identifier("STUDY", StudyInstanceUID=STUDY)
ROTTEN = str(ct(3).SOPInstanceUID)
OTHERS = {str(ct(number).SOPInstanceUID) for number in (1, 2, 4, 5)}

Start = Callable[..., NodeProcess]


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Stranger]:
    """dcmtk's storescp, to move to."""
    folder = tmp_path / "received"
    folder.mkdir()
    with storescp(folder, "+B", "+xe") as running:
        yield running


@pytest.fixture
def process(tmp_path: Path, archive_url: str, start_process: Start, stranger: Stranger) -> NodeProcess:
    """A node with five instances, one of which is not any more what was stored."""
    config = write_config(tmp_path, archive_url)
    know(config, stranger.ae_title, stranger.port)
    running = start_process(config)
    fill(running.port, [ct(number) for number in range(1, 6)])
    dataset = encode(ct(3))
    rot(config.parent / "data" / "blobs", dataset, len(dataset) - 20)
    return running


def _get(process: NodeProcess, keys: bytes = KEYS) -> Retrieved:
    with call(process.port, receiver()) as channel:
        return ask(channel, STUDY_GET, keys)


def _move(process: NodeProcess, stranger: Stranger, keys: bytes = KEYS) -> Retrieved:
    with call(process.port, request([(STUDY_MOVE, (IMPLICIT,))])) as channel:
        return ask(channel, STUDY_MOVE, keys, destination=stranger.ae_title)


def test_one_instance_fails_everywhere_and_by_name(
    process: NodeProcess, stranger: Stranger, tmp_path: Path
) -> None:
    got = _get(process)
    assert set(got.instances) == OTHERS
    moved = _move(process, stranger)
    assert len(stranger.files) == 4
    for each in (got.end, moved.end):
        assert (each.status, each.numbers, each.failed_uids) == (0xB000, (None, 4, 1, 0), [ROTTEN])
    _check_export(process, tmp_path / "exported")
    assert process.stop() == 0
    assert process.read_log().count("instance.damaged") >= 2
    report = verify(process.config_path)
    assert [(each["kind"], each["subject"]) for each in report["findings"]] == [("damaged", ROTTEN)]
    assert report["blobs"] == 5


def test_what_rotted_is_whole_again_when_it_is_sent_again(process: NodeProcess) -> None:
    assert set(_get(process).instances) == OTHERS
    fill(process.port, [ct(3)])
    assert set(_get(process).instances) == {*OTHERS, ROTTEN}
    assert process.stop() == 0
    assert verify(process.config_path)["clean"]


def _check_export(process: NodeProcess, folder: Path) -> None:
    done = isocentre(process.config_path, "export", STUDY, "--to", str(folder), "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["written"], list(told["failed"])) == (4, [ROTTEN])
    assert {path.stem for path in folder.rglob("*") if path.is_file()} == OTHERS


@pytest.mark.parametrize("frame", [1, 69])
def test_a_large_instance_is_not_given_out_with_a_changed_byte(
    tmp_path: Path, start_process: Start, stranger: Stranger, frame: int
) -> None:
    config = write_config(tmp_path)
    know(config, stranger.ae_title, stranger.port)
    process, large = start_process(config), Large(70)  # more than is read whole
    with call(process.port, request([PROPOSED])) as channel:
        assert large.send(channel) == 0
    rot(tmp_path / "data" / "blobs", large.begin_of(frame), 100)
    keys = identifier("STUDY", StudyInstanceUID=large.study_uid)
    with call(process.port, receiver([PROPOSED])) as channel:
        result = ask(channel, STUDY_GET, keys)
    assert result.instances == {}
    assert result.end.failed_uids == [large.uid]
    moved = _move(process, stranger, keys)
    assert (moved.end.numbers, moved.end.failed_uids) == ((None, 0, 1, 0), [large.uid])
    assert stranger.files == []
    assert process.stop() == 0
