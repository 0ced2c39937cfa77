"""What processes did to the files of a folder, and said on sockets: recorded by strace, for a `Disk`."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.missing import missing
from tests.support.powercut_disk import Disk, Inode, Kind, Resize, Write

Ignored = Callable[[str, Kind], bool]

NEVER = 1 << 60
"""When a call ended that did not."""

_WRITES = "write,writev,pwrite64,pwritev,pwritev2"
_NAMES = "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir"
_FILES = "open,openat,creat,mknod,mknodat,lseek,truncate,ftruncate,fallocate,mmap"
_SYNCS = "fsync,fdatasync,sync,syncfs,sync_file_range"
_SENDS = ("sendto", "sendmsg", "write", "writev")
_OTHERS = "copy_file_range,sendfile,splice,io_uring_setup,openat2"
CALLS = ",".join((_WRITES, _NAMES, _FILES, _SYNCS, "sendto,sendmsg", _OTHERS))

_LARGEST = 4 << 20  # bytes of one write that are recorded
_LINE = re.compile(r"(?:(\d+) +)?(.*)", re.DOTALL)
_HANDLE = re.compile(r"^(?:AT_FDCWD|\d+)<(TCP:\[[^]]*\]|[^>]*)>(\(deleted\))?")
_RESULT = re.compile(r"\) += (-?\d+|0x[0-9a-f]+)(?:<([^>]*)>)?[^\"=]*$")
_PLACE = re.compile(r"(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?\"([^\"]*)\"")
_FALLOC = re.compile(r", ([A-Z_|0-9x]+), (\d+), (\d+)\)")


class Unrecorded(Exception):
    """Something was written in a way that the record does not show."""


@dataclass(frozen=True)
class Call:
    """A system call that succeeded, or was never seen to end.

    Attributes
    ----------
    arguments
        As strace writes them, the parts in quotation marks still in hexadecimal.
    target
        What its first argument, a descriptor, stands for; empty when it is none, or the file has no name.
    result
        None when it was not seen to end.
    """

    name: str
    began: int
    ended: int
    arguments: str
    target: str
    result: int | None
    opened: str = ""

    def data(self) -> bytes:
        """Return what is written or sent by it."""
        parts = self.arguments.split('"')
        if any(part.startswith("...") for part in parts[2::2]):
            raise Unrecorded(f"more than {_LARGEST} bytes in one {self.name}")
        data = b"".join(bytes.fromhex(part.replace("\\x", "")) for part in parts[1::2])
        if self.result is not None and len(data) < self.result:
            raise Unrecorded(f"{self.result} bytes in one {self.name}, of which {len(data)} are recorded")
        return data if self.result is None else data[: self.result]

    def numbers(self) -> list[int]:
        """Return the numbers after the last part in quotation marks, brackets or angle brackets."""
        tail = re.split(r'["\]>)}]', self.arguments[: self.arguments.rindex(")")])[-1]
        return [int(each, 0) for each in re.findall(r"(?<![\w])(?:0x[0-9a-f]+|\d+)(?![\w])", tail)]

    def paths(self) -> list[str]:
        """Return the paths that it names."""
        return [
            os.path.normpath(os.path.join(_text(folder or ""), _text(path)))
            for folder, path in _PLACE.findall(self.arguments)
        ]

    def short(self, root: str) -> str:
        """Return it for a person, files relative to `root`, without what was written."""
        is_name = self.name in _NAMES.split(",")
        what = self.paths() if is_name else [self.target]
        where = " ".join(
            os.path.relpath(each, root) if each.startswith(root) else each for each in what if each
        )
        numbers = "" if is_name or self.name in _SENDS or self.name == "mmap" else self.numbers()
        return f"{self.name} {where} {numbers}"


def _text(escaped: str) -> str:
    if not escaped.startswith("\\x"):
        return escaped
    return bytes.fromhex(escaped.replace("\\x", "")).decode("utf-8", "surrogateescape")


def recording(output: Path) -> list[str]:
    """Return what to put before a command, so that it and its children are recorded into `output`.

    The process that the command becomes is the one that was started; see `wait_for`.
    """
    program = shutil.which("strace")
    if program is None:
        missing("strace is not installed (on Debian: apt-get install strace)")
    command = [str(program), "-D", "-f", "--seccomp-bpf"]
    tried = subprocess.run([*command, "-e", "trace=fsync", "true"], capture_output=True, check=False)
    if tried.returncode:
        missing(f"strace does not work here: {tried.stderr.decode().strip()[-200:]}")
    options = ["-y", "-yy", "-xx", "-s", str(_LARGEST), "-e", "signal=none", "-e", f"trace={CALLS}"]
    return [*command, *options, "-o", str(output)]


def tracer_of(pid: int) -> int:
    """Return the process that records `pid`, once it does."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status = Path(f"/proc/{pid}/status").read_text()
        tracer = int(re.findall(r"^TracerPid:\s*(\d+)", status, re.MULTILINE)[0])
        if tracer:
            return tracer
        time.sleep(0.01)
    raise AssertionError("nobody records it")


