"""The tour of README.md, run as it stands: its blocks are pasted into one shell, beside a node that serves.

Two things are changed. The ports stand for free ones; and the folder is not the repository but one with a
config.toml that says so, and with the environment of the tests as its `.venv`.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from node.config import Config
from tests.house.sources import ROOT
from tests.support.dcmtk import tool
from tests.support.node import NodeProcess, free_port, write_config

PROGRAMS = ("storescp", "storescu", "findscu", "getscu", "dcmodify")
SECONDS = 300.0
PADDING = 0xFFFCFFFC  # DataSetTrailingPadding: dcmtk does not send it

_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "\x1e"


@dataclass(frozen=True)
class Step:
    """Commands to paste, and what they print, as far as the text says."""

    commands: str
    shown: str = "…"


def steps(text: str) -> list[Step]:
    """Return the `sh` blocks of `text`, each with the `text` block that follows it."""
    found: list[Step] = []
    for kind, block in _BLOCK.findall(text):
        if kind == "sh":
            found.append(Step(block))
        else:
            found[-1] = Step(found[-1].commands, block)
    return found


def fits(shown: str, printed: str) -> bool:
    """Tell whether `printed` is what is shown.

    An ellipsis stands for anything on its line, and for any lines where it has one of its own. How wide the
    gaps are does not matter.
    """
    pattern = "".join(
        r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in _squeezed(shown)
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _squeezed(printed))) is not None


def _squeezed(text: str) -> list[str]:
    return [re.sub(" +", " ", line.strip()) for line in text.strip().splitlines()]


def with_ports(text: str, config: Config) -> str:
    """Return `text` with the ports of a node that runs, and a free one for the PACS."""
    for written, actual in {11112: config.dicom.port, 11113: free_port()}.items():
        text = re.sub(rf"\b{written}\b", str(actual), text)
    return text


def paste(tour: list[Step], folder: Path) -> list[str]:
    """Run the steps in one shell in `folder`; return what each printed."""
    script = "".join(f"{step.commands}\nprintf '{_END}'\n" for step in tour)
    own = Path(sys.prefix, "bin").resolve()
    rest = [each for each in os.get_exec_path() if Path(each).resolve() != own]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ISOCENTRE_")}
    environ |= {"PATH": os.pathsep.join([str(tool(PROGRAMS[0]).parent), *rest]), "TMPDIR": str(folder)}
    output = folder / "output"
    with output.open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            code = shell.wait(SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the PACS outlives a shell that failed
                os.killpg(shell.pid, signal.SIGKILL)
    said = output.read_text(encoding="utf-8", errors="replace")
    assert code == 0, said
    return said.split(_END)[: len(tour)]


def wait_until_ready(process: NodeProcess) -> None:
    """Return when `isocentre serve` has said that everything works."""
    deadline = time.monotonic() + SECONDS
    while "ready" not in process.read_log().splitlines():
        assert process.process.poll() is None, process.read_log()
        assert time.monotonic() < deadline, process.read_log()
        time.sleep(0.05)


def content(path: Path) -> Dataset:
    """Read what is in a file, without its group 2."""
    dataset = dcmread(path)
    dataset.pop(PADDING, None)
    return dataset


def test_the_tour_goes_as_it_is_written(tmp_path: Path, start_process: Callable[..., NodeProcess]) -> None:
    for name in PROGRAMS:
        tool(name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    config = write_config(tmp_path, dicom={"query_from": "known"})
    process = start_process(config, "serve", wait=False)
    wait_until_ready(process)
    text = with_ports((ROOT / "README.md").read_text(encoding="utf-8"), process.config)
    *tour, last = steps(text)
    assert "rm -r" in last.commands  # what it removes is to be looked at

    printed = paste([*tour, Step(last.commands.replace("rm -r", "echo"))], tmp_path)

    for step, words in zip(tour, printed[:-1], strict=True):
        assert fits(step.shown, words), f"{step.commands}\n{words}"
    for sample, found in (("CT_small.dcm", "pacs/CT.1.3.6.1.4.1.5962.*"), ("MR_small.dcm", "got/*")):
        (path,) = tmp_path.glob(f"*/{found}")
        assert content(path) == content(Path(str(get_testdata_file(sample))))
    assert process.stop() == 0


def test_steps_are_read_with_what_they_print() -> None:
    text = "a\n```sh\nb\n```\n\n```sh\nc\nd\n```\ne\n```text\nf … g\n```\n```\nnot a step\n```\n"
    assert steps(text) == [Step("b\n"), Step("c\nd\n", "f … g\n")]


@pytest.mark.parametrize(
    ("shown", "printed", "fit"),
    [
        ("a … c\n", "a b  c\n\n", True),
        ("…\nb\n", "x\ny\nb", True),
        ("b\n…", "b", True),
        ("a  (b)", "a (b)", True),
        ("a", "a b", False),
        ("a …", "a b\nc", False),
        ("…\nb", "b c", False),
    ],
)
def test_what_is_shown(shown: str, printed: str, fit: bool) -> None:
    assert fits(shown, printed) is fit
