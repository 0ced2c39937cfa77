"""What datasets look like: the headers of their elements, learnt from one to know the next by.

The instances of a series have the same elements, with values of the same lengths but for a few. Where all the
bytes of all headers are those of a dataset that was walked, the walk would go the same way; a whole run of
headers is compared at once, as one large number. Values whose length changed once end a run, and their length
is read. What is not known is left to `node.intake.walker`.
"""

import struct
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

from node.intake.header import Decoder, Header
from node.intake.outline import Entry, outline
from node.intake.walker import CAPTURE_MAX, PICKED, UNDEFINED, Buffer

KNOWN_MAX = 8
"""Shapes that are remembered: of the series that come in side by side, and their variants."""
SINGLE_MAX = 24
"""Values of a shape whose length is read; with more of them it is learnt anew."""
_LARGE = 256  # bytes of a value over which no run goes
_FEWEST, _MOST = 8, 4096  # headers that are worth a shape
_PATIENCE = 8  # shapes learnt for nothing until most datasets are just walked
_SELDOM = 16  # of that many then one is learnt

Values = dict[int, tuple[bytes, bytes]]
Wanted = Callable[[int], bool]

# The bytes it spans; which of their bits count, and what these are; what unpacks the values within it, and at
# its end the length of the value that follows; whether there is such a value, and whether it is picked too.
_Run = tuple[int, int, int, Callable[..., tuple[Any, ...]], bool, bool]


class Shape:
    """The headers of a dataset, as far as it was usual.

    Parameters
    ----------
    entries
        What `node.intake.outline` says of it.
    single
        Indices of plain ones whose length may be any: never the first, and the last if it is plain.
    data
        The dataset they are of.
    wanted
        Says which elements of the top level are picked out beside `PICKED`.

    Attributes
    ----------
    last
        Tag of the last element of the top level.
    events
        The elements of the top level that are wanted: tag, VR and index in what `match` returns; an index of
        -1 for a sequence.
    """

    def __init__(
        self, entries: Sequence[Entry], single: frozenset[int], data: Buffer, wanted: Wanted | None
    ) -> None:
        self.kinds = _kinds(entries)
        self.lengths = [each.length for each in entries]
        self.single = single
        top = [each for each in entries if each.top]
        self.last = top[-1].tag
        picks = [each for each in top if each.plain and (each.tag in PICKED or (wanted and wanted(each.tag)))]
        places = {each.tag: index for index, each in enumerate(picks)}
        self.events = tuple(
            (each.tag, each.vr, places.get(each.tag, -1)) for each in top if wanted and wanted(each.tag)
        )
        self._names = [(index, each.tag, each.vr) for index, each in enumerate(picks) if each.tag in PICKED]
        self._beside = len(picks) - len(self._names)
        self._decoder = Decoder([(tag, vr) for _, tag, vr in self._names])
        self._runs = list(_runs(entries, single, data, places))

    def match(self, piece: Buffer, size: int) -> tuple[list[bytes], int] | None:
        """Return the values picked out of a dataset of this shape, and where the last element of it ends.

        Parameters
        ----------
        piece
            Beginning of the dataset, or all of it.
        size
            Its bytes.
        """
        position = length = 0
        raws: list[Any] = []
        for span, mask, expected, unpack, single, picked in self._runs:
            end = position + span
            if end > size or int.from_bytes(piece[position:end], "little") & mask != expected:
                return None
            raws += unpack(piece, position)
            position = end
            if single:
                length = raws.pop()
                position += length
                if picked:
                    if length > CAPTURE_MAX or position > size:
                        return None
                    raws.append(bytes(piece[end:position]))
        return None if length == UNDEFINED else (raws, position)

    def values(self, raws: Sequence[bytes]) -> Values:
        """Return what `node.intake.walker.Walker.values` would be."""
        return {tag: (vr, raws[index]) for index, tag, vr in self._names}

    def header(self, raws: list[bytes]) -> Header:
        """Return what `node.intake.header.decode_header` makes of `values`."""
        if self._beside:
            raws = [raws[index] for index, _, _ in self._names]
        return self._decoder.decode(raws)


