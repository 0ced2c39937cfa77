"""What a disk may hold after a power cut, by what was written to it and synced, in which order.

The model is strict where filesystems differ:

- What is written to a file is on disk for certain once an fsync or fdatasync of that file has ended that
  began after the write had ended. Until then any of it may be: each page of 4 KiB for itself, as it stood
  after any of the writes to it, and some pages torn, each sector of 512 bytes for itself.
- Sizes come in their order, whatever of the pages came. What is missing below the size reads as zeros: ext4
  and XFS see to it that nobody finds what another had deleted.
- What is written through memory is not seen. Of a file that any process had so mapped, the size is as above,
  and the content may be anything: with some luck it is noise.
- A name (made, moved, removed) is on disk for certain once its folder has been synced; a move is whole, and
  certain with the folder that it goes to. Until then each name is there or not, whatever became of others;
  or, with `Luck.in_order`, names come in the order in which they were made, and the sync of any folder makes
  all before it certain, as on filesystems with a journal.

Moments are places in the record: whole numbers, larger later.
"""

import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Self

SECTOR, PAGE = 512, 4096


class Kind(Enum):
    """What an inode is."""

    FILE = "file"
    FOLDER = "folder"
    PIPE = "pipe"


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done: at some moment after `began`, and before `ended`."""

    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class Write(Step):
    """Bytes into a file; a hole is a write of zeros that does not make the file longer."""

    offset: int
    data: bytes
    grows: bool = True


@dataclass(frozen=True, slots=True)
class Resize(Step):
    """A file made longer or shorter."""

    size: int


@dataclass(eq=False)
class Inode:
    """A file, folder or named pipe, under whatever names.

    Attributes
    ----------
    base, names
        Content of a file before the first step, and of a folder at present.
    steps
        In the order in which they ended.
    mapped
        Since when it may have been written through memory.
    """

    kind: Kind = Kind.FILE
    base: bytes = b""
    names: dict[str, "Inode"] = field(default_factory=dict)
    steps: list[Write | Resize] = field(default_factory=list)
    syncs: list[Step] = field(default_factory=list)
    mapped: int | None = None

    def certain(self, moment: int) -> int:
        """Return the moment before which all that had ended is on disk at `moment`."""
        return max((each.began for each in self.syncs if each.ended <= moment), default=-1)


@dataclass(frozen=True, slots=True)
class Naming(Step):
    """Names that changed in one piece; the last folder's sync makes it certain."""

    changes: Sequence[tuple[Inode, str, Inode | None]]


@dataclass
class Luck:
    """What survives of that which is not certain.

    Attributes
    ----------
    share
        0: nothing; 1: all; between: each part by chance, in so many of all cases.
    in_order
        Names survive in their order only.
    """

    share: float = 0.0
    seed: int = 0
    in_order: bool = False

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def upto(self, count: int) -> int:
        """Return how many of `count` things, each of which needs the one before, have survived."""
        if self.share >= 1 or self.share <= 0:
            return count if self.share >= 1 else 0
        if not count or self._random.random() < self.share:
            return count
        return self._random.randrange(count)

    def noise(self, size: int) -> bytes | None:
        """Return what stands in a file that was written through memory; None: what was written otherwise."""
        return self._random.randbytes(size) if 0 < self.share < 1 and self._random.random() < 0.7 else None

    def tears(self) -> bool:
        """Tell whether a page is torn."""
        return 0 < self.share < 1 and self._random.random() < 0.2


class Tree(dict[str, bytes | Kind | None]):
    """What is in a folder, by paths: the content of a file, None for a folder."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read all that is in `folder`."""
        tree = cls()
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_dir():
                tree[name] = None
            else:
                tree[name] = Kind.PIPE if path.is_fifo() else path.read_bytes()
        return tree

    def lay_out(self, folder: Path) -> None:
        """Make all of it in `folder`, which is made as well."""
        folder.mkdir(parents=True)
        for path, data in self.items():
            if data is None:
                (folder / path).mkdir()
            elif isinstance(data, Kind):
                os.mkfifo(folder / path)
            else:
                (folder / path).write_bytes(data)


