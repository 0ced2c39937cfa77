from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config import Config, load
from node.config.loading import find
from node.core.errors import UserError


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def failure(path: Path | None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load(path, environ or {})
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_everything_has_a_default():
    config = load(None, {})
    assert config.dicom == Config().dicom
    assert config.dicom.port == 11112


def test_the_file_is_obeyed(tmp_path: Path):
    path = write(tmp_path, '[dicom]\nae_title = "PACS1"\nport = 104\nidle_timeout = 7\n')
    config = load(path, {})
    assert (config.dicom.ae_title, config.dicom.port, config.dicom.idle_timeout) == ("PACS1", 104, 7)
    assert config.console.port == 8080


def test_the_environment_wins_over_the_file(tmp_path: Path):
    path = write(tmp_path, '[dicom]\nport = 104\nae_title = "A"\n')
    environ = {"ISOCENTRE_DICOM__PORT": "105", "ISOCENTRE_DICOM__UNKNOWN_SOP_CLASSES": "true"}
    config = load(path, environ | {"ISOCENTRE_DICOM__IDLE_TIMEOUT": "2.5"})
    assert (config.dicom.port, config.dicom.ae_title) == (105, "A")
    assert config.dicom.unknown_sop_classes is True
    assert config.dicom.idle_timeout == 2.5


def test_a_list_has_commas_in_the_environment():
    config = load(None, {"ISOCENTRE_DELIVERY__PERMANENT": "A9xx, 0122,"})
    assert config.delivery.permanent == ("A9xx", "0122")
    said = failure(None, {"ISOCENTRE_DELIVERY__PERMANENT": "A9xx,no"})
    assert said.startswith("environment variable ISOCENTRE_DELIVERY__PERMANENT: delivery.permanent: expected")


def test_other_variables_are_not_ours():
    load(None, {"ISOCENTRE_TEST_POSTGRES_URL": "x", "ISOCENTRE_CONFIG": "y", "PATH": "/bin"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[dicom]\nprot = 104\n", 'dicom.prot: unknown key; did you mean "port"?'),
        ("[dicm]\nport = 104\n", 'dicm: unknown table; did you mean "dicom"?'),
        ("dicom = 3\n", "dicom: expected a table, [dicom]"),
        ('[dicom]\nport = "104"\n', "dicom.port: expected a whole number without quotes"),
        ("[dicom]\nport = true\n", "dicom.port: expected a whole number without quotes"),
        ('[delivery]\npermanent = "A9xx"\n', "delivery.permanent: expected a list in brackets"),
        ("[dicom]\nport = 65536\n", "dicom.port: expected at most 65535"),
        ("[dicom]\nport = -1\n", "dicom.port: expected at least 0"),
        ("[dicom]\nidle_timeout = 0\n", "dicom.idle_timeout: expected more than 0"),
        ("[dicom]\nidle_timeout = inf\n", "dicom.idle_timeout: expected"),
        ("[dicom]\nidle_timeout = nan\n", "dicom.idle_timeout: expected"),
        ('[dicom]\nunknown_sop_classes = "yes"\n', "expected true or false without quotes"),
        ("[dicom]\nae_title = 3\n", "dicom.ae_title: expected text in quotes"),
        ("[dicom]\nmax_pdu = 0\n", "dicom.max_pdu: expected at least 4096"),
        ('[dicom]\nstore_from = "all"\n', 'dicom.store_from: expected "any" or "known"'),
        ('[dicom]\nae_title = "A\\\\B"\n', "dicom.ae_title: expected an AE title"),
        ('[dicom]\nae_title = "SEVENTEEN_LETTERS"\n', "dicom.ae_title: expected an AE title"),
        ('[dicom]\nae_title = "  "\n', "dicom.ae_title: expected an AE title"),
        ('[dicom]\nhost = "a b"\n', "dicom.host: expected a host name or an address"),
        ("[node]\ndata_dir = 3\n", "node.data_dir: expected a path in quotes"),
        ("[scheduler]\nscrub_at = 3\n", "scheduler.scrub_at: expected text in quotes"),
        ('[scheduler]\nscrub_at = "24:00"\n', "scheduler.scrub_at: expected a time of day"),
        ("[dicom]\ntls_port = 2762\n", "dicom: tls_port needs tls_certificate and tls_key"),
        ('[dicom]\ntls_key = "k"\n', "tls_certificate and tls_key belong together"),
        ("[dicom]\n[dicom]\n", "not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_was_expected(tmp_path: Path, text: str, said: str):
    path = write(tmp_path, text)
    message = failure(path)
    assert said in message
    assert message.startswith(str(path))


def test_all_mistakes_are_named_at_once(tmp_path: Path):
    message = failure(write(tmp_path, '[dicom]\nprot = 1\nport = "a"\n[consle]\n'))
    assert all(part in message for part in ("dicom.prot", "dicom.port", "consle"))


def test_a_mistake_in_the_environment_is_named_with_its_variable():
    said = "environment variable ISOCENTRE_DICOM__PORT: dicom.port: expected a whole number"
    assert said in failure(None, {"ISOCENTRE_DICOM__PORT": "many"})
    assert "dicom.prot: unknown key" in failure(None, {"ISOCENTRE_DICOM__PROT": "1"})
    assert "dicm: unknown table" in failure(None, {"ISOCENTRE_DICM__PORT": "1"})
    assert "expected true or false" in failure(None, {"ISOCENTRE_DICOM__UNKNOWN_SOP_CLASSES": "1"})


def test_a_file_that_is_not_there(tmp_path: Path):
    assert "No such file" in failure(tmp_path / "none.toml")


def test_a_file_that_is_not_text(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe")
    assert "not in UTF-8" in failure(path)


def test_paths_of_the_file_are_relative_to_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "etc"
    folder.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = write(folder, '[node]\ndata_dir = "images"\n[dicom]\ntls_ca = "ca.pem"\n')
    assert load(path, {}).data_dir == folder / "images"
    assert load(path, {}).dicom.tls_ca == str(folder / "ca.pem")
    assert load(path, {"ISOCENTRE_NODE__DATA_DIR": "here"}).data_dir == elsewhere / "here"
    assert load(write(folder, ""), {}).data_dir == folder / "data"
    assert load(None, {}).data_dir == elsewhere / "data"


def test_a_secret_comes_from_its_file(tmp_path: Path):
    (tmp_path / "secret").write_text("postgresql+psycopg2://u:pass@db/x\n")
    config = load(write(tmp_path, '[database]\nurl_file = "secret"\n'), {})
    assert config.database_url == "postgresql+psycopg2://u:pass@db/x"
    assert "pass" not in repr(config)


def test_a_secret_of_the_environment_replaces_that_of_the_file(tmp_path: Path):
    (tmp_path / "secret").write_text("sqlite:////from/secret")
    path = write(tmp_path, '[database]\nurl_file = "secret"\n')
    assert load(path, {"ISOCENTRE_DATABASE__URL": "sqlite:////e"}).database_url == "sqlite:////e"
    path = write(tmp_path, '[database]\nurl = "sqlite:////f"\n')
    environ = {"ISOCENTRE_DATABASE__URL_FILE": str(tmp_path / "secret")}
    assert load(path, environ).database_url == "sqlite:////from/secret"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), ("\n", "is empty"), (b"\xff", "not text")]
)
def test_a_secret_that_cannot_be_read(tmp_path: Path, content: str | bytes | None, said: str):
    if content is not None:
        (tmp_path / "secret").write_bytes(content if isinstance(content, bytes) else content.encode())
    message = failure(write(tmp_path, '[blobs]\nurl_file = "secret"\n'))
    assert "blobs.url_file" in message
    assert said in message


def test_a_secret_given_twice_is_refused(tmp_path: Path):
    (tmp_path / "secret").write_text("x")
    message = failure(write(tmp_path, '[database]\nurl = "sqlite:////a:b@c"\nurl_file = "secret"\n'))
    assert "both set" in message
    assert "a:b@c" not in message


def test_the_usual_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert find(None) is None
    write(tmp_path, "")
    assert find(None) == Path("config.toml")
    assert find(Path("/other.toml")) == Path("/other.toml")


@given(
    table=st.sampled_from(["node", "database", "blobs", "dicom", "console", "worker", "scheduler"]),
    key=st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12),
    text=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30),
)
def test_an_unknown_key_never_passes(table: str, key: str, text: str):
    if key in getattr(Config(), table).model_dump() or key.startswith("_"):
        return
    assert f"{table}.{key}: unknown key" in failure(None, {f"ISOCENTRE_{table}__{key}".upper(): text})


@given(key=st.sampled_from(sorted(Config().dicom.model_dump())), text=st.text(max_size=20))
def test_any_text_for_any_key_is_taken_in_its_type_or_refused_with_the_key(key: str, text: str):
    message = ""
    try:
        value = getattr(load(None, {f"ISOCENTRE_DICOM__{key.upper()}": text}).dicom, key)
    except UserError as error:
        message = str(error)
    else:
        default = getattr(Config().dicom, key)
        assert isinstance(value, float if type(default) is int else type(default)) or type(value) is int
    assert not message or key in message or message.startswith("defaults: dicom: tls_")
