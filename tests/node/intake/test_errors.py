import ast
from pathlib import Path

import node.intake
from node.intake.errors import Malformed


def _texts(call: ast.Call) -> str:
    argument = call.args[0]
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    assert isinstance(argument, ast.JoinedStr)
    # Everything that is put in is a tag, or a number that is no longer.
    return "".join(p.value if isinstance(p, ast.Constant) else "(0000,0000)" for p in argument.values)


def test_every_reason_fits_into_an_error_comment():
    reasons = []
    for path in Path(node.intake.__file__).parent.glob("*.py"):
        for each in ast.walk(ast.parse(path.read_text())):
            if isinstance(each, ast.Call) and getattr(each.func, "id", "") == Malformed.__name__:
                reasons.append(_texts(each))
    assert len(reasons) > 20
    assert [reason for reason in reasons if len(reason) > 64 or not reason.isascii()] == []
