"""What comes of an instance that comes in: how soon it is delivered, and what deciding on it costs."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import peers, waking
from benchmarks.bench_rules import NOON, facts, microseconds, rules
from benchmarks.data import write_load
from benchmarks.ingest import Load, send
from benchmarks.report import Table
from rules.decisions import decide

STUDY = 500
_PATIENCE = 300.0  # seconds for a node to deliver everything

ROUTE = """
[[rule]]
name = "everything"
when = 'Modality == "CT"'
then = [{ action = "route", to = "benchdest" }]
"""
LUA = "function OnStoredInstance(id, tags, metadata, origin) SendToModality(id, 'dest') end\n"
QUIET = """
[[rule]]
name = "rule {number}"
when = 'Modality == "MR" and Rows >= {rows} and ("PRIMARY" in ImageType or StationName =~ "R{number}")'
then = [{{ action = "route", to = "benchdest" }}]
"""


def routers(
    folder: Path, destination: int
) -> Iterator[tuple[str, contextlib.AbstractContextManager[peers.Peer]]]:
    """Those that are installed, told to deliver everything as soon as it comes."""
    yield "isocentre", peers.isocentre(folder / "isocentre", destination, command="serve", rules=ROUTE)
    if peers.program("Orthanc"):
        yield "Orthanc", peers.orthanc(folder / "orthanc", True, destination, LUA)


def measure(folder: Path, share: int) -> list[Table]:
    """How soon a study of 500 is delivered, and what 50 rules cost an instance that comes in."""
    count = max(STUDY // share, 10)
    load = Load("525 KB", write_load(folder / "study", 1, count, 512, 1), count)
    # A storescu ends once the last instance was answered.
    late = Table(f"Deliver a study of {count}: from the last one taken to the last one delivered", "s")
    rate = Table(
        f"Deliver a study of {count}: from the first one sent to the last one delivered", "instances/s"
    )
    for name in ("isocentre", "Orthanc"):
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(peers.storescp(folder / f"to-{name}", True, "BENCHDEST"))
            for router, context in routers(folder / f"by-{name}", sink.port):
                if router == name:
                    node = stack.enter_context(context)
                    began = time.perf_counter()
                    taken = send(load, node, True)
                    whole = _delivered(sink.folder, count, began)
                    late.put(name, load.name, max(whole - taken, 0.001))
                    rate.put(name, load.name, count / whole)
    waking_up = waking.measure(folder / "waking", share)
    return [late, rate, beside_a_dead_one(folder / "dead", share), waking_up, *costs(folder / "costs", share)]


def _delivered(folder: Path, count: int, began: float, pause: float = 0.005) -> float:
    """Return the seconds since `began` until the peer has `count` whole files."""
    while time.perf_counter() - began < _PATIENCE:
        if sum(1 for path in folder.iterdir() if path.name.startswith("CT.")) >= count:
            return time.perf_counter() - began
        time.sleep(pause)
    raise RuntimeError(f"{count} instances were not delivered within {_PATIENCE:.0f} s")


def beside_a_dead_one(folder: Path, share: int) -> Table:
    """Rates to two destinations, alone and beside a third at which nobody listens."""
    count = max(2000 // share, 40)
    load = Load("39 KB", write_load(folder / "load", 20, count // 20, 138, 1), count // 20 * 20)
    rate = Table("Deliver to two: from the first one sent to the last one delivered", "instances/s")
    for name, dead in (("isocentre", 0), ("isocentre, a third destination is dead", peers.free_port())):
        with contextlib.ExitStack() as stack:
            place = folder / ("dead" if dead else "alone")
            sinks = {
                to: stack.enter_context(peers.storescp(place / to, True, "BENCHDEST"))
                for to in ("first", "second")
            }
            ports = {to: sink.port for to, sink in sinks.items()} | ({"third": dead} if dead else {})
            names = ", ".join(f'"{to}"' for to in ports)
            rules = ROUTE.replace('"benchdest"', f"[{names}]")
            node = stack.enter_context(
                peers.isocentre(place / "node", command="serve", rules=rules, others=ports)
            )
            began = time.perf_counter()
            send(load, node, True)
            with ThreadPoolExecutor() as waiting:
                ends = {
                    to: waiting.submit(_delivered, sink.folder, load.count, began, 0.05)
                    for to, sink in sinks.items()
                }
            for to, end in ends.items():
                rate.put(name, to, load.count / end.result())
    return rate


def costs(folder: Path, share: int) -> list[Table]:
    """Rates of ingest without rules, with 50 of which one routes, and the time that the decisions take."""
    count = max(2000 // share, 20)
    load = Load("39 KB x1", write_load(folder / "load", 2, count // 2, 138, 1), count)
    set_of_50 = "".join(QUIET.format(number=n, rows=64 * (n % 5)) for n in range(49)) + ROUTE
    rates = Table("Ingest with and without rules", "instances/s")
    for name, text in (("isocentre", ""), ("isocentre, 50 rules of which one routes", set_of_50)):
        # Nobody listens there: what is queued stays queued.
        with peers.isocentre(folder / name.replace(" ", "-"), peers.free_port(), rules=text) as node:
            rates.put(name, load.name, count / send(load, node, True))
    own = rates.rows["isocentre"][load.name]
    ruleset = rules(50)
    one = microseconds(lambda n: decide(ruleset, facts(n), NOON), 3000)
    share_of = Table("10,000 decisions of 50 rules beside taking 10,000 instances in", "s")
    share_of.put("decisions", load.name, one / 100)
    share_of.put("ingest", load.name, 10_000 / own)
    return [rates, share_of]
