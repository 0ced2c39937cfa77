"""Every DICOM file that pydicom has, over real associations, each in its own transfer syntax, and back.

Some are versions of the same instance, of which a node gives back the first: each version has its turn with a
node of its own.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest

from node.config import load
from node.intake.files import MEDIA_DIRECTORY, read_head
from tests.node.services.test_ingest_files import expected
from tests.support.caller import call, request, store
from tests.support.node import running, write_config
from tests.support.retrieving import STUDY_GET, ask, identifier, receiver
from tests.support.samples import CT_CLASS, pydicom_files

CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True)
class Sample:
    """A file as it is sent; `reason` says why it cannot be kept."""

    path: Path
    sop_class: str
    uid: str
    syntax: str
    data: bytes
    reason: str | None


def _samples() -> Iterator[Sample]:
    for number, path in enumerate(pydicom_files()):
        reason = expected(path)
        if reason == "no DICOM file":
            continue
        with path.open("rb") as file:
            head = read_head(file)
            data = head.rest + file.read()
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        uid = str(dataset.get("SOPInstanceUID", "")) or head.sop_instance_uid or f"2.25.{number + 1}"
        sop_class = str(dataset.get("SOPClassUID", "")) or head.sop_class_uid or CT_CLASS
        if reason == "no SOP Instance UID":
            reason = None  # the command set names it
        yield Sample(path, sop_class, uid, head.transfer_syntax_uid, data, reason)


def _turns() -> list[list[Sample]]:
    """Share them out so that no turn has an instance twice."""
    seen: Counter[str] = Counter()
    turns: list[list[Sample]] = []
    for sample in _samples():
        turn = seen[sample.uid]
        seen[sample.uid] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(sample)
    return turns


def _send(port: int, sample: Sample) -> int | None:
    """C-STORE it; return the status, None when its context is not accepted."""
    with call(port, request([(sample.sop_class, (sample.syntax,))])) as channel:
        if not channel.contexts:
            return None
        status, _ = store(channel, sample.data, sample.uid, sample.sop_class)
        channel.release()
        return status


def _get(port: int, sample: Sample) -> dict[str, tuple[str, bytes]]:
    asked = receiver([(sample.sop_class, (sample.syntax,))])
    with call(port, asked) as channel:
        result = ask(channel, STUDY_GET, identifier("IMAGE", SOPInstanceUID=sample.uid))
    assert result.end.status == 0, sample
    return result.instances


@pytest.mark.filterwarnings("ignore::UserWarning")  # of pydicom, about some of its files
def test_all_come_back_byte_for_byte(tmp_path: Path) -> None:
    stored = 0
    for number, turn in enumerate(_turns()):
        folder = tmp_path / str(number)
        folder.mkdir()
        config = load(write_config(folder, dicom={"drain_timeout": 1}), environ={})
        with running(config) as node:
            for sample in turn:
                status = _send(node.port, sample)
                if sample.reason is None:
                    assert status == 0, sample.path
                    stored += 1
                elif sample.sop_class == MEDIA_DIRECTORY:
                    assert status is None, sample.path
                else:
                    assert status == CANNOT_UNDERSTAND, sample.path
            for sample in turn:
                if sample.reason is None:
                    assert _get(node.port, sample) == {sample.uid: (sample.syntax, sample.data)}, sample.path
    assert stored > 170