class Shapes:
    """The shapes that datasets had lately, in one encoding.

    Parameters
    ----------
    explicit
        Explicit VR; Little Endian it is.
    wanted
        Says which elements of the top level are picked out beside `PICKED`.
    """

    def __init__(self, *, explicit: bool, wanted: Wanted | None = None) -> None:
        self._explicit = explicit
        self._wanted = wanted
        self._known: tuple[Shape, ...] = ()  # replaced, never changed: other threads are going over it
        self._patience = _PATIENCE
        self._missed = 0

    def match(self, piece: Buffer, size: int) -> tuple[Shape, list[bytes], int] | None:
        """Return the shape that a dataset has, and what `Shape.match` does; None when none is known."""
        known = self._known
        for shape in known:
            found = shape.match(piece, size)
            if found is not None:
                if shape is not known[0]:
                    self._put_first(shape, shape)
                self._patience = _PATIENCE
                return shape, *found
        return None

    def learn(self, piece: Buffer, values: Values) -> None:
        """Learn from the beginning of a dataset that none of the shapes is like.

        Parameters
        ----------
        values
            What the walker picked out of it.
        """
        self._missed += 1
        if self._patience <= 0 and self._missed % _SELDOM:
            return
        self._patience -= 1
        entries = self._usable(piece, values)
        if not _FEWEST <= len(entries) <= _MOST:
            return
        single = {i for i, each in enumerate(entries) if each.plain and each.length > _LARGE}
        if entries[-1].plain:
            single.add(len(entries) - 1)
        kin, changed = self._kin(entries)
        if kin is not None and len(single | kin.single | changed) <= SINGLE_MAX:
            single |= kin.single | changed
        if 0 not in single:
            self._put_first(Shape(entries, frozenset(single), piece, self._wanted), kin)

    def _usable(self, piece: Buffer, values: Values) -> list[Entry]:
        """Return the headers up to where a shape would not pick what the walker picks."""
        entries = outline(piece, explicit=self._explicit)
        seen: set[int] = set()
        for index, each in enumerate(entries):
            if not each.top:
                continue
            if each.tag in seen:
                return entries[:index]
            seen.add(each.tag)
            if each.plain and self._picks(each.tag):
                raw = bytes(piece[each.begin + each.size : each.end])
                known = values.get(each.tag) == (each.vr, raw) or each.tag not in PICKED
                if not known or each.length > CAPTURE_MAX or len(raw) < each.length:
                    return entries[:index]
        return entries

    def _picks(self, tag: int) -> bool:
        return tag in PICKED or (self._wanted is not None and self._wanted(tag))

    def _kin(self, entries: Sequence[Entry]) -> tuple[Shape | None, set[int]]:
        """Return the shape that has the same elements with other lengths of values, and which are other."""
        kinds = _kinds(entries)
        for shape in self._known:
            if shape.kinds == kinds:
                pairs = enumerate(zip(shape.lengths, entries, strict=True))
                changed = {index for index, (length, each) in pairs if length != each.length}
                if all(entries[index].plain for index in changed):
                    return shape, changed
        return None, set()

    def _put_first(self, shape: Shape, instead: Shape | None) -> None:
        others = [each for each in self._known if each is not instead]
        self._known = (shape, *others[: KNOWN_MAX - 1])


def _kinds(entries: Iterable[Entry]) -> list[tuple[int, bytes, bool]]:
    return [(each.tag, each.vr, each.plain) for each in entries]


def _runs(
    entries: Sequence[Entry], single: Container[int], data: Buffer, picked: Container[int]
) -> Iterator[_Run]:
    """Yield the runs of headers, each but the last up to a value whose length is to be read."""
    start, at, mask, form = 0, 0, bytearray(), "<"
    for index, each in enumerate(entries):
        begin = each.begin - start
        end = begin + each.size
        mask += bytes(begin - len(mask))
        picks = each.plain and each.tag in picked
        if index not in single:
            mask += b"\xff" * each.size
            if picks:
                form += f"{end - at}x{each.length}s"
                at = end + each.length
            continue
        field = 2 if each.vr and each.size == 8 else 4
        mask += b"\xff" * (each.size - field) + bytes(field)
        form += f"{end - field - at}x{'H' if field == 2 else 'L'}"
        yield _run(data[start : start + end], mask, form, True, picks)
        start, at, mask, form = each.end, 0, bytearray(), "<"
    if mask:
        mask += bytes(entries[-1].end - start - len(mask))
        yield _run(data[start : entries[-1].end], mask, form, False, False)


def _run(data: Buffer, mask: bytearray, form: str, single: bool, picked: bool) -> _Run:
    counts = int.from_bytes(mask, "little")
    expected = int.from_bytes(data, "little") & counts
    return len(mask), counts, expected, struct.Struct(form).unpack_from, single, picked
