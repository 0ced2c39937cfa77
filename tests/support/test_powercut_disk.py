"""The disk of power cuts: what must be there, what may be, and what never is."""

from tests.support.powercut_disk import (
    PAGE,
    SECTOR,
    Disk,
    Inode,
    Kind,
    Luck,
    Resize,
    Step,
    Tree,
    Write,
    content,
)

OLD, NEW = b"o" * PAGE, b"n" * PAGE
MANY = [Luck(0.5, seed) for seed in range(200)]


def _results(inode: Inode, moment: int) -> set[bytes]:
    return {content(inode, moment, luck) for luck in MANY}


def _written(*steps: Write | Resize, base: bytes = b"", synced: Step | None = None) -> Inode:
    return Inode(base=base, steps=list(steps), syncs=[synced] if synced else [])


def test_what_is_not_synced_may_be_there_or_not() -> None:
    inode = _written(Write(1, 2, 0, NEW), base=OLD)
    assert content(inode, 9, Luck()) == OLD
    assert content(inode, 9, Luck(1)) == NEW
    assert {OLD, NEW} <= _results(inode, 9)


def test_what_is_synced_is_there_from_the_end_of_the_sync_on() -> None:
    inode = _written(Write(1, 2, 0, NEW), base=OLD, synced=Step(3, 5))
    assert OLD in _results(inode, 4)
    assert _results(inode, 5) == {NEW}


def test_a_sync_that_began_before_the_write_had_ended_makes_nothing_certain() -> None:
    assert OLD in _results(_written(Write(1, 4, 0, NEW), base=OLD, synced=Step(3, 5)), 9)


def test_what_has_not_begun_is_not_there() -> None:
    inode = _written(Write(5, 6, 0, NEW), base=OLD)
    assert content(inode, 4, Luck(1)) == OLD
    assert content(inode, 5, Luck(1)) == NEW


def test_pages_survive_by_themselves_and_a_torn_one_by_sectors() -> None:
    inode = _written(Write(1, 2, 0, NEW * 2), base=OLD * 2)
    found = _results(inode, 9)
    assert {OLD + NEW, NEW + OLD} <= found
    torn = [each for each in found if each[:PAGE] not in (OLD, NEW)]
    assert torn
    for each in torn:
        for start in range(0, PAGE, SECTOR):
            assert each[start : start + SECTOR] in (OLD[:SECTOR], NEW[:SECTOR])


def test_a_page_has_all_writes_to_it_up_to_one() -> None:
    steps = [Write(n, n, 100 * n, bytes([n]) * 50) for n in range(1, 4)]
    contents = {tuple(n in each for n in range(1, 4)) for each in _results(_written(*steps, base=OLD), 9)}
    assert contents == {(False,) * 3, (True, False, False), (True, True, False), (True, True, True)}


def test_a_size_may_come_without_its_pages_and_pages_without_the_size() -> None:
    found = _results(_written(Write(1, 2, 0, NEW)), 9)
    assert {b"", NEW, bytes(PAGE)} <= found
    assert all(len(each) in (0, PAGE) for each in found)


def test_what_was_cut_off_does_not_come_back_longer() -> None:
    inode = _written(Resize(1, 2, 10), Write(3, 4, PAGE, NEW), base=OLD * 2)
    for each in _results(inode, 9):
        assert each in (OLD * 2, OLD[:10]) or (
            each.startswith(OLD[:10] + bytes(PAGE - 10)) and len(each) == 2 * PAGE
        )
    assert content(inode, 9, Luck(1)) == OLD[:10] + bytes(PAGE - 10) + NEW


def test_a_hole_does_not_make_a_file_longer() -> None:
    assert content(_written(Write(1, 2, 8, bytes(100), grows=False), base=OLD[:20]), 9, Luck(1)) == (
        OLD[:8] + bytes(12)
    )


def test_what_is_written_through_memory_may_be_anything() -> None:
    inode = _written(base=OLD)
    inode.mapped = 5
    assert _results(inode, 4) == {OLD}
    found = _results(inode, 5)
    assert OLD in found
    assert len(found) > 100
    assert {len(each) for each in found} == {PAGE}


def _disk() -> tuple[Disk, Inode]:
    disk = Disk.holding(Tree({"a": None, "a/old": b"1", "b": None}))
    folder = disk.find("a")
    assert folder is not None
    return disk, folder


def test_a_name_is_certain_once_its_folder_has_been_synced() -> None:
    disk, folder = _disk()
    disk.name(1, 2, ("a/new", Inode(base=b"2")))
    assert "a/new" not in disk.after(9, Luck())
    assert disk.after(9, Luck(1))["a/new"] == b"2"
    disk.sync(3, 4, folder)
    assert "a/new" not in disk.after(3, Luck())
    assert disk.after(4, Luck())["a/new"] == b"2"


def test_a_move_is_whole_and_certain_with_the_folder_that_it_goes_to() -> None:
    disk, folder = _disk()
    disk.name(1, 2, ("a/old", None), ("b/new", disk.find("a/old")))
    for luck in MANY:
        assert {"a/old", "b/new"} & set(disk.after(9, luck)) in ({"a/old"}, {"b/new"})
    disk.sync(3, 4, folder)
    assert "a/old" in disk.after(9, Luck())
    target = disk.find("b")
    assert target is not None
    disk.sync(5, 6, target)
    assert disk.after(9, Luck()) == {"a": None, "b": None, "b/new": b"1"}


def test_what_is_in_a_folder_without_name_is_lost() -> None:
    disk, _ = _disk()
    made = Inode(Kind.FOLDER)
    disk.name(1, 2, ("c", made))
    disk.name(3, 4, ("c/x", Inode(base=b"3")))
    disk.sync(5, 6, made)
    assert "c/x" not in disk.after(9, Luck())
    disk.sync(7, 8, disk.root)
    assert disk.after(9, Luck())["c/x"] == b"3"


def test_names_survive_in_any_order_or_in_theirs() -> None:
    disk, folder = _disk()
    disk.name(1, 2, ("a/x", Inode()))
    disk.name(3, 4, ("b/y", Inode()))

    def seen(in_order: bool) -> set[tuple[bool, bool]]:
        trees = [disk.after(9, Luck(0.5, seed, in_order)) for seed in range(50)]
        return {("a/x" in tree, "b/y" in tree) for tree in trees}

    assert seen(in_order=False) == {(False, False), (False, True), (True, False), (True, True)}
    assert seen(in_order=True) == {(False, False), (True, False), (True, True)}
    disk.sync(5, 6, folder)
    assert seen(in_order=False) == {(True, False), (True, True)}
    assert seen(in_order=True) == {(True, True)}


def test_the_same_luck_gives_the_same_disk() -> None:
    disk, _ = _disk()
    inode = disk.find("a/old")
    assert inode is not None
    inode.steps += [Write(n, n + 1, n * 1000, NEW) for n in range(20)]
    assert len({disk.after(9, Luck(0.5, 3))["a/old"] for _ in range(5)}) == 1
