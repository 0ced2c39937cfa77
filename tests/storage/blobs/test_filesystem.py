import multiprocessing
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest

from storage.blobs.filesystem import FilesystemStore
from storage.errors import NotFound
from tests.support.missing import missing


@pytest.fixture
def store(tmp_path):
    made = FilesystemStore(tmp_path / "blobs")
    yield made
    made.close()


def place(store, data=b"data", area="instances"):
    writer = store.create(area)
    writer.write([data])
    return writer.place()


def test_everything_is_for_this_user_alone(store, tmp_path):
    place(store)
    writer = store.create()
    for folder, folders, files in os.walk(tmp_path / "blobs"):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert all(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600 for name in files)
        assert folders or files
    writer.abandon()


def test_closing_leaves_nothing_but_blobs(store, tmp_path):
    key = place(store)
    store.create().abandon()
    store.close()
    files = {os.path.join(f, name) for f, _, names in os.walk(tmp_path / "blobs") for name in names}
    assert files == {str(tmp_path / "blobs" / key), str(tmp_path / "blobs" / ".writing" / "gate")}
    assert place(store) in list(store.keys())  # it opens again by itself


def test_keys_of_many_minutes_come_in_order(tmp_path):
    now = [951868740.0]
    store = FilesystemStore(tmp_path, clock=lambda: now[0])
    keys = []
    for _ in range(40):
        keys.append(place(store))
        now[0] += 86_400 * 13 + 61
    assert list(store.keys()) == keys == sorted(keys)
    for n, key in enumerate(keys):
        assert list(store.keys(after=key)) == keys[n + 1 :]
        for depth in range(1, 4):
            assert list(store.keys(after=key.rsplit("/", depth)[0] + "/")) == [
                other for other in keys if other > key.rsplit("/", depth)[0] + "/"
            ]
    store.sync(keys)
    store.close()


def test_what_others_put_into_the_folder_is_no_blob(store, tmp_path):
    key = place(store)
    (tmp_path / "blobs" / "lost+found").mkdir()
    (tmp_path / "blobs" / "instances" / "README").touch()
    (tmp_path / "blobs" / "instances" / "9999").touch()
    (tmp_path / "blobs" / key).with_suffix(".bak").touch()
    assert list(store.keys()) == [key]
    assert list(store.recover()) == []


def test_free_space_is_that_of_the_disk(store, tmp_path):
    assert abs(store.free() - shutil.disk_usage(tmp_path).free) < 1 << 30


def test_a_forked_child_writes_under_its_own_name(store):
    mine = store.create()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def write():
        queue.put([place(store) for _ in range(3)])
        store.close()

    child = context.Process(target=write)
    child.start()
    keys = queue.get()
    child.join()
    assert child.exitcode == 0
    assert {key.rpartition("/")[2].split("-")[0] for key in keys}.isdisjoint(
        {mine.key.rpartition("/")[2].split("-")[0]}
    )
    assert list(store.recover()) == []
    keys.append(mine.place())
    assert list(store.keys()) == sorted(keys)


def _work_until_killed(root, tell):
    store = FilesystemStore(root)
    placed = [place(store, b"placed") for _ in range(3)]
    store.sync(placed)
    half = store.create()
    half.write([b"half"])
    tell.put((placed, half.key))
    signal.pause()


@pytest.fixture
def killed(tmp_path):
    """A process that placed three blobs, was writing a fourth, and is no more."""
    context = multiprocessing.get_context("spawn")
    tell = context.SimpleQueue()
    process = context.Process(target=_work_until_killed, args=(tmp_path / "blobs", tell))
    process.start()
    told = tell.get()
    process.kill()
    process.join()
    return told


def test_after_a_kill_the_half_written_is_gone_and_the_placed_are_named(killed, store):
    placed, half = killed
    mine, writing = place(store), store.create()
    writing.write([b"alive"])
    assert list(store.recover()) == sorted(placed)  # not mine: it is about to be recorded
    with pytest.raises(NotFound):
        store.open(half)
    assert list(store.keys()) == sorted([*placed, mine])
    assert list(store.recover()) == []
    assert store.open(writing.place()).read_at(0, 10) == b"alive"


