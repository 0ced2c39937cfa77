"""How much memory another process holds, as the kernel counts it."""

from pathlib import Path


def peak(pid: int) -> int:
    """Bytes of the most that `pid` has held at once since it began, or since `forget_peak`."""
    return _status(pid, "VmHWM:")


def resident(pid: int) -> int:
    """Bytes that `pid` holds now."""
    return _status(pid, "VmRSS:")


def forget_peak(pid: int) -> None:
    """Begin to count the peak of `pid` anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"{pid} has ended")
