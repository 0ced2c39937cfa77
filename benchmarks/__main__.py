"""`python -m benchmarks`: run all, or those named, and print tables with ratios.

python -m benchmarks                    everything, some fifteen minutes
python -m benchmarks --quick            a tenth of it, to see that it runs
python -m benchmarks ingest retrieve    these two
"""

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

from benchmarks import forward, ingest, limits, peers, query, retrieve, sustained, syncs
from benchmarks.report import Table

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
PARTS = ("limits", "ingest", "sustained", "query", "retrieve", "forward", "syncs")


def main() -> None:
    """Measure, then print everything once more as tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--share", type=int, default=1, metavar="N", help="send an Nth of the instances")
    parser.add_argument("--folder", type=Path, help="where to work: the disk that is measured")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between the page's marks")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(PARTS)}")
    if peers.program("storescu") is None:
        parser.error("dcmtk's storescu is needed as the sender (on Debian: apt-get install dcmtk orthanc)")
    with tempfile.TemporaryDirectory(prefix="isocentre-bench-", dir=arguments.folder) as folder:
        tables = run(Path(folder), arguments.parts or list(PARTS), arguments.share)
    text = render(tables)
    print("\n" + text)
    if arguments.write:
        write(arguments.write, text)


def render(tables: list[Table]) -> str:
    """Return all tables, and what they were measured on, in Markdown."""
    machine = f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}"
    parts = [f"{machine}, {time.strftime('%Y-%m-%d')}."]
    parts += [table.render(less_is_better=table.unit.startswith(("ms", "s "))) for table in tables]
    return "\n\n".join(parts)


def write(page: Path, text: str) -> None:
    """Replace what stands between the marks of `page`."""
    before, mark, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise SystemExit(f"{page} has no marks {BEGIN} and {END}")
    page.write_text(f"{before}{mark}\n{text}\n{end}{after}")


def run(folder: Path, parts: list[str], share: int) -> list[Table]:
    """Run the named parts in `folder`; return their tables."""
    tables: list[Table] = []
    needing = {"limits", "ingest", "syncs"} & set(parts)
    loads = ingest.make_loads(folder / "loads", share) if needing else []
    if "limits" in parts:
        tables += limits.measure(folder / "limits", loads)
    if "ingest" in parts:
        for nodelay in (False, True):
            tables += ingest.measure(folder / "ingest", loads, nodelay=nodelay)
    if "sustained" in parts:
        tables.append(sustained.measure(folder / "sustained", share))
    if "query" in parts:
        studies = query.make_studies(folder / "studies", 20_000 if share < 10 else 2_000)
        tables.append(query.measure(folder / "query", studies))
    if "retrieve" in parts:
        tables.append(retrieve.measure(folder / "retrieve", retrieve.make_load(folder / "studies-of-250")))
    if "forward" in parts:
        tables += forward.measure(folder / "forward", share)
    if "syncs" in parts:
        table = syncs.measure(folder / "syncs", loads)
        tables += [table] if table else []
    return tables


if __name__ == "__main__":
    main()