class Disk:
    """A folder with all that is done below it. Paths are relative to it; it is ``""`` itself."""

    def __init__(self) -> None:
        self.root = Inode(Kind.FOLDER)
        self._base: dict[Inode, dict[str, Inode]] = {}
        self._namings: list[Naming] = []
        self._folder_syncs: list[Step] = []

    @classmethod
    def holding(cls, tree: Tree) -> Self:
        """Return one on which `tree` is, and all of it certain."""
        disk = cls()
        for path, data in sorted(tree.items()):
            folder, _, name = path.rpartition("/")
            parent = disk.find(folder)
            assert parent is not None
            if isinstance(data, Kind):
                inode = Inode(data)
            else:
                inode = Inode(Kind.FOLDER) if data is None else Inode(base=data)
            parent.names[name] = inode
            disk._base.setdefault(parent, {})[name] = inode
        return disk

    def find(self, path: str) -> Inode | None:
        """Return what has this name at present."""
        inode: Inode | None = self.root
        for name in path.split("/") if path else ():
            if inode is None:
                return None
            inode = inode.names.get(name)
        return inode

    def name(self, began: int, ended: int, *changes: tuple[str, Inode | None]) -> None:
        """Give or take names, all in one piece."""
        found: list[tuple[Inode, str, Inode | None]] = []
        for path, inode in changes:
            folder, _, name = path.rpartition("/")
            parent = self.find(folder)
            assert parent is not None, f"a name in a folder that nobody made: {path}"
            if inode is None:
                parent.names.pop(name, None)
            else:
                parent.names[name] = inode
            found.append((parent, name, inode))
        self._namings.append(Naming(began, ended, found))

    def sync(self, began: int, ended: int, inode: Inode) -> None:
        """Sync a file or a folder."""
        step = Step(began, ended)
        inode.syncs.append(step)
        if inode.kind is Kind.FOLDER:
            self._folder_syncs.append(step)

    def after(self, moment: int, luck: Luck) -> Tree:
        """Return what may be there when the power is cut at `moment`."""
        names = self._names(moment, luck)
        tree = Tree()
        contents: dict[Inode, bytes] = {}

        def walk(folder: Inode, before: str) -> None:
            for name, inode in sorted(names.get(folder, {}).items()):
                path = before + name
                if inode.kind is Kind.FILE:
                    if inode not in contents:
                        contents[inode] = content(inode, moment, luck)
                    tree[path] = contents[inode]
                elif inode.kind is Kind.FOLDER:
                    tree[path] = None
                    walk(inode, f"{path}/")
                else:
                    tree[path] = inode.kind

        walk(self.root, "")
        return tree

    def _names(self, moment: int, luck: Luck) -> dict[Inode, dict[str, Inode]]:
        names = {folder: dict(some) for folder, some in self._base.items()}
        begun = [each for each in self._namings if each.began <= moment]
        if luck.in_order:
            survived = _in_order(begun, self._folder_syncs, moment, luck)
        else:
            survived = _each(begun, moment, luck)
        for each in survived:
            for folder, name, inode in each.changes:
                some = names.setdefault(folder, {})
                if inode is None:
                    some.pop(name, None)
                else:
                    some[name] = inode
        return names


def _each(begun: Sequence[Naming], moment: int, luck: Luck) -> Sequence[Naming]:
    return [one for one in begun if one.ended < one.changes[-1][0].certain(moment) or luck.upto(1)]


def _in_order(begun: Sequence[Naming], syncs: Sequence[Step], moment: int, luck: Luck) -> Sequence[Naming]:
    certain = max((each.began for each in syncs if each.ended <= moment), default=-1)
    sure = sum(each.ended < certain for each in begun)  # they are in the order in which they ended
    return begun[: sure + luck.upto(len(begun) - sure)]


def content(inode: Inode, moment: int, luck: Luck) -> bytes:
    """Return what a file may hold when the power is cut at `moment`."""
    certain = inode.certain(moment)
    image = bytearray(inode.base)
    open_steps = []
    for each in inode.steps:
        if each.ended < certain:
            _apply(image, each)
        elif each.began <= moment:
            open_steps.append(each)
    found = _gamble(image, open_steps, luck) if open_steps else bytes(image)
    wild = inode.mapped is not None and inode.mapped <= moment
    return (luck.noise(len(found)) if wild else None) or found


def _apply(image: bytearray, step: Write | Resize) -> None:
    if isinstance(step, Resize):
        _fit(image, step.size)
        return
    end = step.offset + len(step.data)
    if step.grows and end > len(image):
        _fit(image, end)
    data = step.data[: max(len(image) - step.offset, 0)]
    image[step.offset : step.offset + len(data)] = data


def _fit(image: bytearray, size: int) -> None:
    del image[size:]
    image.extend(bytes(size - len(image)))


def _gamble(image: bytearray, steps: Sequence[Write | Resize], luck: Luck) -> bytes:
    """Apply to `image` what survives of `steps`."""
    size, longest, sizes = len(image), len(image), []
    for each in steps:
        if isinstance(each, Resize):
            wanted = each.size
        else:
            wanted = max(size, each.offset + len(each.data)) if each.grows else size
        if wanted != size:
            sizes.append((each, wanted))
        size, longest = wanted, max(longest, wanted)
    kept = luck.upto(len(sizes))
    final = sizes[kept - 1][1] if kept else len(image)
    lost = {id(each) for each, _ in sizes[kept:]}
    chosen = _versions(steps, luck)
    _fit(image, longest)
    limit, seen = longest, Counter[int]()
    for each in steps:
        if isinstance(each, Write):
            _write_lucky(image, each, chosen, seen, limit)
        elif id(each) not in lost:
            image[each.size :] = bytes(max(len(image) - each.size, 0))
        else:  # its blocks were still the file's, so that nothing new was written beyond
            limit = min(limit, each.size)
    _fit(image, final)
    return bytes(image)


def _pages(step: Write) -> range:
    return range(step.offset // PAGE, -(-(step.offset + len(step.data)) // PAGE))


def _versions(steps: Sequence[Write | Resize], luck: Luck) -> dict[int, list[int]]:
    """Return for each page how many writes to it survive in each of its sectors."""
    counts = Counter(page for each in steps if isinstance(each, Write) for page in _pages(each))
    sectors = PAGE // SECTOR
    return {
        page: [luck.upto(count) for _ in range(sectors)] if luck.tears() else [luck.upto(count)] * sectors
        for page, count in counts.items()
    }


def _write_lucky(
    image: bytearray, step: Write, chosen: Mapping[int, Sequence[int]], seen: Counter[int], limit: int
) -> None:
    end = min(step.offset + len(step.data), limit)
    for page in _pages(step):
        seen[page] += 1
        for index, survives in enumerate(chosen[page]):
            if seen[page] > survives:
                continue
            first = page * PAGE + index * SECTOR
            start, stop = max(first, step.offset), min(first + SECTOR, end)
            if start < stop:
                image[start:stop] = step.data[start - step.offset : stop - step.offset]
