import json
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from node.cli.serve import next_steps
from node.config import load
from node.run.opening import open_archive
from node.run.ports import check_free
from scu.wire.errors import WireError
from scu.wire.negotiate import AssociationRejected
from tests.support.caller import CT, call, context_of, echo, pdata, pdv, store_command
from tests.support.dcmtk import tool
from tests.support.node import NodeProcess, write_config
from tests.support.samples import ct, encode
from tests.support.serving import children, gone, serve, until

Start = Callable[..., NodeProcess]


def answers(port: int) -> bool:
    try:
        with call(port) as channel:
            return echo(channel) == 0
    except (OSError, WireError, AssociationRejected):
        return False


def test_a_first_start_says_what_to_try_and_that_works(
    start_process: Start, tmp_path: Path, archive_url: str
):
    config = write_config(tmp_path, archive_url)
    process = serve(start_process, config)
    said = process.read_log()
    port, folder = process.port, process.config.data_dir
    assert "AE title     ISOCENTRE\n" in said
    assert f"DICOM port   {port}, on 127.0.0.1\n" in said
    assert f"Console      http://127.0.0.1:{process.config.console.port}/\n" in said
    assert f"Data folder  {folder}\n" in said
    tries = [shlex.split(line) for line in said.splitlines() if line.startswith("  echoscu")]
    assert tries == [["echoscu", "-aec", "ISOCENTRE", "127.0.0.1", str(port)]]
    subprocess.run([tool("echoscu"), *tries[0][1:]], check=True)
    assert "isocentre peer add" not in said  # here anybody may query
    assert sorted(children(process)) == ["console", "scheduler", "scp", "worker"]
    assert process.stop() == 0
    check_free("dicom.port", "127.0.0.1", port)


def test_who_queries_has_to_be_named_unless_anybody_may(tmp_path: Path):
    known = load(write_config(tmp_path, dicom={"query_from": "known"}), environ={})
    assert any(line.startswith("  isocentre peer add NAME --ae-title") for line in next_steps(known))


def test_a_killed_receiver_is_there_again(start_process: Start, tmp_path: Path):
    process = serve(start_process, write_config(tmp_path))
    first = children(process)
    os.kill(first["scp"], signal.SIGKILL)
    until(lambda: children(process).get("scp", first["scp"]) != first["scp"], process)
    until(lambda: answers(process.port), process)
    assert "supervisor.restart" in process.read_log()
    now = children(process)
    assert {name: now[name] for name in ("console", "scheduler", "worker")} == {
        name: first[name] for name in ("console", "scheduler", "worker")
    }
    assert process.stop() == 0


def test_what_comes_in_when_it_stops_is_still_kept(start_process: Start, tmp_path: Path):
    process = serve(start_process, write_config(tmp_path, dicom={"drain_timeout": 60}))
    dataset, uid = encode(ct()), ct().SOPInstanceUID
    with call(process.port) as channel:
        context = context_of(channel, CT)
        command = store_command(CT, uid).with_data().encode()
        channel.link.send(
            [pdata(pdv(context.context_id, 3, command)), pdata(pdv(context.context_id, 0, dataset[:100]))]
        )
        process.process.terminate()
        until(lambda: not answers(process.port), process)  # nobody else comes in
        channel.link.send([pdata(pdv(context.context_id, 2, dataset[100:]))])
        assert channel.receive().command.status == 0
    assert process.process.wait(60) == 0
    archive = open_archive(process.config)
    with archive.read() as tx:
        assert tx.instances.get(uid) is not None
    archive.close()


def test_all_die_with_a_supervisor_that_is_killed(start_process: Start, tmp_path: Path):
    process = serve(start_process, write_config(tmp_path))
    pids = list(children(process).values())
    assert len(pids) == 4
    process.kill()
    deadline = time.monotonic() + 60
    while not all(map(gone, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    serve(start_process, process.config_path)  # so the ports are free again


def ended(process: NodeProcess) -> str:
    """What it said when it gave up."""
    assert process.process.wait(120) == 1
    return process.read_log()


@pytest.mark.parametrize("table", ["dicom", "console"])
def test_a_port_that_is_taken_is_told_at_once(start_process: Start, tmp_path: Path, table: str):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = write_config(tmp_path, **{table: {"port": port}})
        said = ended(start_process(config, "serve", wait=False))
    assert f"isocentre: {table}.port: cannot listen on 127.0.0.1 port {port}: Address already in use" in said
    assert not (tmp_path / "data").exists()


def test_a_process_that_refuses_to_start_ends_all(start_process: Start, tmp_path: Path):
    config = write_config(tmp_path, console={"host": "0.0.0.0"})
    said = ended(start_process(config, "serve", wait=False))
    assert "console.host: 0.0.0.0 can be reached by other machines" in said
    assert "isocentre: console cannot start (exit code 78); what it said stands above" in said


def test_for_machines(start_process: Start, tmp_path: Path):
    config = write_config(tmp_path, dicom={"processes": 2})
    process = start_process(config, "serve", "--json", wait=False)
    until(lambda: '"ready": true' in process.read_log(), process)
    lines = process.read_log().splitlines()
    first = lines.index("{")
    told = json.loads("\n".join(lines[first : lines.index("}", first) + 1]))
    assert told["port"] == process.port
    assert told["ae_title"] == "ISOCENTRE"
    assert told["data_dir"] == str(process.config.data_dir)
    assert process.stop() == 0


def test_a_port_that_nobody_could_be_told(start_process: Start, tmp_path: Path):
    config = write_config(tmp_path, dicom={"port": 0})
    assert "0 is no port that others could be told" in ended(start_process(config, "serve", wait=False))
