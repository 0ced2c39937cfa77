import json
from datetime import datetime, timedelta

from hypothesis import example, given

from rules.facts import Facts, Unknown, clock_facts, needs
from rules.symbols import resolve
from rules.values import convert
from tests.rules.generated import any_facts


def test_names_follow_from_uids():
    facts = Facts({"sop_class.uid": "1.2.840.10008.5.1.4.1.1.2", "transfer_syntax.uid": "1.2.3"})
    assert facts.get("sop_class.name") == "CT Image Storage"
    assert facts.get("transfer_syntax.name") == Unknown("transfer_syntax.name is not in PS3.6")
    assert Facts().get("sop_class.name") is None


@given(any_facts())
@example(Facts({"StudyTime": timedelta(days=99421, microseconds=1)}))
@example(Facts({"StudyTime": timedelta(days=-999999999, microseconds=1)}))
def test_plain_and_back_decides_the_same(facts):
    again = Facts.from_plain(json.loads(json.dumps(facts.plain(), allow_nan=False)))
    for name, raw in facts.values.items():
        symbol = resolve(name)
        before, after = convert(symbol, raw), convert(symbol, again.get(name))
        assert before == after or (isinstance(before, Unknown) and isinstance(after, Unknown))
        if isinstance(before, Unknown):
            assert before.absent == after.absent


def test_only_some():
    facts = Facts({"Modality": "CT", "Rows": 5, "sop_class.uid": "1.2.840.10008.5.1.4.1.1.4"})
    assert facts.plain(["Modality", "sop_class.name", "Columns"]) == {
        "Modality": "CT",
        "sop_class.name": "MR Image Storage",
    }


def test_needs():
    found = needs(
        ["Modality", "DiffusionBValue", 'tag["6000,0010"]', "labels", 'private["0019,SIEMENS MR HEADER,0C"]'],
        {"Modality"},
    )
    assert found.tags == {0x00189087: "DiffusionBValue", 0x60000010: 'tag["6000,0010"]'}
    assert found.private == {(0x19, "SIEMENS MR HEADER", 0x0C): 'private["0019,SIEMENS MR HEADER,0C"]'}
    assert len(list(found)) == 3


def test_clock():
    assert clock_facts(datetime(2024, 3, 1, 18, 5)) == {
        "time.hour": 18,
        "time.minute": 5,
        "time.weekday": "Friday",
    }
