import tomllib
from pathlib import Path

from node.config import Config, load
from node.config.reference import markdown, sections, toml, write

TOP = Path(__file__).parents[3]


def test_the_files_are_up_to_date():
    again = "run: python -m node.config.reference"
    assert (TOP / "config.toml").read_text("utf-8") == toml(), again
    assert (TOP / "docs" / "configuration.md").read_text("utf-8") == markdown(), again


def test_config_toml_is_the_defaults():
    config = load(TOP / "config.toml", {})
    assert config.data_dir == TOP / "data"
    assert config.model_copy(update={"node": Config().node}) == Config()


def test_config_toml_has_every_key():
    tables = tomllib.loads(toml())
    assert {name: set(keys) for name, keys in tables.items()} == {
        name: set(section.model_fields) for name, section in sections()
    }


def test_every_key_is_documented():
    for name, section in sections():
        assert section.__doc__
        for key, field in section.model_fields.items():
            assert field.description, f"{name}.{key}"
            assert f"### {name}.{key}" in markdown()


def test_bounds_and_choices_are_told():
    text = " ".join(markdown().split())
    assert (
        "whole number, at least 4096, at most 1048576; default `131072`; `ISOCENTRE_DICOM__MAX_PDU`" in text
    )
    assert '`"any"` or `"known"`; default `"known"`; `ISOCENTRE_DICOM__QUERY_FROM`' in text
    assert 'list of text, with commas between in the environment; default `["A9xx", ' in text
    assert "number, more than 0, at most 86400; default `300`" in text


def test_they_are_written(tmp_path: Path):
    (tmp_path / "docs").mkdir()
    write(tmp_path)
    assert (tmp_path / "config.toml").read_text("utf-8") == toml()
