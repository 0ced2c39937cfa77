import pytest

from rules.facts import Facts, Unknown
from rules.program import Program
from rules.symbols import resolve


def test_each_thing_is_computed_once_in_a_row():
    program, asked = Program(), []
    key = program.intern("it", lambda row: asked.append(1) or 7)
    row = program.row(Facts())
    assert (row[key], row[key], len(asked)) == (7, 7, 1)
    assert program.row(Facts())[key] == 7
    assert len(asked) == 2


def test_the_same_has_one_key():
    program = Program()
    assert program.intern("it", lambda row: 1) == program.intern("it", lambda row: 2)
    assert program.constant(1) != program.constant(True)
    assert program.symbol(resolve("Rows")) == program.symbol(resolve("Rows")) == program.symbols["Rows"]


@pytest.mark.parametrize("error", [ValueError("Smith"), RecursionError(), MemoryError(), KeyError("Smith")])
def test_what_goes_wrong_is_unknown(error):
    def fail(row):
        raise error

    program = Program()
    value = program.row(Facts())[program.intern("it", fail)]
    assert isinstance(value, Unknown)
    assert "Smith" not in value.reason


def test_a_fork_knows_more_and_the_row_does_not():
    program = Program()
    key = program.symbol(resolve("Modality"))
    variable = program.intern("variable", lambda row: Unknown("none"))
    row = program.row(Facts({"Modality": "CT"}))
    assert row[key] == "CT"
    fork = row.fork(variable, "x")
    assert (fork[variable], fork[key]) == ("x", "CT")
    assert variable not in row
