"""The record of system calls tells all that programs do to files."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.powercut_calls import NEVER, Call, Reader, Unrecorded, read, recording, tracer_of, wait_for
from tests.support.powercut_disk import Disk, Kind, Luck, Tree

_ALL_KINDS = r"""
import os, subprocess, sys, threading
root = sys.argv[1]
os.mkdir(root + "/d")
file = os.open(root + "/d/a", os.O_RDWR | os.O_CREAT, 0o600)
os.write(file, b"x" * 10000)
os.writev(file, [b"abc", b"def"])
os.pwrite(file, b"mid", 5000)
os.pwritev(file, [b"1", b"22"], 20000)
os.ftruncate(file, 15000)
os.ftruncate(file, 30000)
os.fsync(file)
os.close(file)
os.rename(root + "/d/a", root + "/b")
os.link(root + "/b", root + "/d/c")
for words in (b"one", b"two"):
    with open(root + "/log", "ab") as file:
        file.write(words)
        file.flush()
        file.write(words)
with open(root + "/base", "r+b") as file:
    file.seek(3)
    file.write(b"###")
    file.truncate(100)
    file.seek(0, 2)
    file.write(b'tail"\\x00')
os.unlink(root + "/gone")
os.mkfifo(root + "/pipe")
made = "import os, sys; os.makedirs(sys.argv[1] + '/e/f'); os.rmdir(sys.argv[1] + '/e/f')"
subprocess.run([sys.executable, "-c", made, root], check=True)
os.chdir(root + "/e")
with open("child", "w") as file:
    file.write("by a relative path")
def write(number):
    file = os.open(f"{root}/t{number}", os.O_RDWR | os.O_CREAT | os.O_EXCL)
    for index in range(100):
        os.pwrite(file, bytes([number]) * 50, index * 37)
    os.fdatasync(file)
threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os.posix_fallocate(os.open(root + "/room", os.O_RDWR | os.O_CREAT), 0, 5000)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    (root / "base").write_bytes(bytes(range(200)))
    (root / "gone").write_text("x")
    return root


def _record(root: Path, program: str) -> list[Call]:
    output = root.with_name("strace")
    started = subprocess.Popen(
        [*recording(output), sys.executable, "-c", f"import sys; sys.stdin.read()\n{program}", str(root)],
        stdin=subprocess.PIPE,
    )
    tracer = tracer_of(started.pid)
    assert started.stdin is not None
    started.stdin.close()
    assert started.wait(60) == 0
    wait_for(tracer)
    return read(output, root)


def test_the_record_of_a_program_makes_the_folder_that_it_left(root: Path) -> None:
    before = Tree.of(root)
    calls = _record(root, _ALL_KINDS)
    disk = Reader(Disk.holding(before), root).play(calls)
    left = Tree.of(root)
    assert left["pipe"] is Kind.PIPE
    assert left["t3"] != b""
    assert disk.after(NEVER, Luck(1)) == left
    assert disk.after(NEVER, Luck()) == before  # it synced files, and no folder
    every = {f"t{number}" for number in range(4)}
    in_doubt = disk.after(NEVER, Luck(0.9, seed=1))
    assert {name: in_doubt[name] for name in every & set(in_doubt)} == {
        name: left[name] for name in every & set(in_doubt)
    }


def test_what_is_written_through_memory_is_marked(root: Path) -> None:
    before = Tree.of(root)
    calls = _record(
        root, "import mmap, sys; f = open(sys.argv[1] + '/base', 'r+b'); mmap.mmap(f.fileno(), 0)[0] = 1"
    )
    inode = Reader(Disk.holding(before), root).play(calls).find("base")
    assert inode is not None
    assert inode.mapped is not None


@pytest.mark.parametrize(
    "program",
    [
        "import os, sys; os.symlink('x', sys.argv[1] + '/link')",
        "import os, sys; os.truncate(sys.argv[1] + '/base', 3)",
        "import os, sys; os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR)",
    ],
    ids=["symlink", "truncate", "tmpfile"],
)
def test_what_the_record_does_not_show_is_refused(root: Path, program: str) -> None:
    before = Tree.of(root)
    calls = _record(root, program)
    with pytest.raises(Unrecorded):
        Reader(Disk.holding(before), root).play(calls)
