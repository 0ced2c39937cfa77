from hypothesis import given
from hypothesis import strategies as st

from storage.records.criteria import Either, Mark, Name, OneOf, Range, Single, Wildcard
from storage.records.matching import parse
from storage.sql.slots import Slot, filled, split


def shape(**keys: str) -> object:
    return split(parse(keys))[0]


def test_values_make_no_difference_to_the_shape() -> None:
    assert shape(PatientID="1", StudyDate="20240101-") == shape(PatientID="22", StudyDate="20230501-")
    assert shape(PatientName="DOE^J*") == shape(PatientName="SMITH*")
    assert shape(StudyDate="20240101") == shape(StudyDate="20240202-20240202")
    assert shape(StudyInstanceUID="1\\2\\3") == shape(StudyInstanceUID="4\\5\\6\\7")


def test_what_the_statement_depends_on_does() -> None:
    shapes = [
        shape(PatientID="1"),
        shape(PatientID="1*"),
        shape(PatientID="*1"),
        shape(PatientID="1?"),
        shape(AccessionNumber="1"),
        shape(StudyDate="20240101"),
        shape(StudyDate="20240101-"),
        shape(StudyDate="-20240101"),
        shape(StudyDate="20240101-20240102"),
        shape(StudyDate="20240101-20240102", StudyTime="10-12"),
        shape(PatientName="A"),
        shape(PatientName="A=B"),
        shape(PatientName="=B"),
        shape(PatientName="A^*"),
        shape(StudyInstanceUID="1\\2"),
        shape(StudyInstanceUID="1\\2\\3"),
    ]
    assert len(set(map(hash, shapes))) == len(set(shapes)) == len(shapes)


def test_a_list_is_filled_up_with_its_last_value() -> None:
    ((_, slots),), values = split({"StudyInstanceUID": OneOf(("a", "b", "c"))})
    assert isinstance(slots, OneOf)
    assert [filled(slot, values) for slot in slots.values] == ["a", "b", "c", "c"]


def test_ends_of_a_range_that_are_one_are_one_slot() -> None:
    ((_, span),), values = split({"StudyDate": Range("20240101", "20240101")})
    assert isinstance(span, Range)
    assert span.low == span.high
    assert dict(values) == {"v0": "20240101"}


def test_only_a_slot_is_filled() -> None:
    assert filled("v0", {"v0": 7}) == "v0"
    assert filled(Slot("v0"), {"v0": 7}) == 7
    assert filled(Mark.ANY, {}) is Mark.ANY


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_every_value_has_a_slot_of_its_own(texts: list[str]) -> None:
    wild = Wildcard((Mark.ANY, *texts))
    ((_, name),), values = split({"PatientName": Name((Either((Single(texts[0]), wild)), None), False)})
    assert isinstance(name, Name)
    (option, nothing) = name.groups
    assert nothing is None
    assert isinstance(option, Either)
    single, pattern = option.options
    assert isinstance(single, Single)
    assert isinstance(pattern, Wildcard)
    assert filled(single.value, values) == texts[0]
    assert [filled(token, values) for token in pattern.tokens] == [Mark.ANY, *texts]
