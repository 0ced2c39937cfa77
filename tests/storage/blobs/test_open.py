from pathlib import Path

import pytest

from storage.blobs.log.store import ReceiveLog
from storage.blobs.memory import MemoryStore
from storage.blobs.object import ObjectStore
from storage.blobs.open import open_blobs
from storage.errors import StorageError, Unavailable


def test_nothing_means_files_in_the_data_folder(tmp_path):
    store = open_blobs("", tmp_path / "data", log=False)
    assert isinstance(store, ReceiveLog)
    key = store.create().place()
    assert (tmp_path / "data" / "blobs" / key).is_file()
    store.close()


def test_files_elsewhere(tmp_path):
    store = open_blobs(f"file://{tmp_path}/my%20images", tmp_path / "data", log=False)
    key = store.create().place()
    assert (tmp_path / "my images" / key).is_file()
    assert not (tmp_path / "data").exists()
    store.close()


def test_small_blobs_go_to_a_log_unless_told_otherwise(tmp_path):
    store = open_blobs("", tmp_path / "data")
    key = store.create().place()
    assert store.path(key) is None
    assert not (tmp_path / "data" / "blobs" / key).exists()
    with store.open(key) as reader:
        assert reader.size == 0
    store.close()


def test_memory(tmp_path):
    assert isinstance(open_blobs("memory://", tmp_path), MemoryStore)


@pytest.mark.parametrize(
    "url",
    [
        "s3://images/some/where?access_key_id=a&secret_access_key=b&region=eu",
        "s3://images?access_key_id=a&secret_access_key=b&endpoint=https://minio.example:9000&timeout=5s",
        "gs://images/some?skip_signature=true",
        "az://images/some?account_name=account&skip_signature=true",
    ],
)
def test_object_stores(tmp_path, url):
    assert isinstance(open_blobs(url, tmp_path), ObjectStore)
    assert (tmp_path / "spool").is_dir()


def test_credentials_come_from_the_environment(tmp_path, monkeypatch, s3_url):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    store = open_blobs(s3_url.partition("&")[0], tmp_path)
    assert [store.create().place()] == list(store.keys())


def test_an_endpoint_from_the_environment(tmp_path, monkeypatch, s3_url):
    place, _, query = s3_url.partition("?endpoint=")
    endpoint, _, access = query.partition("&")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    store = open_blobs(f"{place}?{access}&allow_http=true", tmp_path)
    assert [store.create().place()] == list(store.keys())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("images", "must be empty, or begin with"),
        ("https://host/images", "must be empty, or begin with"),
        ("s3://", "must be empty, or begin with"),
        ("s3:///images", "must be empty, or begin with"),
        ("s3://[", "cannot be read"),
        ("file://host/images", "file:///path"),
        ("file://", "file:///path"),
        ("s3://images?access_key_id=a&secret_access_key=geheim&bogus=1", "'bogus' is not valid"),
        ("s3://images?access_key_id=geheim", "Missing SecretAccessKey"),
        ("az://images", "Account must be specified"),
        ("s3://images?ca=/nowhere/ca.pem", "ca: No such file"),
    ],
)
def test_what_is_wrong_is_said_without_secrets(tmp_path, monkeypatch, url, words):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StorageError, match=words) as caught:
        open_blobs(url, tmp_path)
    assert str(caught.value).startswith("blobs URL: ")
    assert "geheim" not in str(caught.value)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(Unavailable, match="making its folder"):
        open_blobs("", tmp_path / "data")
    with pytest.raises(Unavailable, match="making the spool folder"):
        open_blobs("s3://images?access_key_id=a&secret_access_key=b", tmp_path / "data")
    assert Path(tmp_path / "data").is_file()
