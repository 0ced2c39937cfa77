"""Picks out of a dataset that passes what rules want to know beyond the indexed attributes.

Private elements are found by the private creators of the same dataset, which stand before them in the same
group (PS3.5 7.8.1). How values are decoded is the business of `node.intake.values`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from node.intake.charsets import Charset, charset_of
from node.intake.values import Context, Element, decode
from node.intake.walker import CHARACTER_SET, PICKED
from rules.facts import Needs

PIXEL_REPRESENTATION = 0x00280103
"""Says in Implicit VR whether numbers that may be either have a sign (PS3.5 A.1)."""

_ALONE = frozenset({CHARACTER_SET, PIXEL_REPRESENTATION})


@dataclass(frozen=True, slots=True)
class _Plan:
    """What follows from `Needs`, the same for every dataset."""

    needs: Needs
    tags: frozenset[int]
    groups: Mapping[int, tuple[tuple[str, int, str], ...]]


_latest = _Plan(Needs({}, {}), PICKED, {})


def _plan(needs: Needs) -> _Plan:
    """Return the plan of `needs`, which are the very same for one instance after the other."""
    global _latest
    plan = _latest
    if plan.needs is not needs:
        groups: dict[int, tuple[tuple[str, int, str], ...]] = {}
        for (group, creator, last), name in needs.private.items():
            groups[group] = (*groups.get(group, ()), (creator, last, name))
        creators = {group << 16 | block for group in groups for block in range(0x10, 0x100)}
        plan = _latest = _Plan(needs, PICKED | needs.tags.keys() | creators | _ALONE, groups)
    return plan


class Further:
    """Gathers the elements that are wanted, of one dataset.

    Attributes
    ----------
    tags
        The elements of the top level to be given to `take`; more of them as private creators come by.
    """

    def __init__(self, needs: Needs) -> None:
        plan = _plan(needs)
        self.tags = set(plan.tags)
        self._groups = plan.groups
        self._wanted = {tag: Element(name, tag) for tag, name in needs.tags.items()}
        self._values: dict[int, tuple[bytes, bytes]] = {}
        self._charset = Charset()
        self._signed: bool | None = None

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
                self._wanted[tag] = Element(name, tag, creator)
                self.tags.add(tag)
            elif tag in self._wanted and self._wanted[tag].creator != creator:
                del self._wanted[tag]
                self._values.pop(tag, None)
