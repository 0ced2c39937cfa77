"""Each module ``a/b/c.py`` has its tests in ``tests/a/b/test_c.py``."""

from pathlib import Path

from tests.house.sources import ROOT, sources

# Folders whose modules are tested together, by one file.
TOGETHER = {
    "storage/records/": "tests/storage/records/test_records.py",
    "storage/migrations/": "tests/storage/migrations/test_upgrade.py",
}


def test_file_of(where: str) -> str:
    for folder, test in TOGETHER.items():
        if where.startswith(folder):
            own = Path("tests", where).with_name(f"test_{Path(where).name}")
            return own.as_posix() if (ROOT / own).is_file() else test
    return Path("tests", where).with_name(f"test_{Path(where).name}").as_posix()


test_file_of.__test__ = False  # type: ignore[attr-defined]


def test_every_module_has_its_test_file():
    asked = {s.where: test_file_of(s.where) for s in sources() if s.path.name != "__init__.py"}
    assert {where: test for where, test in asked.items() if not (ROOT / test).is_file()} == {}


def test_every_test_folder_is_a_package():
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert [str(f.relative_to(ROOT)) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_no_code_hides_in_an_init_file():
    long = [s.where for s in sources() if s.path.name == "__init__.py" and _defines(s.text)]
    assert long == []


def _defines(text: str) -> bool:
    return any(line.startswith(("def ", "class ", "async def ")) for line in text.splitlines())
