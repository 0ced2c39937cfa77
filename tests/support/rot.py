"""Bits that flip on the disk, wherever and however the node keeps its bytes there."""

import mmap
from pathlib import Path


def rot(folder: Path, content: bytes, at: int) -> Path:
    """Flip a bit of the byte at `at` of `content`, which one file below `folder` holds; return the file.

    Raises
    ------
    LookupError
        None of them holds it, or more than one, or one twice.
    """
    found = [(path, begin) for path in _files(folder) for begin in _places(path, content)]
    if len(found) != 1:
        raise LookupError(f"it is there {len(found)} times")
    path, begin = found[0]
    with path.open("r+b") as file:
        file.seek(begin + at)
        byte = file.read(1)[0]
        file.seek(begin + at)
        file.write(bytes([byte ^ 1]))
    return path


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]


def _places(path: Path, content: bytes) -> list[int]:
    places = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        begin = whole.find(content)
        while begin >= 0:
            places.append(begin)
            begin = whole.find(content, begin + 1)
    return places
