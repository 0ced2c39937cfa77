import signal
import subprocess
import sys

# A process that starts another, tied to it, and ends before that does.
PARENT = """
import os, subprocess, sys, time
from node.run.parent import die_with
parent = os.getpid()
read, write = os.pipe()
if os.fork() == 0:
    die_with(parent)
    os.write(write, b"tied")
    time.sleep(600)
os.read(read, 4)
os.kill(parent, 9)
"""


def test_who_is_tied_is_gone_with_its_parent():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.read() == b""  # closed once both are gone
    parent.stdout.close()
    assert parent.wait() == -signal.SIGKILL


def test_who_is_nobodys_child_does_not_live():
    code = "from node.run.parent import die_with; die_with(1)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
