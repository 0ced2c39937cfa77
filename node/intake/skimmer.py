r"""Follows a dataset as `node.intake.walker` does, with less work where it is like one that came before.

What is not is left to the walker, from the beginning or from where the likeness ends. The answers are the
walker's in every case.

Example
-------
>>> skimmer = Skimmer(EXPLICIT)
>>> skimmer.feed(b"\x08\x00\x16\x00UI\x04\x001.2\x00")
>>> skimmer.finish()
>>> skimmer.header().get("SOPClassUID")
'1.2'
"""

from node.intake.further import Further
from node.intake.header import Header, decode_header
from node.intake.shapes import Shape, Shapes, Values
from node.intake.syntax import EXPLICIT, Encoding
from node.intake.walker import Buffer, Walker

_SHAPES = {explicit: Shapes(explicit=explicit) for explicit in (True, False)}


class Skimmer:
    """Reads one dataset, given in pieces of any size; the whole header should be in the first.

    Parameters
    ----------
    encoding
        How it is encoded; a deflated one is given inflated.
    further
        Wants more elements than the indexed ones.
    """

    __slots__ = ("_further", "_raws", "_shape", "_skip", "_walker", "encoding")

    def __init__(self, encoding: Encoding = EXPLICIT, further: Further | None = None) -> None:
        self.encoding = encoding
        self._further = further
        self._walker: Walker | None = None
        self._shape: Shape | None = None
        self._raws: list[bytes] = []
        self._skip = 0  # bytes left of the last value, when the shape was all there is

    @property
    def reached(self) -> int:
        """The element of the top level that was begun last."""
        if self._walker is not None:
            return self._walker.reached
        return self._shape.last if self._shape is not None else 0

    @property
    def values(self) -> Values:
        """As `Walker.values`."""
        if self._walker is not None:
            return self._walker.values
        return self._shape.values(self._raws) if self._shape is not None else {}

    def header(self) -> Header:
        """Return what is known so far."""
        if self._walker is None and self._shape is not None:
            return self._shape.header(self._raws)
        return decode_header(self.values, little=self.encoding.little)

    def feed(self, piece: Buffer) -> None:
        """Take the next bytes.

        Raises
        ------
        node.intake.errors.Malformed
            The dataset cannot be read; the skimmer is of no more use.
        """
        if self._walker is not None:
            self._walker.feed(piece)
        elif self._shape is None:
            self._begin(piece)
        elif self._skip >= len(piece):
            self._skip -= len(piece)
        else:
            self._hand_over().feed(piece)

    def finish(self) -> None:
        """Say that no more comes.

        Raises
        ------
        node.intake.errors.Malformed
            The dataset is cut off.
        """
        if self._walker is None and self._skip:
            self._hand_over()
        if self._walker is not None:
            self._walker.finish()

    def _begin(self, piece: Buffer) -> None:
        size = len(piece)
        if not size:
            return
        if not self.encoding.little:
            self._hand_over().feed(piece)
            return
        further = self._further
        shapes = (further.shapes if further is not None else _SHAPES)[self.encoding.explicit]
        found = shapes.match(piece, size)
        if found is None:
            walker = self._hand_over()
            walker.feed(piece)
            shapes.learn(piece, walker.values)
            return
        self._shape, self._raws, position = found
        if further is not None:
            for tag, vr, index in self._shape.events:
                if index < 0:
                    further.enter(tag)
                else:
                    further.take(tag, vr, self._raws[index])
        if position < size:
            self._hand_over().feed(piece[position:])
        else:
            self._skip = position - size

    def _hand_over(self) -> Walker:
        """Let the walker do the rest."""
        self._walker = walker = Walker(self.encoding, self._further)
        if self._shape is not None:
            walker.resume(self._shape.values(self._raws), self._shape.last, self._skip)
        return walker
