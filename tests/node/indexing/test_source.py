import pytest
from structlog.testing import capture_logs

from node.indexing.source import Source
from tests.support.arrivals import rows
from tests.support.noted import Noted

OTHER = "0123456789ab"


@pytest.fixture
def source(noted: Noted):
    made = Source(noted.archive, noted.log)
    yield made
    made.close()


def test_it_finds_logs_and_reads_what_is_durable(noted: Noted, source: Source):
    source.look()
    assert source.logs == {}
    made = [noted.acknowledge(n) for n in range(5)]
    source.look()
    (log,) = source.logs.values()
    assert log.is_behind
    assert not source.is_dead(log)
    assert log.read(3) + log.read(3) == made
    assert not log.is_behind
    assert log.read(3) == []


def test_what_was_read_is_said_once_it_is_saved(noted: Noted, source: Source):
    noted.acknowledge(1)
    source.look()
    (log,) = source.logs.values()
    assert not noted.journal.settle(0.05)
    assert log.is_awaited
    log.read(10)
    log.saved()
    assert not log.is_awaited
    assert noted.journal.settle(0)
    assert noted.log.pages.behind() == 0


def test_the_end_of_a_dead_log_is_made_durable_before_its_page_goes(noted: Noted, source: Source):
    noted.acknowledge(1)
    noted.die()
    source.look()
    (log,) = source.logs.values()
    assert source.is_dead(log)
    assert len(log.read_rest(10)) == 1
    assert not log.over
    assert log.read_rest(10) == []
    assert log.over
    source.finish(log)
    assert source.logs == {}
    assert noted.log.pages.tokens() == []
    assert rows(noted.archive, "SELECT count(*) FROM bookmark WHERE substr(name, 1, 4) = 'log '") == [(0,)]


def test_a_page_that_was_never_whole_is_cleared_away(noted: Noted, source: Source):
    noted.log.pages.make(OTHER).close()
    (noted.config.data_dir / "blobs" / ".log" / ".pages" / OTHER).write_bytes(b"")
    source.look()
    assert source.logs == {}
    assert noted.log.pages.tokens() == []


def test_a_note_that_cannot_be_read_stops_no_other(noted: Noted, source: Source):
    noted.journal.enter("instances", [b"data"], 4, b"a note of the future")
    made = noted.acknowledge(1)
    source.look()
    (log,) = source.logs.values()
    with capture_logs() as logs:
        assert log.read(10) == [made]
    assert [each["event"] for each in logs] == ["index.note_unreadable"]
