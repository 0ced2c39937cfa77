"""Part 10 files for tests, and the commands of `isocentre` run on an archive of their own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from pydicom.dataset import Dataset

from node.cli.main import main
from node.intake.part10 import encode_meta
from tests.support.samples import EXPLICIT, encode


def part10(dataset: Dataset, transfer_syntax: str = EXPLICIT, preamble: bytes = bytes(128)) -> bytes:
    """The bytes of a file that holds `dataset`."""
    meta = encode_meta(dataset.SOPClassUID, dataset.SOPInstanceUID, transfer_syntax)
    return preamble + meta[128:] + encode(dataset, transfer_syntax)


def write_files(folder: Path, *datasets: Dataset) -> Path:
    """Write each of `datasets` to a file below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, dataset in enumerate(datasets, 1):
        (folder / f"IM{number:04}").write_bytes(part10(dataset))
    return folder


@dataclass
class Commands:
    """The command line on one configuration."""

    config: Path

    def __call__(self, *arguments: object) -> Result:
        """Run a command; see what it said and how it ended."""
        environ = {"ISOCENTRE_CONFIG": str(self.config)}
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], env=environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def ok(self, *arguments: object) -> str:
        """Run a command that must succeed; return what it wrote."""
        result = self(*arguments)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def json(self, *arguments: object) -> Any:
        """Run a command that must succeed with --json; return what it wrote."""
        return json.loads(self.ok(*arguments, "--json"))

    def fails(self, *arguments: object) -> str:
        """Run a command that must fail; return the line that says why."""
        result = self(*arguments)
        assert result.exit_code == 1, result.output
        lines = result.stderr.splitlines()
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("isocentre: ")
        return lines[0].removeprefix("isocentre: ")
