"""What is written down agrees with what is there."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from node.config.config import Config
from node.config.reference import sections
from tests.house.sources import PACKAGES, ROOT

KEYS = sorted(f"{table}.{key}" for table, section in sections() for key in section.model_fields)

# Of the machine on which somebody worked, or of its package mirrors; no reader has them.
MACHINE = re.compile(
    r"(?<![\w.\-/<])/(?:home|root|Users|work|workspace|mnt|private)/[\w.-]+"
    r"|https?://[^/\s\"'<>)]*(?:pypi|npmjs|registry|mirror|artifactory|nexus|jfrog|proxy\.golang)[^\s\"'<>)]*"
    r"|(?i:find-links|extra-index-url|index-url)\s*[=:]"
)


def tracked() -> list[Path]:
    """Return the files that git keeps, without those that are not text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def test_there_are_keys():
    assert "dicom.ae_title" in KEYS
    assert len(list(sections())) == len(Config.model_fields)


def test_config_toml_has_every_key_and_no_other():
    written = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    assert sorted(f"{table}.{key}" for table, keys in written.items() for key in keys) == KEYS


def test_every_key_is_explained():
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^### (\w+\.\w+)$", text, re.MULTILINE)) == KEYS


def test_every_key_named_in_the_documents_exists():
    tables = "|".join(table for table, _ in sections())
    named = re.compile(rf"`(?:\[)?({tables})\.([a-z_]+)`")
    wrong = [
        f"{path.name}: {table}.{key}"
        for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
        for table, key in named.findall(path.read_text(encoding="utf-8"))
        if f"{table}.{key}" not in KEYS
        and not (ROOT / table / f"{key}.py").exists()
        and not (ROOT / table / key).is_dir()
    ]
    assert wrong == []


def test_packages_are_listed_one_by_one():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")}
    assert listed == sorted(folder.relative_to(ROOT).as_posix().replace("/", ".") for folder in folders)


def test_links_between_documents_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    wrong = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert wrong == []


def test_no_file_tells_of_a_machine():
    wrong = []
    for path in tracked():
        if path == Path(__file__) or path.name == "LICENSE":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if match := MACHINE.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number} {match[0]}")
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cd /home/alice/isocentre", True),
        ("open('/" + "work/main/x')", True),
        ("see https://py" + "pi.org/simple/x", True),
        ("https://registry.np" + "mjs.org/events/-/events-3.3.0.tgz", True),
        ("--index" + "-url=https://example.org", True),
        ("/var/lib/isocentre, /opt/isocentre, /etc/isocentre/config.toml", False),
        ("node/work/main.py", False),
        ("https://dicom.nema.org/medical/dicom/current", False),
        ("GET /studies/1.2.3/root/x", False),
    ],
)
def test_what_tells_of_a_machine(text, told):
    assert bool(MACHINE.search(text)) is told


def _make(*arguments: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    run = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=clean, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_every_make_target_parses_and_is_explained():
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", text, re.MULTILINE)
    assert {"serve", "test", "soak", "lint", "bench", "help"} <= set(targets)
    assert "$(MAKE)" not in text  # make runs a line that has it even under -n
    for target in targets:
        _make("-n", target)
    assert re.findall(r"^  make ([a-z]+) +\S", _make("help"), re.MULTILINE) == targets
