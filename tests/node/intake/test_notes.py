import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.intake.notes import Unreadable, decode, encode
from rules.unknown import Unknown
from storage.records.arrival import Arrival, BlobRef, Origin, Way
from tests.support.arrivals import arrival

KEY = "instances/2026/0301/1200/0123456789ab-0"
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
FURTHER = st.one_of(
    st.text(),
    st.builds(Unknown, st.text(), st.booleans()),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(),
    MOMENTS,
)
ARRIVALS = st.builds(
    Arrival,
    sop_instance_uid=st.text(),
    sop_class_uid=st.text(),
    study_instance_uid=st.text(),
    series_instance_uid=st.text(),
    transfer_syntax_uid=st.text(),
    attributes=st.dictionaries(st.text(), st.text(st.characters(exclude_categories=()))),
    blob=st.builds(BlobRef, st.just(KEY), st.integers(0), st.integers(0), st.text(), st.text()),
    origin=st.builds(
        Origin,
        st.sampled_from(Way),
        st.text(),
        st.text(),
        st.text(),
        st.text(),
        st.lists(st.text()).map(tuple),
    ),
    received_at=MOMENTS,
    further=st.dictionaries(st.text(), FURTHER),
    wanted=st.text(),
)


@given(ARRIVALS)
def test_an_arrival_comes_back_as_it_was(made):
    assert decode(encode(made), KEY) == made


def test_a_note_of_before_has_no_checksum():
    made = arrival()
    fields = json.loads(encode(made))
    fields[7] = fields[7][:3]  # offset, size and digest
    decoded = decode(json.dumps(fields).encode(), KEY)
    assert decoded.blob == replace(made.blob, key=KEY, checksum="")


def test_the_key_is_not_in_it():
    made = arrival()
    note = encode(made)
    assert made.blob.key.encode() not in note
    assert decode(note, "another").blob == replace(made.blob, key="another")


def test_types_stay_what_they_are():
    further = {
        "a": Decimal("1.50"),
        "b": date(2026, 1, 2),
        "c": time(1, 2, 3),
        "d": "text",
        "e": Unknown("x", True),
    }
    found = decode(encode(replace(arrival(), further=further, wanted="w")), KEY)
    assert {name: (type(value), value) for name, value in found.further.items()} == {
        name: (type(value), value) for name, value in further.items()
    }
    assert found.wanted == "w"


def test_what_it_cannot_hold_is_to_be_read_again():
    found = decode(encode(replace(arrival(), further={"a": object()}, wanted="w")), KEY)
    assert found.further == {}
    assert found.wanted not in ("w", "")


@given(st.binary())
def test_what_is_no_note_is_said_to_be_none(junk):
    with pytest.raises(Unreadable):
        decode(junk, KEY)


@pytest.mark.parametrize(
    "note", [b"[2]", b"[]", b"{}", b"[1,2,3]", b"null", b'[1,"","","","","","x",[],[],{},"",{}]']
)
def test_notes_of_another_form_are_left_alone(note):
    with pytest.raises(Unreadable):
        decode(note, KEY)
