"""Every name that a condition may use, with its type.

Attributes of PS3.6 by keyword, or by tag as ``tag["0018,9087"]``; private ones by creator as
``private["0019,SIEMENS MR HEADER,0C"]``; and the facts of `FIXED`, which come with the instance or from
the archive. How they are filled is not decided here.

Example
-------
>>> resolve("ImageType")
Symbol(name='ImageType', kind=<Kind.TEXT: 'text'>, many=True, vr='CS')
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import (
    dictionary_keyword,
    dictionary_VM,
    dictionary_VR,
    private_dictionary_VM,
    private_dictionary_VR,
    tag_for_keyword,
)

from rules.problems import nearest


class On(StrEnum):
    """What a rule is asked about, and when: each instance as it arrives, a series or a study once settled."""

    INSTANCE = "instance"
    SERIES = "series"
    STUDY = "study"


class Kind(StrEnum):
    """Type of one value."""

    TEXT = "text"
    NUMBER = "number"
    MOMENT = "moment"  # a date, or a date with a time
    TIME = "time"  # of day, as the duration since midnight
    TRUTH = "truth"
    ANY = "any"  # a private or unregistered attribute: what it is shows only in the data set


@dataclass(frozen=True, slots=True)
class Symbol:
    """One name that a condition may use.

    Attributes
    ----------
    name
        As written in a condition, and the key under which `rules.facts.Facts` has its value.
    many
        Its value is a list.
    vr
        Value Representation, for an attribute.
    on
        The rules that may use it.
    values
        All that it can be, when that is a closed set.
    about
        What it says, in a few words.
    """

    name: str
    kind: Kind
    many: bool = False
    vr: str = ""
    on: frozenset[On] = frozenset(On)
    values: tuple[str, ...] = ()
    about: str = ""

    def __repr__(self) -> str:
        shown = f"name={self.name!r}, kind={self.kind!r}, many={self.many!r}, vr={self.vr!r}"
        return f"Symbol({shown})"


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WAYS = ("dimse", "stow", "upload", "import", "derived")

_SERIES = frozenset({On.SERIES})
_SETTLED = frozenset({On.SERIES, On.STUDY})
_TEXT, _NUMBER, _TRUTH = Kind.TEXT, Kind.NUMBER, Kind.TRUTH

FIXED: dict[str, Symbol] = {
    symbol.name: symbol
    for symbol in (
        Symbol("origin.way", _TEXT, values=WAYS, about="by which door it came in"),
        Symbol("origin.calling_ae", _TEXT, about="AE title of the sender"),
        Symbol("origin.called_ae", _TEXT, about="AE title that the sender called"),
        Symbol("origin.address", _TEXT, about="network address of the sender"),
        Symbol("origin.user", _TEXT, about="who uploaded or imported it"),
        Symbol("origin.path", _TEXT, True, about="AE titles and derivations behind it, first to last"),
        Symbol("sop_class.name", _TEXT, about="name of the SOP class in PS3.6"),
        Symbol("sop_class.uid", _TEXT, vr="UI", about="UID of the SOP class"),
        Symbol("transfer_syntax.name", _TEXT, about="name of the transfer syntax in PS3.6"),
        Symbol("transfer_syntax.uid", _TEXT, vr="UI", about="UID of the transfer syntax"),
        Symbol("series.instances", _NUMBER, on=_SERIES, about="instances in the series"),
        Symbol("series.complete", _TRUTH, on=_SERIES, about="the series settled with all that was required"),
        Symbol("study.instances", _NUMBER, on=_SETTLED, about="instances in the study"),
        Symbol("study.series", _NUMBER, on=_SETTLED, about="series in the study"),
        Symbol("study.complete", _TRUTH, on=_SETTLED, about="the study settled with all that was required"),
        Symbol("study.modalities", _TEXT, True, "CS", on=_SETTLED, about="modalities in the study"),
        Symbol("time.hour", _NUMBER, about="hour of the day at the node, 0 to 23"),
        Symbol("time.minute", _NUMBER, about="minute of the hour, 0 to 59"),
        Symbol("time.weekday", _TEXT, values=WEEKDAYS, about="day of the week at the node"),
        Symbol("labels", _TEXT, True, about="labels that rules or people gave it"),
    )
}

ROOTS = frozenset(name.partition(".")[0] for name in FIXED if "." in name)
"""Names before the dot of a fixed fact."""

_KINDS = {
    **dict.fromkeys(["AE", "AT", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UI", "UR", "UT"], Kind.TEXT),
    **dict.fromkeys(["AS", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"], Kind.NUMBER),
    "DA": Kind.MOMENT,
    "DT": Kind.MOMENT,
    "TM": Kind.TIME,
}
"""VR to kind. The others hold bytes or items: a condition cannot use them."""

_TAG = re.compile(r'tag\["([0-9A-F]{4}),([0-9A-F]{4})"\]')
_PRIVATE = re.compile(r'private\["([0-9A-F]{4}),(.+),([0-9A-F]{2})"\]')


class NotASymbol(ValueError):
    """No condition can use this name.

    Attributes
    ----------
    expected
        What could stand there, empty when nothing comes near.
    """

    def __init__(self, message: str, expected: str = "") -> None:
        self.expected = expected
        super().__init__(message)


@cache
def resolve(name: str) -> Symbol:
    """Return the symbol of a canonical name.

    Raises
    ------
    NotASymbol
        There is none, or its value is nothing that a condition can compare.
    """
    if name in FIXED:
        return FIXED[name]
    if match := _TAG.fullmatch(name):
        return _attribute(name, int(match[1] + match[2], 16))
    if match := _PRIVATE.fullmatch(name):
        return _private(name, int(match[1], 16), match[2], int(match[3], 16))
    number = tag_for_keyword(name)
    if number is None or not name:
        near = nearest(name, [*keywords(), *FIXED, "tag", "private"])
        raise NotASymbol(
            f"unknown attribute {name}",
            near or "a keyword of PS3.6, a fact such as origin.calling_ae, or tag[…]",
        )
    return _attribute(name, number)


@cache
def keywords() -> tuple[str, ...]:
    """Return every keyword of PS3.6."""
    return tuple(entry[4] for entry in DicomDictionary.values() if entry[4])


def _attribute(name: str, number: int) -> Symbol:
    try:
        vr, vm = dictionary_VR(number), dictionary_VM(number)
    except KeyError:
        return Symbol(name, Kind.ANY)
    return _typed(name, vr, vm)


def _private(name: str, group: int, creator: str, element: int) -> Symbol:
    if not group % 2:
        raise NotASymbol(f"group {group:04X} is not private", "an odd group")
    number = group << 16 | 0x1000 | element
    try:
        vr, vm = private_dictionary_VR(number, creator), private_dictionary_VM(number, creator)
    except KeyError:
        return Symbol(name, Kind.ANY)
    return Symbol(name, Kind.ANY) if vr == "UN" else _typed(name, vr, vm)


def _typed(name: str, vr: str, vm: str) -> Symbol:
    # "US or SS" and the like are numbers either way; "OB or OW" is neither.
    first = vr.split(" or ")[0]
    kind = _KINDS.get(first)
    if kind is None or "OW" in vr:
        content = "a sequence" if first == "SQ" else "binary"
        raise NotASymbol(f"{name} is {content} (VR {vr})", "an attribute with a text, number, date or time")
    return Symbol(name, kind, vm != "1", first)


def tag_name(text: str) -> str:
    """Return the canonical name for what stands between the brackets of ``tag[…]``.

    A tag of PS3.6 becomes its keyword, so that both spellings are one symbol.

    Raises
    ------
    NotASymbol
    """
    match = re.fullmatch(r"\(?\s*([0-9A-Fa-f]{4})\s*,?\s*([0-9A-Fa-f]{4})\s*\)?", text)
    if match is None:
        raise NotASymbol(f"{text!r} is not a tag", 'group and element as tag["0018,9087"]')
    number = int(match[1] + match[2], 16)
    if match[1][3] in "13579bdfBDF":
        raise NotASymbol(f"{text!r} is a private tag", 'private["gggg,CREATOR,ee"]')
    try:
        keyword = dictionary_keyword(number)
    except KeyError:
        keyword = ""
    # An attribute of a repeating group has a keyword that does not lead back to it.
    if keyword and tag_for_keyword(keyword) == number:
        return keyword
    return f'tag["{match[1].upper()},{match[2].upper()}"]'


def private_name(text: str) -> str:
    """Return the canonical name for what stands between the brackets of ``private[…]``.

    Raises
    ------
    NotASymbol
    """
    match = re.fullmatch(r"\s*([0-9A-Fa-f]{4})\s*,(.*),\s*(?:[xX]{2})?([0-9A-Fa-f]{2})\s*", text)
    creator = match[2].strip() if match else ""
    if match is None or not creator or '"' in creator or "\\" in creator:
        raise NotASymbol(f"{text!r} is not a private tag", 'private["0019,SIEMENS MR HEADER,0C"]')
    return f'private["{match[1].upper()},{creator},{match[3].upper()}"]'


def element_of(symbol: Symbol) -> "int | tuple[int, str, int] | None":
    """Return which element of a data set this is: its tag, or group, creator and last byte of a private one.

    None for a fact that is not from a data set.
    """
    if symbol.name in FIXED:
        return None
    if match := _TAG.fullmatch(symbol.name):
        return int(match[1] + match[2], 16)
    if match := _PRIVATE.fullmatch(symbol.name):
        return int(match[1], 16), match[2], int(match[3], 16)
    return tag_for_keyword(symbol.name)
