import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.cli.main import main


def check(path: Path | None, *arguments: str, **environ: str) -> Result:
    given = ["--config", str(path)] if path else []
    return CliRunner().invoke(
        main, ["check-config", *given, *arguments], env={"ISOCENTRE_CONFIG": None, **environ}
    )


def test_what_holds_is_shown(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text("[dicom]\nport = 104\n")
    result = check(path, ISOCENTRE_CONSOLE__PORT="9090")
    assert result.exit_code == 0
    assert "dicom.port = 104\n" in result.stdout
    assert "console.port = 9090\n" in result.stdout
    assert f"node.data_dir = {tmp_path}/data\n" in result.stdout
    assert result.stdout.endswith("The configuration is right.\n")
    shown = json.loads(check(path, "--json").stdout)
    assert shown["dicom"]["port"] == 104


def test_nothing_is_made(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text("")
    assert check(path).exit_code == 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_mistake_is_told(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text('[dicom]\nport = "104"\n')
    result = check(path, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"isocentre: {path}: dicom.port: expected a whole number without quotes\n"


def test_a_file_that_is_not_there(tmp_path: Path):
    result = check(tmp_path / "site.toml")
    assert result.exit_code == 1
    assert "No such file" in result.stderr


def test_the_environment_names_the_file(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text("[dicom]\nport = 104\n")
    assert "dicom.port = 104" in check(None, ISOCENTRE_CONFIG=str(path)).stdout


def test_the_usual_file_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "config.toml").write_text("[dicom]\nport = 104\n")
    monkeypatch.chdir(tmp_path)
    assert "dicom.port = 104" in check(None).stdout


def test_named_files_must_be_there(tmp_path: Path):
    path = tmp_path / "site.toml"
    path.write_text('[dicom]\ntls_certificate = "node.pem"\ntls_key = "node.key"\n')
    result = check(path)
    assert result.exit_code == 1
    assert f"dicom.tls_certificate: there is no file {tmp_path}/node.pem; dicom.tls_key:" in result.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://user:S3CRET@db/x",
        "postgresql+psycopg2://user:S3C@S3CRET@db/x",
        "s3://bucket/x?secret_access_key=S3CRET&region=eu",
        "postgresql+psycopg2://db/x?user=u&password=S3CRET",
    ],
)
def test_secrets_are_not_shown(tmp_path: Path, url: str):
    path = tmp_path / "site.toml"
    path.write_text(f'[database]\nurl = "{url}"\n')
    result = check(path)
    assert result.exit_code == 0
    assert "S3C" not in result.output
    assert "***" in result.output
