"""Two receivers on one port: one study from all at once, duplicates and conflicts among it."""

from pathlib import Path

from tests.support.burst import Burst
from tests.support.command import assert_clean
from tests.support.kept import assert_kept, opened, versions
from tests.support.node import NodeProcess, write_config
from tests.support.samples import ROOT
from tests.support.serving import Start, family, serve, until

EACH = 30
TROUBLE = ("database is locked", "deadlock", "DeadlockDetected", "40P01", "Traceback", "store.refused")


def _receivers_that_stored(process: NodeProcess) -> int:
    """How many processes have written instances: their keys begin with a token of the writer."""
    with opened(process.config) as (archive, _), archive.read() as tx:
        keys = [each.blob.key for _, each in tx.instances.page(0, 100_000)]
    return len({key.rpartition("/")[2].partition("-")[0] for key in keys})


def _send_one_study(process: NodeProcess, first: int) -> dict[str, set[str]]:
    """Send by four associations, the same again by four others, and other content by two more."""
    bursts = [
        Burst(process.port, associations=4, each=EACH, first=first),
        Burst(process.port, associations=4, each=EACH, first=first),
        Burst(process.port, associations=2, each=EACH, first=first, rows=18),
    ]
    for burst in bursts:
        burst.start()
    for burst in bursts:
        burst.join()
        assert burst.refused == []
        assert len(burst.acknowledged) == burst.associations * EACH
    return {
        uid: {burst.acknowledged[uid] for burst in bursts if uid in burst.acknowledged}
        for uid in bursts[0].acknowledged
    }


def test_two_receivers_keep_one_study_from_many_senders(
    tmp_path: Path, archive_url: str, start_process: Start
) -> None:
    config = write_config(tmp_path, archive_url, dicom={"processes": 2})
    process = serve(start_process, config)
    assert sorted(family(process).values()) == ["console", "scheduler", "scp", "scp", "worker"]
    acknowledged: dict[str, set[str]] = {}
    for turn in range(1, 8):  # the kernel chooses who is called
        acknowledged |= _send_one_study(process, turn * 1000)
        if _receivers_that_stored(process) == 2:
            break
    assert _receivers_that_stored(process) == 2
    assert process.stop() == 0
    assert versions(process.config) == acknowledged
    with opened(process.config) as (archive, _), archive.read() as tx:
        study = tx.studies.get(f"{ROOT}.1")
    assert study is not None
    assert (study.number_of_series, study.number_of_instances) == (1, len(acknowledged))
    assert_clean(config)
    said = process.read_log()
    assert [word for word in TROUBLE if word in said] == []


def test_two_receivers_share_many_studies(tmp_path: Path, archive_url: str, start_process: Start) -> None:
    """Each sender has its own order of ten studies: what locks rows may lock them crosswise."""
    config = write_config(tmp_path, archive_url, dicom={"processes": 2})
    first = start_process(config)
    until(lambda: "scp.ready" in first.read_log(), first)
    second = start_process(config)  # the port answers already
    until(lambda: "scp.ready" in second.read_log(), second)
    bursts = [Burst(first.port, each=EACH, first=n * 1000, studies=10) for n in range(2)]
    for burst in bursts:
        burst.start()
    for burst in bursts:
        burst.join()
        assert burst.refused == []
        assert len(burst.acknowledged) == 4 * EACH
        assert_kept(first.config, burst.acknowledged)
    assert (first.stop(), second.stop()) == (0, 0)
    with opened(first.config) as (archive, _), archive.read() as tx:
        studies = [tx.studies.get(f"{ROOT}.{number}") for number in range(1, 11)]
    assert sum(study.number_of_instances for study in studies if study) == 8 * EACH
    assert_clean(config)
    said = first.read_log()
    assert [word for word in TROUBLE if word in said] == []
