"""Hypothesis strategies: conditions of any shape that the language has, and facts of any kind."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from rules.facts import Facts, Unknown

TEXTS = ("Modality", "StationName", "origin.way", "origin.calling_ae", "sop_class.uid", "SeriesDescription")
NUMBERS = ("Rows", "SliceThickness", "PatientAge", "InstanceNumber", "time.hour")
MOMENTS = ("StudyDate", "AcquisitionDateTime")
TIMES = ("StudyTime",)
LISTS = ("ImageType", "origin.path", "labels")
NUMBER_LISTS = ("PixelSpacing",)
LOOSE = ('private["0099,ACME,01"]', 'tag["0020,0011"]', 'private["0019,SIEMENS MR HEADER,0C"]')

_names = {"text": TEXTS, "number": NUMBERS, "moment": MOMENTS, "time": TIMES, "list": LISTS}
_words = st.sampled_from(["CT", "MR", "", "dimse", "ORIGINAL", "T1 ax", "a", "Ä", "1.5", "x y"])
_quoted = _words.map(lambda word: '"' + word + '"')
_numbers = st.sampled_from(["0", "1", "2", "0.1", "0.2", "512", "1e3", "-3", "1e30", "7.25"])
_moments = st.sampled_from(['d"2024-03-01"', 'd"1999-12-31T23:59:59"', 'd"2024-03-01T12:00:00+02:00"'])
_times = st.sampled_from(['t"PT1H"', 't"PT12H30M"', 't"P1D"', 't"PT0S"'])
_patterns = st.sampled_from(['"CT"', '".*"', '"T[12].*"', '"^$"', '"(a|b)c"', '"\\\\d+"', '"(?i)ct"'])
_OPERATORS = ["==", "!=", "<", "<=", ">", ">="]


@st.composite
def texts(draw, depth=2):
    if depth == 0:
        return draw(st.one_of(st.sampled_from(TEXTS[:2] + TEXTS[3:]), _quoted))
    inner = draw(texts(depth - 1))
    forms = [
        "{0}",
        "({0}).as_lower",
        "({0}).as_upper",
        "({0} ?? {1})",
        "({0} + {1})",
        "({0})[0]",
        "({0})[0:2]",
    ]
    forms += ["ImageType[0]", "ImageType[5]", "labels[-1]", "({2}).to_str", "({3} ? {0} : {1})"]
    return draw(st.sampled_from(forms)).format(
        inner, draw(texts(depth - 1)), draw(numbers(depth - 1)), draw(truths(depth - 1))
    )


@st.composite
def numbers(draw, depth=2):
    if depth == 0:
        return draw(st.one_of(st.sampled_from(NUMBERS), _numbers))
    forms = ["({0} + {1})", "({0} - {1})", "({0} * {1})", "({0} / {1})", "({0} // {1})", "({0} % {1})"]
    forms += ["({0} ** {1})", "(-({0}))", "$abs({0})", "$max([{0}, {1}])", "$sum([{0}, {1}])", "({0} ?? {1})"]
    forms += [
        "ImageType.length",
        "PixelSpacing[0]",
        "$min(PixelSpacing)",
        "StudyDate.year",
        "StudyTime.seconds",
    ]
    forms += ["({2}).length", "({0}).ceiling"]
    first, second = draw(numbers(depth - 1)), draw(numbers(depth - 1))
    return draw(st.sampled_from(forms)).format(first, second, draw(texts(depth - 1)))


@st.composite
def moments(draw):
    forms = ["StudyDate", "AcquisitionDateTime", "{0}", "({0} + {1})", "({0} - {1})", "StudyDate.date"]
    return draw(st.sampled_from(forms)).format(draw(_moments), draw(_times))


@st.composite
def lists(draw, depth=1):
    forms = ["ImageType", "labels", "[{0}, {1}]", "[x for x in ImageType if x != {0}]", "ImageType[1:]"]
    forms += ["[x.as_lower for x in labels]", '$split({0}, "\\\\")', "origin.path"]
    return draw(st.sampled_from(forms)).format(draw(texts(depth - 1)), draw(texts(depth - 1)))


@st.composite
def truths(draw, depth=2):
    """Return the text of a condition."""
    kind = draw(st.sampled_from(["text", "number", "moment", "time", "list", "pattern", "null", "loose"]))
    operator = draw(st.sampled_from(_OPERATORS))
    if depth > 0 and draw(st.booleans()):
        form = draw(st.sampled_from(["({0} and {1})", "({0} or {1})", "not ({0})", "({0} ? {1} : {2})"]))
        return form.format(*(draw(truths(depth - 1)) for _ in range(3)))
    less = max(depth - 1, 0)
    match kind:
        case "text":
            return f"{draw(texts(less))} {operator} {draw(texts(less))}"
        case "number":
            return f"{draw(numbers(less))} {operator} {draw(numbers(less))}"
        case "moment":
            return f"{draw(moments())} {operator} {draw(moments())}"
        case "time":
            return (
                f"{draw(st.sampled_from(['StudyTime', '(StudyDate - StudyDate)']))} {operator} {draw(_times)}"
            )
        case "list":
            forms = [
                "{0} in {1}",
                "{0} not in {1}",
                "$any([x == {0} for x in {1}])",
                "{1} == {2}",
                "{1}.is_empty",
            ]
            forms += ["{0} in {{{0}, {3}}}", "({0}).starts_with({3})", "({1}).ends_with({2})"]
            parts = draw(texts(less)), draw(lists()), draw(lists()), draw(texts(less))
            return "(" + draw(st.sampled_from(forms)).format(*parts) + ")"
        case "pattern":
            sign = draw(st.sampled_from(["=~", "=~~", "!~", "!~~"]))
            return f"{draw(texts(less))} {sign} {draw(_patterns)}"
        case "null":
            name = draw(st.sampled_from([*TEXTS, *NUMBERS, *LISTS, *MOMENTS]))
            return f"{name} {draw(st.sampled_from(['==', '!=']))} null"
    other = draw(st.one_of(_quoted, _numbers, _moments))
    return f"{draw(st.sampled_from(LOOSE[:2]))} {draw(st.sampled_from(['==', '!=']))} {other}"


class Strange:
    """A value that does not even let itself be looked at."""

    def __str__(self):
        raise RuntimeError("no")

    __hash__ = __eq__ = __iter__ = __len__ = __bool__ = __str__

    def __repr__(self):
        return "Strange()"


_valid = {
    "text": _words.filter(bool),
    "number": st.one_of(
        st.integers(-5, 1000), st.sampled_from(["1.5", "512", " 3 ", "1e2", "0.10"]), st.floats(0, 9)
    ),
    "moment": st.sampled_from(["20240301", "19991231", date(2024, 3, 1), datetime(2024, 3, 1, 12)]),
    "time": st.sampled_from(["1200", "235959.5", "07", time(6, 30), timedelta(hours=3)]),
    "list": st.one_of(st.lists(_words.filter(bool), min_size=1, max_size=3), st.just("ORIGINAL\\PRIMARY")),
}
_strange = st.one_of(
    st.text(max_size=12),
    st.floats(),
    st.decimals(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.binary(max_size=4),
    st.builds(Strange),
    st.sampled_from([Unknown("it cannot be read"), Unknown("it is away", absent=True), {}, [[]], "\\"]),
    st.lists(st.one_of(st.text(max_size=3), st.integers(), st.none()), max_size=3),
    st.just(Decimal("NaN")),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
)


@st.composite
def facts(draw):
    """Return facts that are what they should be."""
    values = {name: draw(_valid[kind]) for kind, names in _names.items() for name in names}
    values["PixelSpacing"] = draw(st.sampled_from(["0.5\\0.5", [1, 2], "3"]))
    values[LOOSE[0]] = draw(st.one_of(*_valid.values()))
    values['tag["0020,0011"]'] = values["SeriesNumber"] = draw(_valid["number"])
    values["origin.way"] = draw(st.sampled_from(["dimse", "upload", "derived"]))
    return Facts(values)


@st.composite
def any_facts(draw):
    """Return facts of which anything may be missing, unreadable or nonsense."""
    values = dict(draw(facts()).values)
    for name in list(values):
        match draw(st.sampled_from(["keep", "keep", "drop", "strange"])):
            case "drop":
                del values[name]
            case "strange":
                values[name] = draw(_strange)
    return Facts(values)
