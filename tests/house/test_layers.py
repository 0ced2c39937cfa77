"""No import goes up a floor, every library has its home, and no two folders import each other."""

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import pytest

from tests.house.sources import PACKAGES, Import, Source, modules, sources

# docs/architecture.md: three floors. What stands on the right may be imported by what stands on the left.
ARROWS = {
    "storage": (),
    "scu": (),
    "rules": (),
    "node": ("rules", "scu", "storage"),
    "scp": ("node", "scu", "storage.records", "storage.errors"),
    "console": ("node", "storage.records", "storage.errors"),
}

# One adapter for each outside library; here is where it may be imported.
HOMES = {
    "alembic": ("storage.migrations",),
    "apscheduler": ("node.run.schedule",),
    "flask": ("console",),
    "flask_login": ("console",),
    "gdcm": ("scu.transcoding", "node.imaging"),
    "gunicorn": ("console",),
    "obstore": ("storage.blobs",),
    "onnxruntime": ("node.ai.session",),
    "PIL": ("node.imaging.encode",),
    "prometheus_client": ("node.core", "console"),
    "psycopg2": ("storage",),
    "pydantic_settings": ("node.config",),
    "pynetdicom": ("scp", "scu"),
    "rich": ("node.cli", "scp.command", "console.command"),
    "sqlalchemy": ("storage",),
    "sqlite3": ("storage",),
    "structlog": ("node", "scp", "console"),
    "werkzeug": ("console",),
    "xxhash": ("node.core.proof",),
}

# rules/ decides and does nothing else: it reads no clock, no file, no socket, and throws no dice.
PURE = {
    *(
        "__future__",
        "abc",
        "ast",
        "base64",
        "bisect",
        "collections",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
    ),
    *("enum", "fractions", "functools", "hashlib", "heapq", "hmac", "itertools", "json", "math", "numbers"),
    *("operator", "re", "string", "struct", "textwrap", "types", "typing", "unicodedata", "zoneinfo"),
    *("numpy", "pydicom", "rule_engine", "rules", "tomllib"),
}


def within(name: str, places: Iterable[str]) -> bool:
    """Tell whether the dotted `name` is one of `places` or lies in one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def test_no_import_goes_up_a_floor():
    wrong = []
    for source in sources():
        home = source.name.partition(".")[0]
        allowed = (home, *ARROWS[home])
        for imported in source.imports():
            top = imported.module.partition(".")[0]
            if top in PACKAGES and not any(_fits(imported, place) for place in allowed):
                wrong.append(f"{source.where}:{imported.line} imports {imported.module}")
    assert wrong == []


def _fits(imported: Import, place: str) -> bool:
    # `from storage import records` gives both `storage` and `storage.records`; the latter is looked at too.
    return within(imported.module, [place]) or within(place, [imported.module])


def test_every_library_stays_at_home():
    wrong = [
        f"{source.where}:{imported.line} imports {imported.module}"
        for source in sources()
        for imported in source.imports()
        if (home := HOMES.get(imported.module.partition(".")[0])) and not within(source.name, home)
    ]
    assert wrong == []


def test_rules_are_pure():
    wrong = [
        f"{source.where}:{imported.line} imports {imported.module}"
        for source in sources("rules")
        for imported in source.imports()
        if imported.module.partition(".")[0] not in PURE
    ]
    assert wrong == []


def test_every_import_names_its_module_in_full():
    assert [f"{source.where}:{line}" for source in sources() for line in source.relative_imports()] == []


def test_no_module_has_the_name_of_the_standard_library():
    tops = set(PACKAGES) | {"tests", "benchmarks"}
    assert tops.isdisjoint(sys.stdlib_module_names)


def graph() -> dict[str, set[str]]:
    """Return which of our modules each of them imports."""
    known = modules()
    arrows: dict[str, set[str]] = {}
    for name, source in known.items():
        arrows[name] = {i.module for i in source.imports() if i.module in known} - {name}
    return arrows


def folders(arrows: Mapping[str, set[str]], known: Mapping[str, Source]) -> dict[str, dict[str, str]]:
    """Return which folder imports which, each with one module that does.

    A folder and one within it count as one family, and are left out.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, targets in arrows.items():
        here = known[name].folder
        for target in targets:
            there = known[target].folder
            if not within(here, [there]) and not within(there, [here]):
                found[here].setdefault(there, f"{name} imports {target}")
    return found


def circles(arrows: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Return the groups in `arrows` from each of which every other can be reached (Tarjan)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for target in sorted(arrows.get(name, ())):
            if target not in number:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], number[target])
        if low[name] == number[name]:
            first = stack.index(name)
            group = stack[first:]
            del stack[first:]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(arrows):
        if name not in number:
            visit(name)
    return found


def test_no_circle_among_modules():
    assert circles(graph()) == []


def test_no_two_folders_import_each_other():
    between = folders(graph(), modules())
    assert (
        sorted(
            why for here in between for there, why in between[here].items() if here in between.get(there, ())
        )
        == []
    )


def test_no_circle_among_folders():
    between = folders(graph(), modules())
    groups = circles(between)
    assert groups == [], [between[a][b] for group in groups for a in group for b in between[a] if b in group]


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}, [["a", "b", "c"]]),
        ({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}, []),
    ],
)
def test_circles_are_found(arrows, expected):
    assert circles(arrows) == expected
