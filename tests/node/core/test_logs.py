import json
import subprocess
import sys

import pytest

LINES = """
import logging, structlog
from node.core import logs
logs.configure({level!r}, json={json})
log = structlog.get_logger()
log.debug("small"); log.info("instance.stored", sop_instance_uid="1.2.3", size=5); log.error("disk.full")
def read(birth):
    try:
        float(birth)  # whose error quotes what it was given
    except ValueError as error:
        open("/" + birth) if error else None
try:
    read("DOE^JOHN")
except OSError:
    log.warning("went.wrong", exc_info=True)
logging.getLogger("pynetdicom.acse").error("PatientName = DOE^JOHN")
logging.getLogger("pydicom").warning("PatientName = DOE^JOHN")
logging.getLogger("sqlalchemy").info("SELECT 'DOE^JOHN'")
logging.getLogger("other").warning("from a library")
"""


def logged(level, as_json):
    """Return what a process that logs like this writes to standard error."""
    script = LINES.format(level=level, json=as_json)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == ""
    return run.stderr.splitlines()


def test_each_line_is_an_object_with_a_constant_event():
    lines = [json.loads(line) for line in logged("info", True) if line.startswith("{")]
    assert [line["event"] for line in lines] == ["instance.stored", "disk.full", "went.wrong"]
    assert lines[0].items() >= {"level": "info", "sop_instance_uid": "1.2.3", "size": 5}.items()
    assert lines[0]["at"].endswith("Z")


def test_an_error_is_told_with_its_causes_and_places_but_not_quoted():
    (told,) = [json.loads(line)["exception"] for line in logged("warning", True) if "went.wrong" in line]
    assert "FileNotFoundError: No such file or directory" in told
    assert "ValueError" in told
    assert ", in read" in told


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_from_a_level_up(level, count):
    assert len([line for line in logged(level, True) if line.startswith("{")]) == count


def test_libraries_that_print_datasets_are_silent():
    text = "\n".join(logged("debug", True))
    assert "DOE" not in text
    assert "from a library" in text


def test_for_people():
    assert any("instance.stored" in line and "1.2.3" in line for line in logged("info", False))
