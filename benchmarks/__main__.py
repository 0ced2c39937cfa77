"""`python -m benchmarks`: run all, or those named, and print tables with ratios.

python -m benchmarks                                everything
python -m benchmarks --share 10                     a tenth of it, to see that it runs
python -m benchmarks ingest retrieve                these two
python -m benchmarks query --write docs/performance.md    measure one anew, put it into the page
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from benchmarks import forward, ingest, limits, page, peers, query, retrieve, scale, sustained, syncs
from benchmarks.report import Table


class Run:
    """One run in a folder, of an Nth of the instances; each part returns its tables."""

    def __init__(self, folder: Path, share: int, rounds: int) -> None:
        self._folder = folder
        self._share = share
        self._rounds = rounds

    @cached_property
    def loads(self) -> list[ingest.Load]:
        """What several parts send."""
        return ingest.make_loads(self._folder / "loads", self._share)

    def limits(self) -> list[Table]:
        return limits.measure(self._folder / "limits", self.loads)

    def ingest(self) -> list[Table]:
        return ingest.measure(self._folder / "ingest", self.loads, self._share, self._rounds)

    def sustained(self) -> list[Table]:
        return [sustained.measure(self._folder / "sustained", self._share)]

    def query(self) -> list[Table]:
        studies = query.make_studies(self._folder / "studies", 20_000 if self._share < 10 else 2_000)
        return query.measure(self._folder / "query", studies)

    def scale(self) -> list[Table]:
        return scale.measure(self._folder / "scale", self._share)

    def retrieve(self) -> list[Table]:
        return [retrieve.measure(self._folder / "retrieve", retrieve.make_load(self._folder / "of-250"))]

    def forward(self) -> list[Table]:
        return forward.measure(self._folder / "forward", self._share)

    def syncs(self) -> list[Table]:
        table = syncs.measure(self._folder / "syncs", self.loads)
        return [table] if table else []


PARTS: Mapping[str, Callable[[Run], list[Table]]] = {
    "limits": Run.limits,
    "ingest": Run.ingest,
    "sustained": Run.sustained,
    "query": Run.query,
    "scale": Run.scale,
    "retrieve": Run.retrieve,
    "forward": Run.forward,
    "syncs": Run.syncs,
}


def main() -> None:
    """Measure, then print everything once more as tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--share", type=int, default=1, metavar="N", help="send an Nth of the instances")
    parser.add_argument(
        "--rounds", type=int, default=1, metavar="N", help="of ingest the best of N: less noise"
    )
    parser.add_argument("--folder", type=Path, help="where to work: the disk that is measured")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between the page's marks")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(PARTS)}")
    if peers.program("storescu") is None:
        parser.error("dcmtk's storescu is needed as the sender (on Debian: apt-get install dcmtk orthanc)")
    # What was started is stopped on the way out, also when this process is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="isocentre-bench-", dir=arguments.folder) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user where we are root
        measured = run(Path(folder), arguments.parts or list(PARTS), arguments.share, arguments.rounds)
    print("\n" + page.text(measured, arguments.share))
    if arguments.write:
        page.write(arguments.write, measured, arguments.share)


def run(folder: Path, parts: Sequence[str], share: int, rounds: int) -> dict[str, list[Table]]:
    """Run the named parts in `folder`, in the order of `PARTS`; return the tables of each."""
    run = Run(folder, share, rounds)
    return {name: measure(run) for name, measure in PARTS.items() if name in parts}


if __name__ == "__main__":
    main()
