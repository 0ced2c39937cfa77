import os
import socket
import tracemalloc
from urllib.parse import urlsplit

import obstore
import pytest
from obstore.store import MemoryStore as Bucket

from storage.blobs.object import ObjectStore
from storage.blobs.open import open_blobs
from storage.errors import NotFound, OutOfSpace, StorageError, Unavailable


@pytest.fixture
def store(s3_url, tmp_path):
    return open_blobs(s3_url, tmp_path)


def test_a_large_blob_is_sent_in_parts_from_disk(store):
    piece = os.urandom(1 << 20)
    writer = store.create()
    tracemalloc.start()
    for _ in range(40):
        writer.write([piece])
    writer.patch_head(b"HEAD")
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written < 4 << 20
    key = writer.place()
    with store.open(key) as reader:
        assert reader.size == 40 << 20
        pieces = reader.chunks()
        assert next(pieces) == b"HEAD" + piece[4:]
        assert all(got == piece for got in pieces)
    etag = obstore.head(store._bucket, key)["e_tag"]
    assert etag is not None
    assert etag.strip('"').endswith("-5")  # parts of 8 MiB


def test_a_small_blob_is_one_request(store):
    writer = store.create()
    writer.write([b"x" * (1 << 20)])
    assert "-" not in (obstore.head(store._bucket, writer.place())["e_tag"] or "-")


def test_the_prefix_is_not_part_of_the_key(store, s3_url, tmp_path):
    key = store.create().place()
    assert list(store.keys()) == [key]
    parts = urlsplit(s3_url)
    whole = open_blobs(f"s3://{parts.netloc}?{parts.query}", tmp_path)
    assert [found["path"] for found in obstore.list(whole._bucket).collect()] == [f"some/where/{key}"]


def test_no_file_is_left_in_the_spool(store, tmp_path):
    writer = store.create()
    writer.write([b"x" * (3 << 20)])
    assert os.listdir(tmp_path / "spool") == []  # it has no name
    writer.abandon()


def test_more_than_one_page_of_keys(tmp_path):
    store = ObjectStore(Bucket(), tmp_path)
    keys = [store.create().place() for _ in range(2345)]
    assert list(store.keys()) == sorted(keys)


def test_a_blob_that_vanishes_while_it_is_read(store):
    writer = store.create()
    writer.write([b"x" * (3 << 20)])
    key = writer.place()
    reader = store.open(key)
    store.delete(key)
    with pytest.raises(NotFound):
        list(reader.chunks())


def test_a_bucket_that_is_not_there(s3_endpoint, tmp_path):
    access = "access_key_id=a&secret_access_key=b&region=us-east-1"
    store = open_blobs(f"s3://nobody-made-this?endpoint={s3_endpoint}&{access}", tmp_path)
    with pytest.raises(StorageError):
        store.create().place()


def test_a_service_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr("storage.blobs.object.RETRIES", {"max_retries": 0})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # and free again a moment later
    query = f"endpoint=http://127.0.0.1:{port}&access_key_id=a&secret_access_key=geheim&region=us-east-1"
    store = open_blobs(f"s3://images?{query}", tmp_path)
    writer = store.create()
    writer.write([b"x"])
    key = writer.key
    for attempt in (
        writer.place,
        lambda: store.open(key),
        lambda: store.delete(key),
        lambda: list(store.keys()),
    ):
        with pytest.raises(Unavailable, match="object store: ") as caught:
            attempt()
        assert "\n" not in str(caught.value)
        assert "geheim" not in str(caught.value)


class _Full:
    """A service that has no room, as MinIO says it."""

    def __call__(self, environ, start):
        start("507 Insufficient Storage", [("Content-Type", "application/xml")])
        return [b"<Error><Code>XMinioStorageFull</Code><Message>Storage backend is full</Message></Error>"]


def test_a_service_that_is_full(tmp_path, serve_wsgi, monkeypatch):
    monkeypatch.setattr("storage.blobs.object.RETRIES", {"max_retries": 0})
    query = f"endpoint={serve_wsgi(_Full())}&access_key_id=a&secret_access_key=b&region=us-east-1"
    writer = open_blobs(f"s3://images?{query}", tmp_path).create()
    writer.write([b"x"])
    with pytest.raises(OutOfSpace):
        writer.place()
