from rules.facts import Facts
from rules.language import parse
from rules.program import Program
from rules.shape import shape_of


def test_chains_are_flat_and_comparisons_have_symbols():
    program = Program()
    text = 'Modality == "CT" and Rows > 5 and not (Rows > 7 or\n  StationName == Modality)'
    shape = shape_of(program, parse(text))
    assert shape.join == "and"
    assert [part.text for part in shape.parts] == [
        'Modality == "CT"',
        "Rows > 5",
        "not (Rows > 7 or StationName == Modality)",
    ]
    inner = shape.parts[2].parts[0]
    assert (shape.parts[2].join, inner.join) == ("not", "or")
    assert [name for name, _ in inner.parts[1].symbols] == ["StationName", "Modality"]


def test_keys_are_those_of_the_results():
    program = Program()
    shape = shape_of(program, parse('Modality == "CT" and Rows > 5'))
    row = program.row(Facts({"Modality": "CT", "Rows": 3}))
    assert row[shape.key] is False
    assert [row[part.key] for part in shape.parts] == [True, False]
    assert [row[key] for _, key in shape.parts[0].symbols] == ["CT"]
