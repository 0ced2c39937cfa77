"""How fast a large archive answers: C-FIND at 1,000,000 instances in 50,000 studies, on both databases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import peers
from benchmarks.asking import Caller, Keys, calling
from benchmarks.index import COMMON, ROOT, Size, load
from benchmarks.report import Table
from tests.support.postgres import NoPostgres, server

_STUDY: Keys = dict.fromkeys(
    (
        "StudyInstanceUID",
        "PatientName",
        "PatientID",
        "StudyDate",
        "AccessionNumber",
        "ModalitiesInStudy",
        "StudyDescription",
        "NumberOfStudyRelatedInstances",
    ),
    "",
)
_SERIES: Keys = dict.fromkeys(("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription"), "")
_IMAGE: Keys = dict.fromkeys(("SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"), "")
_NARROW_REPEATS, _BROAD_REPEATS = 100, 20

Query = tuple[str, Callable[[int], Keys]]


def _narrow(size: Size) -> dict[str, Query]:
    """What workstations ask for one patient, another one each time."""

    def study(number: int) -> int:
        return number * 7919 % size.studies

    return {
        "PatientID": ("STUDY", lambda n: _STUDY | {"PatientID": f"{study(n) * 2 // 5:07d}"}),
        "name*": (
            "STUDY",
            lambda n: _STUDY | {"PatientName": f"{COMMON}^{'ABCDEFGHIJKLMNOPQRSTU'[n % 21]}*"},
        ),
        "accession": ("STUDY", lambda n: _STUDY | {"AccessionNumber": f"A{study(n):08d}"}),
        "series of study": ("SERIES", lambda n: _SERIES | {"StudyInstanceUID": f"{ROOT}.{study(n) + 1}"}),
        "images of study": ("IMAGE", lambda n: _IMAGE | {"StudyInstanceUID": f"{ROOT}.{study(n) + 1}"}),
        "day, modality": (
            "STUDY",
            lambda n: _STUDY | {"StudyDate": f"20{15 + n % 10}0612", "ModalitiesInStudy": "CT"},
        ),
    }


_BROAD: dict[str, Query] = {
    "a year, XA": (
        "STUDY",
        lambda _: _STUDY | {"StudyDate": "20200101-20201231", "ModalitiesInStudy": "XA"},
    ),
    "modality": ("STUDY", lambda _: _STUDY | {"ModalitiesInStudy": "CT"}),
    f"{COMMON}*": ("STUDY", lambda _: _STUDY | {"PatientName": f"{COMMON}*"}),
    f"*{COMMON[1:]}*": ("STUDY", lambda _: _STUDY | {"PatientName": f"*{COMMON[1:]}*"}),
    "all studies": ("STUDY", lambda _: _STUDY),
    "all series": ("SERIES", lambda _: _SERIES),
    "all images": ("IMAGE", lambda _: _IMAGE),
}


def measure(folder: Path, share: int = 1) -> list[Table]:
    """Load both databases and ask, within one association each."""
    size = Size(50_000 // share, 1_000_000 // share)
    what = f"{size.instances:,} instances in {size.studies:,} studies"
    tables = [
        Table(f"C-FIND of one patient at {what}, median of {_NARROW_REPEATS}", "ms", head="database"),
        Table(f"Broad C-FIND at {what}, to the first answer, median", "ms", head="database"),
        Table(f"Broad C-FIND at {what}, all answers", "answers/s", head="database"),
    ]
    memory = Table(f"Memory after C-FIND of {size.instances:,} answers", "MiB", head="database")
    with _databases(folder) as urls:
        for name, url in urls.items():
            print(f"    {name} loaded in {load(url, size):.0f} s", flush=True)
            with peers.isocentre(folder / name, url=url) as peer:
                before = peer.resident()
                with calling(peer) as caller:
                    _ask(caller, name, size, tables)
                memory.put(name, "before", before / (1 << 20))
                memory.put(name, "after", peer.resident() / (1 << 20))
    return [*tables, memory]


def _ask(caller: Caller, name: str, size: Size, tables: list[Table]) -> None:
    narrow, first, rate = tables
    for column, (level, keys) in _narrow(size).items():
        figures = caller.measure(level, keys, _NARROW_REPEATS)
        narrow.put(name, column, figures.whole * 1000)
        narrow.put(f"{name}, slowest", column, figures.slowest * 1000)
    for column, (level, keys) in _BROAD.items():
        figures = caller.measure(level, keys, _BROAD_REPEATS)
        first.put(name, column, figures.first * 1000)
        rate.put(name, column, figures.rate)


@contextmanager
def _databases(folder: Path) -> Iterator[dict[str, str]]:
    """The URLs of fresh databases by their names; without PostgreSQL one only."""
    folder.mkdir(parents=True, exist_ok=True)
    urls = {"SQLite": f"sqlite:///{folder / 'index.db'}"}
    try:
        running = server(durable=True)
        found = running.__enter__()
    except NoPostgres as error:
        print(f"    without PostgreSQL: {error}")
        yield urls
        return
    try:
        yield urls | {"PostgreSQL": found.create()}
    finally:
        running.__exit__(None, None, None)
