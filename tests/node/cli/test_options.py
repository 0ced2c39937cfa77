from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from node.cli.options import config_option, config_path, json_option
from node.cli.output import Output
from node.config import Config


@click.command()
@config_option
@json_option
def command(config: Config, out: Output) -> None:
    out.result({"port": config.dicom.port, "path": config_path()}, f"{config.dicom.port} {config_path()}")


def run(*arguments: str, **environ: str) -> str:
    result = CliRunner().invoke(command, arguments, env={"ISOCENTRE_CONFIG": None, **environ})
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "site.toml"
    path.write_text("[dicom]\nport = 104\n")
    return path


def test_without_any_file_the_defaults_hold(site: Path):
    assert run() == "11112 None\n"


def test_the_option_names_the_file(site: Path):
    assert run("--config", "site.toml") == f"104 {site}\n"


def test_the_environment_names_the_file_unless_the_option_does(site: Path):
    assert run(ISOCENTRE_CONFIG=str(site)) == f"104 {site}\n"
    (site.parent / "other.toml").write_text("[dicom]\nport = 105\n")
    assert run("--config", "other.toml", ISOCENTRE_CONFIG=str(site)).startswith("105 ")


def test_the_working_directory_may_have_it(site: Path):
    site.rename(site.with_name("config.toml"))
    assert run() == f"104 {site.with_name('config.toml')}\n"


def test_json(site: Path):
    assert run("--json") == '{\n  "port": 11112,\n  "path": null\n}\n'
