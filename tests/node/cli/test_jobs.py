import json
from pathlib import Path

from click.testing import CliRunner, Result

from node.cli.main import main
from node.root import Node
from storage.records.jobs import JobState
from tests.support.opened import NOW, claim, enqueue, job_of


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["jobs", *arguments, "--config", str(tmp_path / "config.toml")])


def test_jobs_are_listed(node: Node, tmp_path: Path):
    assert run(tmp_path, "list").stdout == "There are no such jobs.\n"
    enqueue(node, "scrub")
    number = enqueue(node, "sweep", payload={"n": 1})
    shown = run(tmp_path, "list").stdout.splitlines()
    assert shown[0].split()[:3] == ["ID", "KIND", "STATE"]
    assert shown[1].split()[:3] == [str(number), "sweep", "queued"]
    (found,) = json.loads(run(tmp_path, "list", "--kind", "sweep", "--state", "queued", "--json").stdout)
    assert (found["id"], found["payload"], found["state"]) == (number, {"n": 1}, "queued")
    assert json.loads(run(tmp_path, "list", "--state", "dead", "--json").stdout) == []


def test_a_job_is_shown(node: Node, tmp_path: Path):
    number = enqueue(node, "scrub", payload={"n": 1})
    shown = run(tmp_path, "show", str(number))
    assert shown.exit_code == 0
    assert "kind          scrub\n" in shown.stdout
    assert "payload       {'n': 1}\n" in shown.stdout
    assert json.loads(run(tmp_path, "show", str(number), "--json").stdout)["kind"] == "scrub"
    missing = run(tmp_path, "show", "999")
    assert missing.exit_code == 1
    assert missing.stderr == "isocentre: job 999: there is none; isocentre jobs list shows them\n"


def test_a_job_is_cancelled_and_retried(node: Node, tmp_path: Path):
    number = enqueue(node, "scrub")
    assert run(tmp_path, "cancel", str(number)).stdout.startswith(f"Job {number} (scrub) is cancelled.")
    assert job_of(node, number).state is JobState.CANCELLED
    again = run(tmp_path, "cancel", str(number))
    assert again.exit_code == 1
    assert "it is cancelled, so it cannot be cancelled" in again.stderr
    assert json.loads(run(tmp_path, "retry", str(number), "--json").stdout)["state"] == "queued"
    assert job_of(node, number).state is JobState.QUEUED


def test_all_dead_jobs_are_retried(node: Node, tmp_path: Path):
    numbers = [dead(node, kind) for kind in ("scrub", "sweep")]
    assert run(tmp_path, "retry", "--all", "--kind", "scrub").stdout == "1 job is queued again.\n"
    assert [job_of(node, number).state for number in numbers] == [JobState.QUEUED, JobState.DEAD]
    assert json.loads(run(tmp_path, "retry", "--all", "--json").stdout) == {"queued": 1}
    for said in ([], [str(numbers[0]), "--all"], [str(numbers[0]), "--kind", "scrub"]):
        refused = run(tmp_path, "retry", *said)
        assert (refused.exit_code, "say which job" in refused.stderr) == (1, True)


def test_a_held_job_is_released(node: Node, tmp_path: Path):
    number = enqueue(node, "infer", held="look at it")
    assert run(tmp_path, "release", str(number)).stdout.startswith(f"Job {number} (infer) is queued")
    assert job_of(node, number).state is JobState.QUEUED
    again = run(tmp_path, "release", str(number))
    assert (again.exit_code, "it is queued, not held" in again.stderr) == (1, True)


def dead(node: Node, kind: str) -> int:
    number = enqueue(node, kind)
    held = claim(node, kind)
    with node.archive.begin() as tx:
        tx.jobs.fail(held, "hopeless", NOW, None)
        tx.commit()
    return number
