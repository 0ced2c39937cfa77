"""Processes that crash, hang or swell: what they worked on has failed, and nothing else."""

import os
import signal
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file

from scu.transcoding.decoders import Decoders
from scu.transcoding.source import CannotTranscode
from tests.scu.transcoding.test_decoder import request_of


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    made = Decoders(count=1, patience=20.0)
    yield made
    made.close()


@pytest.fixture
def rle() -> tuple[dict[str, Any], list[bytes], int]:
    dataset = pydicom.dcmread(get_testdata_file("MR_small_RLE.dcm"))
    request = request_of(dataset)
    return request, [dataset.PixelData], request["frame_bytes"]


Job = tuple[dict[str, Any], list[bytes], int]


def process_of(decoders: Decoders) -> Any:
    return decoders._idle[0]._process


def test_a_process_is_used_again(decoders: Decoders, rle: Job) -> None:
    frames, photometric = decoders.decode(*rle)
    first = process_of(decoders).pid
    assert (len(frames), len(frames[0]), photometric) == (1, 64 * 64 * 2, "MONOCHROME2")
    assert decoders.decode(*rle)[0] == frames
    assert process_of(decoders).pid == first


def test_data_that_cannot_be_decoded_costs_nothing_more(decoders: Decoders, rle: Job) -> None:
    decoders.decode(*rle)
    first = process_of(decoders).pid
    with pytest.raises(CannotTranscode, match="cannot be decoded"):
        decoders.decode(rle[0], [b"nonsense"], rle[2])
    assert process_of(decoders).pid == first


def test_a_process_that_died_is_replaced(decoders: Decoders, rle: Job) -> None:
    decoders.decode(*rle)
    process = process_of(decoders)
    process.kill()
    process.wait()
    with pytest.raises(CannotTranscode, match="broke down"):
        decoders.decode(*rle)
    assert len(decoders.decode(*rle)[0]) == 1
    assert process_of(decoders).pid != process.pid


def test_a_process_that_hangs_is_killed(rle: Job) -> None:
    decoders = Decoders(count=1)
    decoders.decode(*rle)
    decoders._patience = 0.5
    process = process_of(decoders)
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(CannotTranscode, match="took too long"):
        decoders.decode(*rle)
    assert process.returncode == -signal.SIGKILL
    decoders.close()


def test_a_decompression_bomb_meets_the_ceiling_of_memory(decoders: Decoders) -> None:
    # 64 x 64 says the header; 30,000 x 30,000 samples of 16 bits says the codestream (threat T6).
    size = struct.pack(">HHLLLLLLLLHBBB", 41, 0, 30000, 30000, 0, 0, 30000, 30000, 0, 0, 1, 15, 1, 1)
    cod = struct.pack(">HBBHBBBBBB", 12, 0, 0, 1, 0, 5, 4, 4, 0, 1)
    qcd = struct.pack(">HB", 19, 0x40) + bytes([0x48] * 16)
    stream = b"\xff\x4f\xff\x51" + size + b"\xff\x52" + cod + b"\xff\x5c" + qcd
    stream += b"\xff\x90" + struct.pack(">HHLBB", 10, 0, 14, 0, 1) + b"\xff\x93\xff\xd9"
    value = struct.pack("<HHLHHL", 0xFFFE, 0xE000, 0, 0xFFFE, 0xE000, len(stream)) + stream
    options = {
        "samples_per_pixel": 1, "rows": 64, "columns": 64, "bits_allocated": 16, "bits_stored": 16,
        "pixel_representation": 0, "photometric_interpretation": "MONOCHROME2",
    }  # fmt: skip
    request = {
        "transfer_syntax_uid": "1.2.840.10008.1.2.4.90",
        "number_of_frames": 1,
        "extended_offsets": [],
        "options": options,
    }
    with pytest.raises(CannotTranscode):
        decoders.decode(request, [value], 64 * 64 * 2)
    for process in decoders._idle:  # it may have died of it
        status = Path(f"/proc/{process._process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        assert peak < 600 << 10


def test_more_threads_than_processes_wait_for_their_turn(decoders: Decoders, rle: Job) -> None:
    done = []
    threads = [threading.Thread(target=lambda: done.append(decoders.decode(*rle))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 6
    assert len(decoders._idle) == 1