def wait_for(tracer: int, seconds: float = 60.0) -> None:
    """Return once a recorder has written all: it ends after those whom it records."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if Path(f"/proc/{tracer}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        assert time.monotonic() < deadline, "strace does not end"
        time.sleep(0.02)


def read(output: Path, root: Path) -> list[Call]:
    """Return the calls that touch `root` or a TCP socket, in the order in which they ended.

    The moments are the lines of the record. strace stops who is recorded at the beginning and the end of each
    call, so that what is written there first came first.
    """
    inside = "".join(f"\\x{byte:02x}" for byte in os.fsencode(root))
    calls: list[Call] = []
    begun: dict[str, tuple[int, str]] = {}
    with output.open(encoding="ascii", errors="replace") as file:
        for number, line in enumerate(file):
            match = _LINE.match(line.rstrip("\n"))
            assert match is not None
            pid, rest = match[1] or "", match[2]
            if rest.endswith(" <unfinished ...>"):
                begun[pid] = (number, rest.removesuffix(" <unfinished ...>"))
                continue
            began = number
            if rest.startswith("<... "):
                began, start = begun.pop(pid)
                rest = start + rest.partition(" resumed>")[2]
            if inside in rest or "<TCP" in rest or rest.startswith("io_uring"):
                calls += _call(rest, began, number)
    calls += [each for began, text in begun.values() if inside in text for each in _call(text, began, NEVER)]
    return calls


def _call(text: str, began: int, ended: int) -> Iterator[Call]:
    name, bracket, arguments = text.partition("(")
    if not bracket or text.startswith(("+++", "---")):
        return
    handle = _HANDLE.match(arguments)
    target = "" if handle is None or handle[2] else _text(handle[1])
    result = _RESULT.search(arguments[-20_000:])
    if result is None:
        yield Call(name, began, ended, f"{arguments})", target, None)
        return
    if result[1] == "-1":
        return
    end = arguments.rindex(result[0]) + 1
    opened = _text(result[2] or "")
    yield Call(name, began, ended, arguments[:end], target, int(result[1], 0), opened)


def sends(calls: Sequence[Call], port: int) -> Iterator[tuple[Call, str]]:
    """Yield what was sent from `port` of this machine, each with the connection."""
    for each in calls:
        if each.name in _SENDS and each.target.startswith("TCP:") and f":{port}->" in each.target:
            yield each, each.target


class Reader:
    """Does to a `Disk` what was recorded.

    Parameters
    ----------
    ignored
        Tells of a path, and of what it is, whether its syncs are to count for nothing.
    """

    def __init__(self, disk: Disk, root: Path, ignored: Ignored = lambda path, kind: False) -> None:
        self._disk = disk
        self._root = f"{root}/"
        self._ignored = ignored
        self._positions: dict[Inode, int] = {}

    def play(self, calls: Sequence[Call]) -> Disk:
        """Do all of `calls`."""
        for each in calls:
            if each.name == "io_uring_setup":
                raise Unrecorded(each.name)
            act = getattr(self, f"_{_ALIKE.get(each.name, each.name)}", None)
            if act is not None:
                act(each)
            elif any(self._inside(path) is not None for path in (each.target, each.opened, *each.paths())):
                raise Unrecorded(f"{each.name}({each.arguments[:1000]}")
        return self._disk

    def _inside(self, path: str) -> str | None:
        """Return `path` relative to the root; None when it is not below."""
        return (
            (path + "/").removeprefix(self._root).rstrip("/") if f"{path}/".startswith(self._root) else None
        )

    def _file(self, call: Call) -> Inode | None:
        """Return the file that a call writes to."""
        path = self._inside(call.target)
        if path is None:
            return None
        inode = self._disk.find(path)
        if inode is None:
            raise Unrecorded(f"{call.name} of {call.target}, which nobody made")
        return inode if inode.kind is Kind.FILE else None

    def _open(self, call: Call) -> None:
        flags = call.arguments.rpartition('"')[2] if call.name != "creat" else "O_WRONLY|O_CREAT|O_TRUNC"
        path = self._inside(call.opened)
        if path is None or not ("O_WRONLY" in flags or "O_RDWR" in flags or "O_CREAT" in flags):
            return
        if "O_TMPFILE" in flags:
            raise Unrecorded("O_TMPFILE")
        inode = self._disk.find(path)
        if inode is None:
            inode = Inode()
            self._disk.name(call.began, call.ended, (path, inode))
        elif "O_TRUNC" in flags and inode.kind is Kind.FILE:
            inode.steps.append(Resize(call.began, call.ended, 0))
        self._positions[inode] = -1 if "O_APPEND" in flags else 0

    def _lseek(self, call: Call) -> None:
        inode = self._file(call)
        if inode is not None and call.result is not None and self._positions.get(inode) != -1:
            self._positions[inode] = call.result

    def _write(self, call: Call) -> None:
        """Write where the descriptor stands; files have one writer at a time that writes so."""
        inode = self._file(call)
        if inode is None:
            return
        data = call.data()
        position = self._positions.get(inode, 0)
        if position < 0:
            inode.steps.append(Write(call.began, call.ended, _size(inode), data))
            return
        inode.steps.append(Write(call.began, call.ended, position, data))
        self._positions[inode] = position + len(data)

    def _pwrite(self, call: Call) -> None:
        inode = self._file(call)
        if inode is not None:
            inode.steps.append(Write(call.began, call.ended, call.numbers()[1], call.data()))

    def _ftruncate(self, call: Call) -> None:
        inode = self._file(call)
        if inode is not None:
            inode.steps.append(Resize(call.began, call.ended, call.numbers()[-1]))

    def _truncate(self, call: Call) -> None:
        raise Unrecorded("truncate by name")

    def _fallocate(self, call: Call) -> None:
        inode, found = self._file(call), _FALLOC.search(call.arguments)
        if inode is None:
            return
        if found is None:
            raise Unrecorded(f"fallocate({call.arguments}")
        offset, length = int(found[2]), int(found[3])
        if "PUNCH_HOLE" in found[1] or "ZERO_RANGE" in found[1]:
            grows = "KEEP_SIZE" not in found[1]
            inode.steps.append(Write(call.began, call.ended, offset, bytes(length), grows))
        elif found[1] == "0":
            inode.steps.append(Resize(call.began, call.ended, max(_size(inode), offset + length)))
        elif found[1] != "FALLOC_FL_KEEP_SIZE":
            raise Unrecorded(f"fallocate({call.arguments}")

    def _sync(self, call: Call) -> None:
        path = self._inside(call.target)
        if path is None:
            return
        inode = self._disk.find(path)
        if inode is None:
            raise Unrecorded(f"a sync of {path}, which nobody made")
        if not self._ignored(path, inode.kind):
            self._disk.sync(call.began, call.ended, inode)

    def _rename(self, call: Call) -> None:
        old, new = map(self._inside, call.paths())
        if old is None and new is None:
            return
        inode = None if old is None else self._disk.find(old)
        if inode is None or old is None or new is None or "RENAME_" in call.arguments:
            raise Unrecorded(f"rename({call.arguments}")
        self._disk.name(call.began, call.ended, (old, None), (new, inode))

    def _link(self, call: Call) -> None:
        old, new = map(self._inside, call.paths())
        inode = None if old is None else self._disk.find(old)
        if new is not None and inode is None:
            raise Unrecorded(f"link({call.arguments}")
        if new is not None:
            self._disk.name(call.began, call.ended, (new, inode))

    def _unlink(self, call: Call) -> None:
        path = self._inside(call.paths()[0])
        if path is not None and self._disk.find(path) is not None:
            self._disk.name(call.began, call.ended, (path, None))

    def _mkdir(self, call: Call) -> None:
        path = self._inside(call.paths()[0])
        if path is not None:
            self._disk.name(call.began, call.ended, (path, Inode(Kind.FOLDER)))

    def _mknod(self, call: Call) -> None:
        path = self._inside(call.paths()[0])
        if path is not None:
            kind = Kind.PIPE if "S_IFIFO" in call.arguments else Kind.FILE
            self._disk.name(call.began, call.ended, (path, Inode(kind)))

    def _mmap(self, call: Call) -> None:
        shared = re.search(r"PROT_WRITE.*MAP_SHARED.*, \d+<([^>]*)>", call.arguments)
        path = self._inside(_text(shared[1])) if shared else None
        if path is None:
            return
        inode = self._disk.find(path)
        if inode is None:
            raise Unrecorded(f"{path}, which nobody made, is written through memory")
        inode.mapped = call.began if inode.mapped is None else inode.mapped


_ALIKE = {
    "openat": "open",
    "creat": "open",
    "writev": "write",
    "pwrite64": "pwrite",
    "pwritev": "pwrite",
    "pwritev2": "pwrite",
    "fsync": "sync",
    "fdatasync": "sync",
    "renameat": "rename",
    "renameat2": "rename",
    "linkat": "link",
    "unlinkat": "unlink",
    "rmdir": "unlink",
    "mkdirat": "mkdir",
    "mknodat": "mknod",
}


def _size(inode: Inode) -> int:
    """Return the size of a file at present."""
    size = len(inode.base)
    for each in inode.steps:
        size = each.size if isinstance(each, Resize) else max(size, each.offset + len(each.data))
    return size
