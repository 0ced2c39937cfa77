"""What must hold: ratios of figures of one run, each beside its target. Nothing is asserted, all is shown."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from benchmarks import ingest, limits
from benchmarks.receivers import FAST, ORTHANC, SENDER, SHIPPED, STORESCP, TWO, Way
from benchmarks.report import OURS, Table, grid

HEAD = ["load", "against", "target", "reached"]
LOADS = ("525 KB x1", "525 KB x4", "39 KB x1", "39 KB x4")


@dataclass(frozen=True)
class Cell:
    """Where a figure stands. Of title and column the beginning will do.

    Where several columns begin so, the largest figure counts.
    """

    title: str
    row: str
    column: str

    def find(self, tables: Sequence[Table]) -> float | None:
        """Return the figure; None when it was not measured."""
        rows = [table.rows.get(self.row, {}) for table in tables if table.title.startswith(self.title)]
        found = [value for row in rows for column, value in row.items() if column.startswith(self.column)]
        return max(found, default=None)


@dataclass(frozen=True)
class Claim:
    """One ratio that must hold.

    Attributes
    ----------
    least, most
        What `ours` to `other`, a figure or a bound, must be; where `inverse`, that of `other` to `ours`.
    parts
        The parts of the benchmark that measure it.
    """

    load: str
    against: str
    ours: Cell
    other: Cell | float
    parts: frozenset[str]
    least: float | None = None
    most: float | None = None
    inverse: bool = False

    @property
    def target(self) -> str:
        """The target in words."""
        return f"at least {self.least:g} x" if self.least is not None else f"at most {self.most:g} x"

    def reached(self, tables: Sequence[Table]) -> str | None:
        """The ratio, and whether it misses the target; None when it was not measured."""
        ours = self.ours.find(tables)
        other = self.other.find(tables) if isinstance(self.other, Cell) else self.other
        if not ours or not other:
            return None
        ratio = other / ours if self.inverse else ours / other
        missed = ratio < self.least if self.least is not None else self.most is not None and ratio > self.most
        return f"{ratio:.2f} x{', missed' if missed else ''}"


def claims() -> Iterator[Claim]:
    """Yield all, in the order in which they are shown."""
    yield from _ingest(FAST, LOADS, "Orthanc with TCP_NODELAY=1", 3)
    yield from _ingest(SHIPPED, LOADS, "Orthanc as shipped", 10)
    yield from _ingest(SENDER, ["39 KB x1"], "Orthanc with TCP_NODELAY=1", 25)
    ingested = frozenset({"ingest"})
    title = f"Ingest, {FAST.title}"
    for load in ("525 KB x4", "39 KB x4"):
        ours, other = Cell(title, receiver(load), load), Cell(title, STORESCP, load)
        yield Claim(_ingesting(load, FAST), "dcmtk storescp", ours, other, ingested, 0.8)
    for load in ("525 KB x1", "39 KB x1"):
        ours, other = Cell(title, OURS, load), Cell(limits.WRITES, limits.FILES, load)
        parts = frozenset({"ingest", "limits"})
        yield Claim(
            f"ingest {load}, {FAST.title}", "files of that size, each fsync'd", ours, other, parts, 0.8
        )
    for service in ("C-MOVE", "C-GET"):
        ours, other = (Cell("Retrieve a study of 250", row, service) for row in (OURS, ORTHANC))
        yield Claim(f"{service} of 250 instances", ORTHANC, ours, other, frozenset({"retrieve"}), 2)
    for keys in ("exact AccessionNumber", "exact PatientID", "SMITH*"):
        ours, other = (
            Cell("C-FIND at 20,000 studies, within one association", row, keys) for row in (OURS, ORTHANC)
        )
        name = f"C-FIND {keys}" + (" (2,000 answers)" if keys == "SMITH*" else "")
        yield Claim(name, ORTHANC, ours, other, frozenset({"query"}), 3, inverse=True)
    for way in (FAST, SHIPPED):
        for load in LOADS:
            ours, other = (Cell(ingest.cpu_title(way), row, load) for row in (OURS, ORTHANC))
            yield Claim(f"CPU of ingest {load}, {way.title}", ORTHANC, ours, other, ingested, most=1)
    last, first = (Cell("Sustained: 100,000", row, "instances/s") for row in ("last tenth", "first tenth"))
    part = frozenset({"sustained"})
    yield Claim("last tenth of 100,000 instances", "the first tenth", last, first, part, 0.95)
    part, size = frozenset({"scale"}), "at 1,000,000 instances"
    for kind in ("SQLite", "PostgreSQL"):
        narrow = Cell(f"C-FIND of one patient {size}", f"{kind}, slowest", "")
        yield Claim(f"slowest C-FIND of one patient {size}, {kind}", "20 ms", narrow, 20.0, part, most=1)
        broad = Cell(f"Broad C-FIND {size} in 50,000 studies, to the first answer", kind, "")
        yield Claim(f"first answer to a broad C-FIND {size}, {kind}", "50 ms", broad, 50.0, part, most=1)


def _ingest(way: Way, loads: Sequence[str], against: str, least: float) -> Iterator[Claim]:
    title = f"Ingest, {way.title}"
    for load in loads:
        ours, other = Cell(title, receiver(load), load), Cell(title, ORTHANC, load)
        yield Claim(_ingesting(load, way), against, ours, other, frozenset({"ingest"}), least)


def receiver(load: str) -> str:
    """Which of ours meets a load: a receiver for each core, as configuration.md advises, or the only one."""
    return TWO if load.endswith("x4") else OURS


def _ingesting(load: str, way: Way) -> str:
    return f"ingest {load}, {way.title}" + (", 2 processes" if receiver(load) == TWO else "")


def render(tables: Sequence[Table], ran: Set[str], before: str = "") -> str:
    """The table *Must hold* in Markdown, of what was measured; empty when nothing of it was.

    Parameters
    ----------
    ran
        The parts that were run.
    before
        An earlier table, whose ratios of parts that were not run now are kept.
    """
    old = {tuple(cells[:2]): cells for line in before.splitlines() if len(cells := _cells(line)) == len(HEAD)}
    rows = []
    for claim in claims():
        reached = claim.reached(tables)
        if reached is not None:
            rows.append([claim.load, claim.against, claim.target, reached])
        elif not claim.parts & ran and (claim.load, claim.against) in old:
            rows.append(old[claim.load, claim.against])
    return "\n".join(["### Must hold", "", *grid(HEAD, rows)]) if rows else ""


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
