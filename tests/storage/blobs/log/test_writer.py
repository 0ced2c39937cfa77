import pytest

from storage.blobs.filesystem import FilesystemStore
from storage.blobs.log.writer import Budget, LogWriter
from storage.blobs.protocol import HEAD_MAX


class Log:
    """An append that keeps what it is given, or fails."""

    def __init__(self, fails=False):
        self.kept, self.fails = [], fails

    def __call__(self, buffers, length):
        if self.fails:
            raise OSError("no space to prepare")
        self.kept.append(b"".join(buffers))
        assert len(self.kept[-1]) == length
        return f"key-{len(self.kept)}"


@pytest.fixture
def files(tmp_path):
    store = FilesystemStore(tmp_path)
    yield store
    store.close()


def writer(log, files, limit=1000, small=100):
    return LogWriter(log, files.create, Budget(limit), small)


def content(files, key):
    with files.open(key) as reader:
        return b"".join(reader.chunks())


def test_what_is_small_goes_to_the_log_when_it_is_placed(files):
    log = Log()
    one = writer(log, files)
    one.write([b"one", bytearray(b"two")])
    assert (one.size, one.key, log.kept) == (6, "", [])
    assert one.place() == one.key == "key-1"
    assert log.kept == [b"onetwo"]


def test_what_grows_becomes_a_file(files):
    log = Log()
    one = writer(log, files)
    one.write([b"x" * 90])
    one.write([b"y" * 90])
    one.write([b"z"])
    assert one.size == 181
    assert content(files, one.place()) == b"x" * 90 + b"y" * 90 + b"z"
    assert log.kept == []


def test_what_would_hold_too_much_memory_becomes_a_file(files):
    log, budget = Log(), Budget(150)
    first = LogWriter(log, files.create, budget, 100)
    second = LogWriter(log, files.create, budget, 100)
    first.write([b"x" * 100])
    second.write([b"y" * 100])
    assert content(files, second.place()) == b"y" * 100
    first.place()
    third = LogWriter(log, files.create, budget, 100)
    third.write([b"z" * 100])
    third.place()
    assert log.kept == [b"x" * 100, b"z" * 100]


def test_when_the_log_fails_it_becomes_a_file(files):
    one = writer(Log(fails=True), files)
    one.write([b"kept"])
    assert content(files, one.place()) == b"kept"


def test_the_head_can_be_changed_in_either(files):
    log = Log()
    small, large = writer(log, files), writer(log, files)
    small.write([b"0123", b"456"])
    small.patch_head(b"abcde")
    small.place()
    assert log.kept == [b"abcde56"]
    large.write([b"0" * 200])
    large.patch_head(b"ab")
    assert content(files, large.place()) == b"ab" + b"0" * 198


def test_only_what_was_written_can_be_changed(files):
    one = writer(Log(), files)
    one.write([b"abc"])
    with pytest.raises(ValueError, match="a head of 4 bytes"):
        one.patch_head(b"abcd")
    with pytest.raises(ValueError, match="a head"):
        one.patch_head(bytes(HEAD_MAX + 1))


def test_what_is_abandoned_is_nowhere_and_frees_its_memory(files):
    log, budget = Log(), Budget(100)
    for size in (100, 100, 500):
        one = LogWriter(log, files.create, budget, 100)
        one.write([b"x" * size])
        one.abandon()
    assert log.kept == []
    assert list(files.keys()) == []
    assert budget.take(100)
