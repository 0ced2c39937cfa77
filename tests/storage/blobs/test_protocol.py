"""The contract of blob stores, the same cases for each."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.blobs.open import open_blobs
from storage.blobs.protocol import HEAD_MAX, BlobReader, BlobStore, BlobWriter
from storage.errors import NotFound

KEY = re.compile(r"instances/\d{4}/\d{4}/\d{4}/[0-9a-f-]+")
ABSENT = "instances/2024/0229/2359/0123456789ab-0"


@pytest.fixture(params=["log", "filesystem", "object", "memory"])
def store(request, tmp_path):
    urls = {"log": "", "filesystem": "", "memory": "memory://"}
    url = urls[request.param] if request.param in urls else request.getfixturevalue("s3_url")
    opened = open_blobs(url, tmp_path, log=request.param == "log")
    yield opened
    opened.close()


def keep(store, *buffers, area="instances"):
    writer = store.create(area)
    writer.write(buffers)
    key = writer.place()
    store.sync([key])
    return key


def content(store, key):
    with store.open(key) as reader:
        return b"".join(reader.chunks())


def test_the_types_are_those_of_the_protocol(store):
    assert isinstance(store, BlobStore)
    writer = store.create()
    assert isinstance(writer, BlobWriter)
    writer.abandon()
    assert isinstance(store.open(keep(store, b"x")), BlobReader)


def test_what_was_written_is_read(store):
    writer = store.create()
    writer.write([b"one ", bytearray(b"two "), memoryview(b"xxthreexx")[2:-2]])
    writer.write([])
    writer.write([b"", b" four"])
    assert writer.size == 18
    key = writer.place()
    assert KEY.fullmatch(key)
    assert writer.key == key
    store.sync([key])
    assert content(store, key) == b"one two three four"
    with store.open(key) as reader:
        assert reader.size == 18


def test_buffers_may_be_reused_at_once(store):
    writer = store.create()
    buffer = bytearray(b"first")
    writer.write([buffer])
    buffer[:] = b"again"
    writer.write([buffer])
    assert content(store, writer.place()) == b"firstagain"


def test_an_empty_blob_is_a_blob(store):
    key = keep(store)
    assert content(store, key) == b""
    with store.open(key) as reader:
        assert (reader.size, reader.read_at(0, 10), reader.read_at(5, 10)) == (0, b"", b"")


def test_reading_in_part(store):
    data = bytes(range(256)) * 20_000  # 5 MiB: more than is fetched at once
    key = keep(store, data)
    with store.open(key) as reader:
        assert reader.size == len(data)
        for offset, length in ((0, 0), (0, 10), (1000, 70_000), (len(data) - 5, 100), (len(data), 1)):
            assert reader.read_at(offset, length) == data[offset : offset + length]
        assert reader.read_at(1_000_000, 1_000_000) == data[1_000_000:2_000_000]
        assert reader.read_at(len(data) + 7, 1) == b""
        for offset in (0, 1, 1 << 20, len(data) - 1, len(data)):
            pieces = list(reader.chunks(offset, 99_991))
            assert b"".join(pieces) == data[offset:]
            assert all(len(piece) <= 99_991 for piece in pieces)


def test_two_readers_do_not_disturb_each_other(store):
    key = keep(store, b"abcdef")
    with store.open(key) as one, store.open(key) as two:
        first, second = one.chunks(0, 1), two.chunks(0, 1)
        assert [bytes((*next(first), *next(second))) for _ in range(6)] == [
            b"%c%c" % (c, c) for c in b"abcdef"
        ]


@pytest.mark.parametrize("size", [200, HEAD_MAX + 1, 3 << 20])
def test_the_head_is_patched(store, size):
    writer = store.create()
    writer.write([b"\0" * size])
    writer.patch_head(b"head")
    writer.write([b"tail"])
    writer.patch_head(memoryview(b"HEAD!"))
    assert writer.size == size + 4
    assert content(store, writer.place()) == b"HEAD!" + b"\0" * (size - 5) + b"tail"


def test_only_a_head_that_is_there_is_patched(store):
    writer = store.create()
    writer.write([b"abc"])
    with pytest.raises(ValueError, match="head of 4 bytes in a blob of 3"):
        writer.patch_head(b"abcd")
    writer.write([bytes(HEAD_MAX)])
    with pytest.raises(ValueError, match="a head of"):
        writer.patch_head(bytes(HEAD_MAX + 1))
    writer.patch_head(bytes(HEAD_MAX))
    writer.abandon()


def test_many_small_buffers_at_once(store):
    pieces = [bytes([n % 256]) * (n % 7) for n in range(5000)]
    assert content(store, keep(store, *pieces)) == b"".join(pieces)


def test_an_abandoned_blob_was_never_there(store):
    writer = store.create()
    writer.write([b"x" * 5000])
    writer.abandon()
    writer.abandon()
    assert list(store.keys()) == []
    with pytest.raises(NotFound):
        store.open(writer.key)


def test_a_blob_is_not_seen_before_it_is_placed(store):
    writer = store.create()
    writer.write([b"x"])
    assert list(store.keys()) == []
    with pytest.raises(NotFound):
        store.open(writer.key)
    writer.place()
    assert list(store.keys()) == [writer.key]


def test_abandoning_what_is_placed_does_nothing(store):
    writer = store.create()
    writer.write([b"kept"])
    key = writer.place()
    writer.abandon()
    assert content(store, key) == b"kept"


def test_deleting(store):
    key, other = keep(store, b"x"), keep(store, b"y")
    store.delete(key)
    store.delete(key)
    store.delete(ABSENT)
    assert list(store.keys()) == [other]
    with pytest.raises(NotFound):
        store.open(key)


def test_areas_are_apart(store):
    one, two = keep(store, b"x"), keep(store, b"y", area="quarantine")
    assert list(store.keys()) == [one]
    assert list(store.keys("quarantine")) == [two]
    assert list(store.keys("nowhere")) == []
    assert two.startswith("quarantine/")


def test_keys_come_in_order_and_from_anywhere(store):
    keys = sorted(keep(store, b"x") for _ in range(23))
    assert list(store.keys()) == keys
    for n, key in enumerate(keys):
        assert list(store.keys(after=key)) == keys[n + 1 :]
    assert list(store.keys(after="instances/1999/")) == keys
    assert list(store.keys(after="instances/9999/")) == []
    assert list(store.keys(after="instances/")) == keys
    assert list(store.keys(after=keys[0].rpartition("/")[0])) == keys


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../secret",
        "instances",
        "instances/../../../../etc/passwd",
        "instances/2024/0229/2359/../../../../../../etc/passwd",
        "instances/2024/0229/2359/",
        "instances/2024/0229/2359/0123456789ab-0/..",
        "instances/2024/0229/2359/0123456789ab-0\0",
        "instances/2024/0229/2359/0123456789ab-0\n",
        "/instances/2024/0229/2359/0123456789ab-0",
        "instances//2024/0229/2359/0123456789ab-0",
        "instances/2024/0229/2359/" + "a" * 5000,
        "instances/٢٠٢٤/0229/2359/0123456789ab-0",
    ],
)
def test_what_is_no_key_names_nothing(store, key):
    with pytest.raises(NotFound):
        store.open(key)
    with pytest.raises(NotFound):
        store.delete(key)
    with pytest.raises(NotFound):
        store.sync([key])


@pytest.mark.parametrize("area", ["", "..", "a/b", "/a", "a\0", "A", ".writing"])
def test_what_is_no_area_is_refused(store, area):
    with pytest.raises(ValueError, match="area"):
        store.create(area)
    with pytest.raises(ValueError, match="area"):
        list(store.keys(area))


def test_free_space_is_a_number_or_unknown(store):
    free = store.free()
    assert free is None or free > 0


def test_recovering_what_is_in_order_changes_nothing(store):
    kept, writer = keep(store, b"x"), store.create()
    writer.write([b"in work"])
    assert list(store.recover()) == []
    key = writer.place()
    assert content(store, kept) == b"x"
    assert content(store, key) == b"in work"


def test_many_threads_at_once(store):
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        kept = {}
        for turn in range(10):
            data = b"%d,%d" % (number, turn) * 1000
            kept[keep(store, data)] = data
        return kept

    with ThreadPoolExecutor(8) as pool:
        everything = {key: data for kept in pool.map(work, range(8)) for key, data in kept.items()}
    assert len(everything) == 80
    assert list(store.keys()) == sorted(everything)
    assert all(content(store, key) == data for key, data in everything.items())