def test_what_was_placed_long_before_the_end_is_not_asked_about(killed, store, tmp_path):
    placed, _ = killed
    folders = {os.path.dirname(tmp_path / "blobs" / key) for key in placed}
    for folder in folders:
        os.utime(folder, (time.time() - 3600,) * 2)
    assert list(store.recover()) == []


def test_a_blob_that_took_hours_to_come_is_asked_about(tmp_path):
    hours_ago = time.time() - 5 * 3600
    store = FilesystemStore(tmp_path, clock=lambda: hours_ago)
    writer, lost = store.create(), store.create()
    key = writer.place()  # now
    store.close()  # in disorder: one is still being written
    assert list(FilesystemStore(tmp_path).recover()) == [key]
    lost.abandon()


SCRIPT = """
import sys
from pathlib import Path
from storage.blobs.filesystem import FilesystemStore

store = FilesystemStore(Path(sys.argv[1]), clock=lambda: 951868740.0)
for turn in range(2):
    writer = store.create()
    writer.write([b"x" * 100, b"y" * 100])
    writer.write([b"z" * 100])
    writer.patch_head(b"head")
    key = writer.place()
    store.sync([key])
    print("kept", flush=True)
"""


def test_everything_is_synced_before_the_blob_is_kept(tmp_path):
    if shutil.which("strace") is None:
        missing("strace is not installed (on Debian: apt-get install strace)")
    output = tmp_path / "trace"
    calls = "trace=openat,write,writev,pwrite64,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,link"
    run = subprocess.run(
        ["strace", "-y", "-o", output, "-e", calls, sys.executable, "-c", SCRIPT, tmp_path / "blobs"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "ptrace" in run.stderr:
        missing("strace may not trace here")
    assert run.stdout == "kept\nkept\n", run.stderr
    first, second = _steps(output.read_text(), str(tmp_path / "blobs"))
    minute = "instances/2000/0229/2359"
    steps = ["create", "writev", "writev", "pwrite64", "fdatasync"]
    placed = [*(f"{step} file" for step in steps), f"rename file {minute}", f"fsync {minute}"]
    parents = ["", "instances", "instances/2000", "instances/2000/0229"]
    assert first[first.index("create file") :] == [*placed, *(f"fsync {folder}" for folder in parents)]
    assert second == placed


def _steps(text, root):
    """Return what was done to the store before each ``kept``, one list for each."""
    rounds, steps = [], []
    file = rf"{root}/\.writing/[0-9a-f]+/[0-9a-f]+-[0-9a-f]+"
    for line in text.splitlines():
        if "write(1<" in line and "kept" in line:
            rounds.append(steps)
            steps = []
        elif re.match(rf'openat\(.*"{file}", .*O_CREAT', line):
            steps.append("create file")
        elif match := re.match(rf"(writev|pwrite64|fdatasync)\(\d+<{file}>", line):
            steps.append(f"{match[1]} file")
        elif match := re.match(rf'rename\w*\("{file}", "{root}/(.*)/[^/]*"\) = 0', line):
            steps.append(f"rename file {match[1]}")
        elif match := re.match(rf"fsync\(\d+<{root}/?(.*)>\) += 0", line):
            steps.append(f"fsync {match[1]}")
    return rounds


FULL = """
import os, sys
from pathlib import Path
from storage.blobs.filesystem import FilesystemStore
from storage.errors import OutOfSpace

store = FilesystemStore(Path(sys.argv[1]) / "blobs")
small = store.create()
small.write([b"small"])
kept = small.place()
big = store.create()
try:
    for _ in range(100):
        big.write([bytes(65536)] * 4)
except OutOfSpace:
    big.abandon()
    print("out of space")
print(store.free() > 1 << 20, store.open(kept).read_at(0, 10), list(store.keys()) == [kept])
again = store.create()
again.write([bytes(1 << 20)])
store.sync([again.place()])
print(len(list(store.keys())))
"""


def test_a_full_disk_costs_only_the_blob_that_does_not_fit(tmp_path):
    inside = f'mount -t tmpfs -o size=4m tmpfs "{tmp_path}" && exec "$@"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        missing("a small disk of one's own needs user namespaces")
    run = subprocess.run(
        [*unshare, "sh", "-c", inside, "sh", sys.executable, "-c", FULL, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.stdout.splitlines() == ["out of space", "True b'small' True", "2"], run.stderr
