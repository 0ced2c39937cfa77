import os
import subprocess
import sys
import threading

import pytest

from storage.blobs.log.pages import Pages

TOKEN = "0123456789ab"


@pytest.fixture
def pages(tmp_path):
    return Pages(str(tmp_path))


def test_both_sides_see_the_same_numbers(pages):
    writer = pages.make(TOKEN)
    reader = pages.open(TOKEN)
    writer.enter(7, 1 << 41)
    assert (reader.durable, reader.indexed, reader.behind) == (1 << 41, 0, 7)
    reader.take(5, 1 << 40)
    assert (writer.indexed, writer.behind) == (1 << 40, 2)
    reader.take(7, 1 << 41)
    assert writer.behind == pages.behind() == 0
    writer.waiting = True
    assert reader.waiting
    reader.waiting = False
    assert not writer.waiting
    writer.close()
    reader.close()


def test_what_is_behind_is_counted_over_all_logs(pages):
    for number in range(3):
        page = pages.make(f"{TOKEN[:-1]}{number}")
        page.enter(number, 4096)
        page.close()
    assert pages.behind() == 3
    assert len(pages.tokens()) == 3


def test_an_index_that_begins_anew_counts_only_when_it_is_behind(pages):
    page = pages.make(TOKEN)
    page.enter(100, 4096)
    page.begin(4096)
    assert page.behind == 0
    page.close()


def test_a_page_is_made_once_and_removed_with_its_bell(pages):
    pages.make(TOKEN).close()
    with pytest.raises(FileExistsError):
        pages.make(TOKEN)
    pages.bell_of(TOKEN).close()
    pages.remove(TOKEN)
    assert pages.open(TOKEN) is None
    assert pages.tokens() == []
    pages.remove(TOKEN)


def test_a_page_that_a_power_cut_left_empty_is_none(pages, tmp_path):
    pages.make(TOKEN).close()
    os.truncate(tmp_path / ".pages" / TOKEN, 0)
    assert pages.open(TOKEN) is None
    assert pages.behind() == 0


def test_pages_whose_folder_is_gone_are_none(pages, tmp_path):
    os.rmdir(tmp_path / ".pages")
    assert pages.tokens() == []


def test_a_bell_wakes_who_waits_and_keeps_what_was_rung_before(pages):
    ringing, waiting = pages.bell(), pages.bell()
    ringing.ring()
    waiting.wait(60)
    rung = threading.Timer(0.05, ringing.ring)
    rung.start()
    waiting.wait(60)
    rung.join()
    waiting.wait(0)  # nothing was left of it
    for _ in range(70_000):  # more than a pipe holds: no ring fails
        ringing.ring()
    waiting.wait(60)
    ringing.close()
    waiting.close()


def test_one_may_wait_for_two_bells(pages):
    data, haste, other = pages.bell(), pages.haste(), pages.haste()
    other.ring()
    data.wait(60, haste)
    for bell in (data, haste, other):
        bell.close()


def test_one_leads_until_it_dies(pages, tmp_path):
    code = (
        "import sys, time; from storage.blobs.log.pages import Pages\n"
        "with Pages(sys.argv[1]).lead(wait=True) as leads:\n"
        "    print(leads, flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"True\n"
    with pages.lead(wait=False) as leads:
        assert not leads
    other.kill()
    with pages.lead(wait=True) as leads:
        assert leads
        with pages.lead(wait=False) as twice:
            assert not twice
    other.wait()
    other.stdout.close()
