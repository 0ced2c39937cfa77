"""Picks out of a dataset that passes what rules want to know beyond the indexed attributes.

Private elements are found by the private creators of the same dataset, which stand before them in the same
group (PS3.5 7.8.1). How values are decoded is the business of `node.intake.values`.
"""

from collections.abc import Mapping, Set

from node.intake.charsets import Charset, charset_of
from node.intake.shapes import Shapes
from node.intake.values import Context, Element, decode
from node.intake.walker import CHARACTER_SET, PICKED
from rules.facts import Needs

PIXEL_REPRESENTATION = 0x00280103
"""Says in Implicit VR whether numbers that may be either have a sign (PS3.5 A.1)."""

_ALONE = frozenset({CHARACTER_SET, PIXEL_REPRESENTATION})


class _Plan:
    """What follows from `Needs`, the same for every dataset."""

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.groups: dict[int, tuple[tuple[str, int, str], ...]] = {}
        for (group, creator, last), name in needs.private.items():
            self.groups[group] = (*self.groups.get(group, ()), (creator, last, name))
        creators = {group << 16 | block for group in self.groups for block in range(0x10, 0x100)}
        self.wanted = {tag: Element(name, tag) for tag, name in needs.tags.items()}
        self._own = frozenset(needs.tags.keys() | creators | _ALONE)
        self._lasts = {(group, last) for group, _, last in needs.private}
        self.tags = PICKED | self._own
        self.shapes = {
            explicit: Shapes(explicit=explicit, wanted=self.may_want) for explicit in (True, False)
        }

    def may_want(self, tag: int) -> bool:
        """Say whether an element is of use, or would be if its block were that of a certain creator."""
        return tag in self._own or (tag >> 16, tag & 0xFF) in self._lasts


_latest = _Plan(Needs({}, {}))


def _plan(needs: Needs) -> _Plan:
    """Return the plan of `needs`, which are the very same for one instance after the other."""
    global _latest
    plan = _latest
    if plan.needs is not needs:
        plan = _latest = _Plan(needs)
    return plan


class Further:
    """Gathers the elements that are wanted, of one dataset.

    Attributes
    ----------
    shapes
        What datasets looked like of which the same was wanted, in Explicit VR and not. Of those it is given
        all that it may want: `take` leaves what it does not.
    """

    def __init__(self, needs: Needs) -> None:
        plan = _plan(needs)
        self.shapes = plan.shapes
        self._tags = plan.tags
        self._reserved: set[int] = set()
        self._groups = plan.groups
        self._wanted: Mapping[int, Element] = plan.wanted
        self._values: dict[int, tuple[bytes, bytes]] = {}
        self._charset = Charset()
        self._signed: bool | None = None

    @property
    def tags(self) -> Set[int]:
        """The elements of the top level to be given to `take`; more of them as private creators come by."""
        if self._reserved:
            self._tags |= self._reserved
            self._reserved = set()
        return self._tags

    def take(self, tag: int, vr: bytes, raw: bytes) -> None:
        """Take one element: its VR (empty in Implicit VR), and its value as far as it is kept."""
        if tag == CHARACTER_SET:
            self._charset = charset_of(raw)
        elif tag == PIXEL_REPRESENTATION and raw:
            self._signed = any(raw)
        elif tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
            self._reserve(tag >> 16, tag & 0xFF, raw)
        if tag in self._wanted:
            self._values[tag] = (vr, raw)

    def enter(self, tag: int) -> None:
        """Take note that an element is a sequence."""
        if tag in self._wanted:
            self._values[tag] = (b"SQ", b"")

    def decode(self, *, little: bool) -> Mapping[str, object]:
        """Return what was found, by its name in `rules.facts.Facts`. Never raises.

        Parameters
        ----------
        little
            Byte order of binary numbers.
        """
        context = Context(self._charset, little, self._signed)
        found: dict[str, object] = {}
        for tag, (vr, raw) in sorted(self._values.items()):
            element = self._wanted[tag]
            if element.name not in found:  # of two blocks of one creator the first that has it
                found[element.name] = decode(element, vr, raw, context)
        return found

    def _reserve(self, group: int, block: int, raw: bytes) -> None:
        """Note what a private creator stands for: (gggg,00bb) reserves (gggg,bb00-bbFF)."""
        creator = self._charset.decode(raw)[0].strip(" \0")
        for wanted, last, name in self._groups.get(group, ()):
            tag = group << 16 | block << 8 | last
            if wanted == creator:
                self._wanted = {**self._wanted, tag: Element(name, tag, creator)}
                self._reserved.add(tag)
            elif tag in self._wanted and self._wanted[tag].creator != creator:
                self._wanted = {each: element for each, element in self._wanted.items() if each != tag}
                self._values.pop(tag, None)
