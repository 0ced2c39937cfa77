r"""Reads a dataset as it passes: inflated where it is deflated, walked to its end, its header decoded.

Example
-------
>>> reader = Reader("1.2.840.10008.1.2.1", limit=1 << 30)
>>> reader.feed(b"\x08\x00\x60\x00CS\x02\x00CT")
>>> reader.finish().get("Modality")
'CT'
"""

from collections.abc import Mapping

from node.intake.errors import Malformed
from node.intake.further import Further
from node.intake.header import Header, decode_header
from node.intake.inflate import Inflater
from node.intake.syntax import encoding_of
from node.intake.walker import Buffer, Walker
from rules.facts import Needs


class Reader:
    """Takes the bytes of one dataset, and remembers what was wrong with them instead of raising.

    Parameters
    ----------
    transfer_syntax_uid
        As the sender says.
    limit
        Bytes that a deflated dataset may inflate to.
    wanted
        What is to be read beside the indexed attributes.

    Attributes
    ----------
    problem
        Why the dataset cannot be read; empty while nothing is known against it.
    """

    def __init__(self, transfer_syntax_uid: str, limit: int, wanted: Needs | None = None) -> None:
        encoding = encoding_of(transfer_syntax_uid)
        self.problem = ""
        self._further = Further(wanted) if wanted and (wanted.tags or wanted.private) else None
        self._walker = Walker(encoding, self._further)
        self._inflater = Inflater(limit) if encoding.deflated else None

    @property
    def further(self) -> Mapping[str, object]:
        """What of `wanted` the dataset has, as far as is known, by name in `rules.facts.Facts`.

        Text as in a `Header`, or `rules.unknown.Unknown` when it cannot be read; what nothing but the dataset
        knows the type of is a number, date or time when its VR is one of these.
        """
        return self._further.decode(little=self._walker.encoding.little) if self._further else {}

    @property
    def reached(self) -> int:
        """The element of the top level that was begun last; all with a lower tag have passed."""
        return self._walker.reached

    def feed(self, piece: Buffer) -> None:
        """Take the next bytes."""
        if self.problem:
            return
        try:
            if self._inflater is None:
                self._walker.feed(piece)
            else:
                for inflated in self._inflater.feed(piece):
                    self._walker.feed(inflated)
        except Malformed as error:
            self.problem = str(error)

    def finish(self) -> Header:
        """Say that no more comes; return what is known, however much that is."""
        if not self.problem:
            try:
                if self._inflater is not None:
                    self._inflater.finish()
                self._walker.finish()
            except Malformed as error:
                self.problem = str(error)
        return self.header()

    def header(self) -> Header:
        """Return what is known so far."""
        return decode_header(self._walker.values, little=self._walker.encoding.little)
