from storage.blobs.log.reader import LogReader
from storage.blobs.log.records import Place
from storage.blobs.log.segment import Segment, erase, find, opened, prepare

KEY_FOLDER = "instances/2026/0102/0304"


def test_a_reader_sees_its_blob_and_nothing_behind(tmp_path):
    path = str(tmp_path / "0")
    prepare(path, 1 << 20)
    segment = Segment(path, "0123456789ab", 0)
    places = [segment.reserve(5), segment.reserve(5)]
    keys = [place.key(KEY_FOLDER, serial) for serial, place in enumerate(places)]
    for place, key, data in zip(places, keys, (b"first", b"other"), strict=True):
        segment.write(place, key, [data])
        segment.release()
    with LogReader.open(path, places[0], keys[0]) as reader:
        assert reader.size == 5
        assert reader.read_at(0, 100) == b"first"
        assert reader.read_at(3, 1) == b"s"
        assert reader.read_at(5, 1) == b""
        assert list(reader.chunks(1, 2)) == [b"ir", b"st"]
    assert LogReader.open(path, places[0], keys[1]) is None
    assert LogReader.open(str(tmp_path / "1"), places[0], keys[0]) is None
    segment.retire()
    with opened(path, 2) as file:
        erase(file, find(file, places[0], keys[0]))
    assert LogReader.open(path, places[0], keys[0]) is None
    assert LogReader.open(path, Place("0123456789ab", 0, 1 << 40, 5), keys[0]) is None
