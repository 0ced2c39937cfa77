import pytest
from pydantic import ValidationError

from node.config.config import Config
from node.config.problems import Origins, describe


def problem(tables: object, origins: Origins | None = None) -> str:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(tables)
    return describe(caught.value, origins or Origins("site.toml"))


def test_a_problem_says_where_the_key_was_found():
    origins = Origins("site.toml")
    origins.set("dicom", "port", "environment variable X")
    said = problem({"dicom": {"port": "a", "prot": 1}}, origins)
    assert said == (
        "environment variable X: dicom.port: expected a whole number without quotes; "
        'site.toml: dicom.prot: unknown key; did you mean "port"?'
    )


def test_a_key_like_no_other_lists_what_is_known():
    assert "known are processes, at_once" in problem({"worker": {"zzz": 1}})


def test_values_are_never_repeated():
    assert "secret" not in problem(
        {"database": {"url": ["secret"]}, "blobs": {"secret_key": "secret!"}}
    ).replace("secret_key", "")


def test_a_whole_file_that_is_no_table():
    assert problem([]).startswith("site.toml: ")
