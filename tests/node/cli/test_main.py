import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from node.cli.main import Program, main
from node.core.errors import UserError
from scu.errors import CannotConnect
from storage.errors import Unavailable

PROGRAM = Path(sys.executable).with_name("isocentre")


def test_every_command_is_there_and_says_what_it_does():
    context = click.Context(main)
    names = main.list_commands(context)
    assert {"check-config", "db", "export", "find", "get", "import", "peer", "scp", "send"} <= set(names)
    for name in names:
        command = main.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str()
    assert main.get_command(context, "no-such") is None


def leaves(command: click.Command, name: str = "isocentre") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for each in command.list_commands(context):
        found = command.get_command(context, each)
        assert found is not None
        yield from leaves(found, f"{name} {each}")


def test_every_command_takes_config_and_json():
    processes = {"scp", "worker", "console", "scheduler", "serve"}
    for name, command in leaves(main):
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--config" in options, name
        assert command.name in processes or "--json" in options, name


def test_every_command_and_option_is_in_the_documentation():
    text = (Path(__file__).parents[3] / "docs" / "cli.md").read_text("utf-8")
    for name, command in leaves(main):
        assert f"`{name}" in text, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                longest = {max(parameter.opts, key=len), *parameter.secondary_opts}
                assert any(option in text for option in longest), f"{name} {longest}"


def test_the_program_runs():
    run = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("isocentre ")


def test_a_command_that_is_misspelt():
    result = CliRunner().invoke(main, ["peers"])
    assert result.exit_code == 2
    assert "there is no command peers; did you mean peer?" in result.stderr


def program_that(error: Exception) -> Program:
    program = Program()

    @click.command()
    def fail() -> None:
        raise error

    program.get_command = lambda *_: fail
    program.list_commands = lambda *_: ["fail"]
    return program


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("wrong,\nhere; do that"), "isocentre: wrong, here; do that\n"),
        (Unavailable("database: away"), "isocentre: database: away\n"),
        (CannotConnect("no way", retry=True, advice="Try."), "isocentre: no way. Try.\n"),
        (CannotConnect("no way", retry=True), "isocentre: no way\n"),
    ],
)
def test_what_went_wrong_is_one_line_and_exit_code_1(error: Exception, line: str):
    result = CliRunner().invoke(program_that(error), ["fail"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", line)


def test_a_mistake_in_the_configuration_is_one_line(tmp_path: Path):
    (tmp_path / "config.toml").write_text("[dicom]\nprot = 1\n")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("ISOCENTRE_")}
    run = subprocess.run(
        [PROGRAM, "peer", "list"], capture_output=True, text=True, check=False, cwd=tmp_path, env=environ
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == 'isocentre: config.toml: dicom.prot: unknown key; did you mean "port"?\n'
