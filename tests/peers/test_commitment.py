"""Orthanc takes instances, is asked what it keeps, and reports over an association of its own."""

import time
from collections.abc import Callable
from pathlib import Path

from node.jobs import commit
from node.jobs.task import Task
from node.services.sending import send_study
from tests.support.committing import due, standing
from tests.support.node import Running
from tests.support.opened import claim, enqueue
from tests.support.orthancs import orthanc
from tests.support.retrieving import fill
from tests.support.samples import ct


def test_orthanc_commits_what_it_has_and_nothing_else(
    start_node: Callable[..., Running], tmp_path: Path
) -> None:
    running = start_node(delivery={"commitment_wait": 0.1})
    node = running.node
    kept, lost = ct(1), ct(1, study=2)
    fill(running.port, [kept, lost])
    with orthanc(tmp_path / "orthanc", running.port) as stranger:
        peer = node.peers.add("pacs", ae_title="ORTHANC", host="127.0.0.1", port=stranger.port)
        sent = send_study(node.retrieve, str(kept.StudyInstanceUID), peer, node.config.dicom)
        assert (sent.sent, sent.failed) == (1, {})
        due(node.archive, "pacs", [str(kept.SOPInstanceUID), str(lost.SOPInstanceUID)])
        enqueue(node, "commit", payload={"destination": "pacs"})
        commit.run(Task(node, claim(node, "commit")))
        expected = {
            str(kept.SOPInstanceUID): ("delivered", "yes"),
            str(lost.SOPInstanceUID): ("queued", ""),
        }
        deadline = time.monotonic() + 60
        while (now := standing(node.archive)) != expected:
            log = (stranger.folder / "orthanc.log").read_text(errors="replace")
            assert time.monotonic() < deadline, f"{now}\n{log[-4000:]}"
            time.sleep(0.1)
    with node.archive.read() as tx:
        (told,) = tx.events.list(kind="delivery.uncommitted")
    assert told.sop_instance_uid == str(lost.SOPInstanceUID)
    assert "0x0112" in told.detail["words"]
