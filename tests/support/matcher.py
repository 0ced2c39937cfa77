"""The matching of PS3.4 C.2.2.2 once more, in plain Python and the simplest way: what SQL is held against.

It works on the values as sent, not on the keys of the index, and shares no code with either.
"""

import unicodedata
from collections.abc import Mapping

PAIRS = {"StudyDate": "StudyTime", "SeriesDate": "SeriesTime"}
NAMES = {"PatientName", "ReferringPhysicianName"}
DATES = {"StudyDate", "PatientBirthDate", "SeriesDate"}
TIMES = {"StudyTime", "SeriesTime"}
NUMBERS = {"SeriesNumber", "InstanceNumber"}
UIDS = {"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"}


def matches(keys: Mapping[str, str], values: Mapping[str, str]) -> bool:
    """Say whether an entity with `values` matches all of `keys`."""
    keys = {keyword: key.strip() for keyword, key in keys.items()}
    for date, time in PAIRS.items():
        paired = "-" in keys.get(date, "") and "-" in keys.get(time, "")
        moment = values.get(date, ""), values.get(time, "")
        if paired and not _moment(keys.pop(date), keys.pop(time), *moment):
            return False
    return all(_one(keyword, key, values.get(keyword, "")) for keyword, key in keys.items())


def _one(keyword: str, key: str, value: str) -> bool:
    if key in ("", "*"):
        return True
    if keyword in NAMES:
        return _name(key, value)
    if keyword in DATES:
        return value != "" and _between(key, value, date=True)
    if keyword in TIMES:
        return value != "" and _between(key, value, date=False)
    if keyword in NUMBERS:
        return value.strip() != "" and int(value) in [int(each) for each in key.split("\\")]
    if keyword in UIDS or keyword == "Modality":
        options = [each for each in key.split("\\") if each]
        return not options or any(_shaped(each, value) for each in options)
    return _shaped(key, value)


def _shaped(pattern: str, value: str) -> bool:
    """Match from the left, one character at a time, remembering all that is possible."""
    ends = {0}
    for sign in pattern:
        if sign == "*":
            ends = set(range(min(ends, default=len(value) + 1), len(value) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(value) and sign in ("?", value[end])}
    return len(value) in ends


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())


def _name(key: str, value: str) -> bool:
    groups = [_folded(group).rstrip(" ^") for group in [*value.split("="), "", ""][:3]]
    asked = key.split("=")
    if len(asked) == 1:
        return _group(key) is None or any(_in_group(key, group) for group in groups)
    return all(_in_group(each, group) for each, group in zip(asked, groups, strict=False))


def _group(key: str) -> str | None:
    """Return the pattern for a component group with all five components, None for any."""
    key = key.rstrip(" ^")
    pieces = [each if each in "*?" else _folded(each) for each in key]
    pattern = "".join(pieces)
    return None if not pattern.strip("*") else pattern


def _in_group(key: str, group: str) -> bool:
    pattern = _group(key)
    if pattern is None:
        return True
    # A name may leave out trailing carets: so give it one more of them after another.
    padded = [group + "^" * count for count in range(6)] if pattern.endswith("^*") else [group]
    if group == "":
        padded = [""]
    return any(_shaped(pattern, each) for each in padded)


def _clock(value: str, rest: str) -> str:
    digits = value.replace(":", "").replace(".", "")
    return digits + rest[len(digits) :]


def _between(key: str, value: str, *, date: bool) -> bool:
    low, _, high = key.partition("-") if "-" in key else (key, "", key)
    if date:
        return (not low or low.strip() <= value) and (not high or value <= high.strip())
    return (not low or _clock(low.strip(), "000000000000") <= _clock(value, "000000000000")) and (
        not high or _clock(value, "000000000000") <= _clock(high.strip(), "235959999999")
    )


def _moment(dates: str, times: str, date: str, time: str) -> bool:
    if not date:
        return False
    first, last = (part.strip() for part in dates.split("-"))
    early, late = (part.strip() for part in times.split("-"))
    if (first and date < first) or (last and date > last):
        return False
    clock = _clock(time, "000000000000")
    if first and early and date == first and (not time or clock < _clock(early, "000000000000")):
        return False
    return not (last and late and date == last and (not time or clock > _clock(late, "235959999999")))
