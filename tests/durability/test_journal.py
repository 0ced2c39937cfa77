"""The index is written behind what is acknowledged: nobody may notice, whatever dies in between."""

import os
import signal
import time
from pathlib import Path

import pytest

from scu.wire.channel import Channel
from scu.wire.command import AFFECTED_SOP_CLASS_UID, MESSAGE_ID, PRIORITY, Command, CommandField
from tests.support.burst import Burst
from tests.support.caller import STUDY_FIND, call, context_of, store
from tests.support.command import assert_clean
from tests.support.kept import assert_kept
from tests.support.node import NodeProcess, write_config
from tests.support.samples import ct, encode
from tests.support.serving import Start, until

_PENDING = 0xFF00


def _count(channel: Channel, study: str) -> int:
    """How many instances a study is said to have (0 when it is not found)."""
    key = study.encode() + b"\0" * (len(study) % 2)
    identifier = b"".join(
        tag + len(value).to_bytes(4, "little") + value
        for tag, value in (
            (b"\x08\x00\x52\x00", b"STUDY "),
            (b"\x20\x00\x0d\x00", key),
            (b"\x20\x00\x08\x12", b""),
        )
    )
    command = Command.of(CommandField.C_FIND_RQ).us(MESSAGE_ID, 7).us(PRIORITY, 0)
    channel.send(context_of(channel, STUDY_FIND), command.uid(AFFECTED_SOP_CLASS_UID, STUDY_FIND), identifier)
    found = 0
    while True:
        answer = channel.receive()
        if answer.command.status != _PENDING:
            return found
        data = channel.read_dataset(1 << 16)
        at = data.index(b"\x20\x00\x08\x12")
        found = int(data[at + 8 : at + 8 + data[at + 4]].strip())


def _indexers(process: NodeProcess) -> list[int]:
    """The processes that a receiver keeps to write the index: grandchildren."""
    found = []
    for child in _children(process.process.pid):
        found += _children(child)
    return found


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def test_what_was_acknowledged_is_found_at_once(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    process = start_process(write_config(tmp_path, archive_url))
    study = str(ct(1).StudyInstanceUID)
    with call(process.port) as channel, call(process.port) as other:
        for number in range(1, 16):
            dataset = ct(number)
            assert store(channel, encode(dataset), str(dataset.SOPInstanceUID)) == (0, "")
            assert _count(other if number % 2 else channel, study) == number
        channel.release()
        other.release()
    assert process.stop() == 0


def _kill_indexers(folder: Path, url: str, start: Start, times: int) -> None:
    config = write_config(folder, url)
    process = start(config)
    burst = Burst(process.port, each=80 * times)
    burst.start()
    for _ in range(times):
        until(lambda: _indexers(process), process)
        time.sleep(0.2)
        for pid in _indexers(process):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)
    burst.join()
    assert burst.refused == []
    assert len(burst.acknowledged) == 4 * 80 * times
    assert_kept(process.config, burst.acknowledged)
    assert process.stop() == 0
    assert_clean(config)


def test_an_indexer_that_is_killed_loses_and_refuses_nothing(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    _kill_indexers(tmp_path, archive_url, start_process, 2)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_indexer_that_is_killed_again_and_again_loses_and_refuses_nothing(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    _kill_indexers(tmp_path, archive_url, start_process, 20)


def test_of_two_receivers_the_one_that_is_left_goes_on(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    config = write_config(tmp_path, archive_url, dicom={"processes": 2})
    first = start_process(config)
    until(lambda: "index.ready" in first.read_log(), first)  # it leads
    second = start_process(config)
    until(lambda: second.read_log().count("scp.ready") > 0, second)
    burst = Burst(first.port, associations=6, each=120)
    burst.start()
    until(lambda: len(burst.acknowledged) > 100, first)
    first.kill()
    burst.join()
    assert burst.refused == []
    again = Burst(second.port, each=40, first=100_000)
    again.start()
    again.join()
    assert len(again.acknowledged) == 160
    assert_kept(second.config, burst.acknowledged | again.acknowledged)
    assert second.stop() == 0
    assert_clean(config)


def test_stopping_under_load_leaves_nothing_out_of_the_index(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    config = write_config(tmp_path, archive_url, dicom={"drain_timeout": 1})
    process = start_process(config)
    burst = Burst(process.port, each=2000)
    burst.start()
    until(lambda: len(burst.acknowledged) > 50, process)
    assert process.stop() == 0
    burst.join()
    assert_kept(process.config, burst.acknowledged)
    assert_clean(config)
