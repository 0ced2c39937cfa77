import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.caller import call, echo
from tests.support.node import NodeProcess, free_port, write_config

PROGRAM = Path(sys.executable).with_name("isocentre")


def test_the_receiver_answers_and_stops_when_told(
    tmp_path: Path, start_process: Callable[..., NodeProcess]
) -> None:
    process = start_process(write_config(tmp_path), "scp")
    with call(process.port) as channel:
        assert echo(channel) == 0
        channel.release()
    assert process.stop() == 0
    assert "scp.stopped" in process.read_log()


def test_the_keyboard_stops_it_too(tmp_path: Path, start_process: Callable[..., NodeProcess]) -> None:
    process = start_process(write_config(tmp_path), "scp")
    process.process.send_signal(signal.SIGINT)
    assert process.process.wait(30) == 0


def test_a_port_that_is_taken_ends_it_with_a_word(
    tmp_path: Path, start_process: Callable[..., NodeProcess]
) -> None:
    process = start_process(write_config(tmp_path), "scp")
    (tmp_path / "second").mkdir()
    second = write_config(tmp_path / "second", dicom={"port": process.port})
    done = subprocess.run(
        [PROGRAM, "scp", "--config", second], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert f"[dicom] port: cannot listen on 127.0.0.1 port {process.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_certificate_that_is_none_ends_it_with_a_word(tmp_path: Path) -> None:
    wrong = tmp_path / "certificate.pem"
    wrong.write_text("no certificate")
    config = write_config(tmp_path, dicom={"tls_port": free_port(), "tls_certificate": str(wrong)})
    done = subprocess.run(
        [PROGRAM, "scp", "--config", config], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "tls_certificate" in done.stderr
    assert "Traceback" not in done.stderr
