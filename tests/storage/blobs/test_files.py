import os
import resource
import signal
import stat

import pytest

from storage.blobs.files import FileReader, FileWriter
from storage.blobs.folders import Folders
from storage.errors import NotFound, Unavailable

KEY = "instances/2024/0229/2359/0123456789ab-0"


@pytest.fixture
def writer(tmp_path):
    (tmp_path / "desk").mkdir()
    made = FileWriter(KEY, str(tmp_path / "desk"), str(tmp_path), Folders(str(tmp_path)))
    yield made
    made.abandon()


def test_a_file_lies_on_the_desk_and_then_under_its_key(tmp_path, writer):
    writer.write([b"data"])
    assert os.listdir(tmp_path / "desk") == ["0123456789ab-0"]
    writer.place()
    assert os.listdir(tmp_path / "desk") == []
    assert (tmp_path / KEY).read_bytes() == b"data"
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600


def test_a_folder_that_was_tidied_away_is_made_again(tmp_path, writer):
    writer.write([b"data"])
    (tmp_path / KEY).parent.rmdir()
    (tmp_path / KEY).parent.parent.rmdir()
    writer.place()
    assert (tmp_path / KEY).read_bytes() == b"data"


def test_two_writers_of_one_key_are_refused(tmp_path, writer):
    with pytest.raises(Unavailable, match="File exists while creating"):
        FileWriter(KEY, str(tmp_path / "desk"), str(tmp_path), Folders(str(tmp_path)))


def test_what_cannot_be_placed_is_gone(tmp_path, writer):
    writer.write([b"data"])
    os.unlink(tmp_path / "desk" / "0123456789ab-0")
    with pytest.raises(Unavailable, match="while placing"):
        writer.place()
    assert os.listdir(tmp_path / "desk") == []
    assert not (tmp_path / KEY).exists()


def test_a_write_cut_short_goes_on_where_it_stopped_and_then_says_why(tmp_path, writer):
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, old[1]))
    try:
        with pytest.raises(Unavailable, match="File too large while writing"):
            writer.write([b"a" * 4000, b"", b"b" * 4000, b"c" * 4000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, before)
    assert writer.size == 10_000
    assert (tmp_path / "desk" / "0123456789ab-0").read_bytes() == b"a" * 4000 + b"b" * 4000 + b"c" * 2000


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / KEY).parent.mkdir(parents=True)
    (tmp_path / KEY).symlink_to(tmp_path / "secret")
    with pytest.raises(Unavailable):
        FileReader(str(tmp_path), KEY)


def test_what_is_not_there(tmp_path):
    with pytest.raises(NotFound, match=KEY):
        FileReader(str(tmp_path), KEY)


def test_a_closed_reader_does_not_read(tmp_path, writer):
    writer.write([b"data"])
    reader = FileReader(str(tmp_path), writer.place())
    reader.close()
    reader.close()
    with pytest.raises(Unavailable):
        reader.read_at(0, 1)
