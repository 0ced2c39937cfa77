"""A disk that is full costs what does not fit and nothing else (T24 of docs/security.md)."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.caller import VERIFICATION, call, echo, request, store
from tests.support.command import assert_clean
from tests.support.disk import MIB, beside, fill, on_small_disk, seen_by
from tests.support.node import NodeProcess, write_config
from tests.support.querying import find
from tests.support.retrieving import STUDY_GET, ask, identifier, receiver
from tests.support.samples import BIG, EXPLICIT, IMPLICIT, ct, encode

OUT_OF_RESOURCES = 0xA700

Start = Callable[..., NodeProcess]


def _store(port: int, number: int, rows: int) -> int:
    dataset = ct(number, rows=rows)
    with call(port) as channel:
        status, comment = store(channel, encode(dataset), dataset.SOPInstanceUID)
    assert (status != 0) == bool(comment)
    return status


def _store_until_refused(port: int, first: int, rows: int) -> list[int]:
    """Store one image after the other; return the numbers of those that were taken."""
    for number in range(first, first + 2000):
        status = _store(port, number, rows)
        if status:
            assert status == OUT_OF_RESOURCES, f"{status:04X}"
            return list(range(first, number))
    raise AssertionError("the disk has no end")


def _assert_serving(port: int, numbers: list[int], rows: int) -> None:
    """See that everything but C-STORE works, and that these are there."""
    with call(port, request([(VERIFICATION, (IMPLICIT,))])) as channel:
        assert echo(channel) == 0
    keys = identifier("IMAGE", StudyInstanceUID="", SeriesInstanceUID="", SOPInstanceUID="")
    found, final = find(port, keys)
    assert final.status == 0
    for number in numbers:
        dataset = ct(number, rows=rows)
        assert any(f"{dataset.SOPInstanceUID}".encode() in answer for answer in found), number
    uids = "\\".join(ct(number).SOPInstanceUID for number in numbers)
    with call(port, receiver()) as channel:
        result = ask(channel, STUDY_GET, identifier("IMAGE", SOPInstanceUID=uids))
    assert result.end.status == 0
    assert result.instances == {
        ct(number).SOPInstanceUID: (EXPLICIT, encode(ct(number, rows=rows))) for number in numbers
    }


@pytest.mark.parametrize("floor", [16, 0], ids=["with a floor", "to the last byte"])
def test_a_full_disk_refuses_and_all_else_goes_on(
    tmp_path: Path, archive_url: str, start_process: Start, floor: int
) -> None:
    # With SQLite the index is on the same disk: it meets the end of it as well.
    url = "" if archive_url.startswith("sqlite") else archive_url
    config = write_config(tmp_path, url, blobs={"free_floor_mib": floor})
    data = tmp_path / "data"
    data.mkdir()
    process = start_process(config, within=on_small_disk(data, 64))
    assert process.config.data_dir == data
    ballast = fill(seen_by(process.process.pid, data), (floor + 4) * MIB)
    large = _store_until_refused(process.port, 1, BIG)
    small = _store_until_refused(process.port, 1001, 16)
    assert large
    _assert_serving(process.port, large[:1], BIG)
    if small:
        _assert_serving(process.port, [*small[:1], *small[-1:]], 16)
    assert _store(process.port, 5000, BIG) == OUT_OF_RESOURCES
    ballast.unlink()
    time.sleep(0.2)  # the store is asked for its free space ten times a second at most
    assert _store(process.port, 5000, BIG) == 0
    _assert_serving(process.port, [*large, 5000], BIG)
    assert_clean(config, beside(process.process.pid))
    assert process.stop() == 0


def test_a_floor_above_what_is_free_refuses_at_once(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    process = start_process(write_config(tmp_path, archive_url))
    assert _store(process.port, 1, 16) == 0
    assert process.stop() == 0
    config = write_config(tmp_path, archive_url, blobs={"free_floor_mib": 1 << 40})
    process = start_process(config)
    for rows in (16, BIG):
        assert _store(process.port, 2, rows) == OUT_OF_RESOURCES
    _assert_serving(process.port, [1], 16)
    assert process.stop() == 0
    assert_clean(config)
