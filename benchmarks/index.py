"""An index of a large archive, loaded without sending anything: realistic rows, the same ones every time.

    python -m benchmarks.index sqlite:///index.db [--studies 50000] [--instances 1000000]

The database must be fresh. Names are drawn as in a town: a few families are common, most are not; one patient
in thirty writes in another script. A patient comes two or three times in ten years.
"""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from storage.archive import Archive
from tests.support.index import SeriesRows, StudyRows, analyze, fill

ROOT = "1.2.826.0.1.3680043.10.1442.7"
COMMON = "SMITH"
"""The family of one patient in a hundred."""

_FIRST_DAY, _DAYS = date(2015, 1, 1), 3652
_VISITS = 2.5  # studies of a patient, on average
_SYLLABLES = (
    "ba be bo da de di fa fer ga gre hal han ka kel la len lo mar mei mo na nor pa ri ro sa schu ta ter vo"
)
_GIVEN = "ANNA BEN CARLA DAVID EMMA FELIX GRETA HUGO IDA JAN KLARA LEO MARIA NOAH OLGA PAUL ROSA SAM TINA UWE"
_FOREIGN = (
    "MÜLLER^JÜRGEN",
    "SÖRENSEN^ÅSA",
    "GARCÍA^JOSÉ",
    "ИВАНОВА^АННА",
    "ΠΑΠΑΔΟΠΟΥΛΟΣ^ΝΙΚΟΣ",
    "YAMADA^TAROU=山田^太郎=やまだ^たろう",
    "HONG^GILDONG=洪^吉洞=홍^길동",
    "WANG^XIAODONG=王^小东",
)
_MODALITIES = {  # share, SOP class, description of study, rows
    "CR": (30, "1.2.840.10008.5.1.4.1.1.1", "CHEST PA", 2048),
    "CT": (25, "1.2.840.10008.5.1.4.1.1.2", "CT THORAX", 512),
    "MR": (18, "1.2.840.10008.5.1.4.1.1.4", "MR HEAD", 256),
    "US": (15, "1.2.840.10008.5.1.4.1.1.6.1", "US ABDOMEN", 768),
    "MG": (7, "1.2.840.10008.5.1.4.1.1.1.2", "MAMMOGRAPHY", 3328),
    "XA": (3, "1.2.840.10008.5.1.4.1.1.12.1", "ANGIOGRAPHY", 1024),
    "NM": (2, "1.2.840.10008.5.1.4.1.1.20", "BONE SCAN", 128),
}
_BODY_PARTS = ("CHEST", "HEAD", "ABDOMEN", "KNEE", "HAND", "SPINE", "")


@dataclass(frozen=True)
class Size:
    """How much there is to be."""

    studies: int = 50_000
    instances: int = 1_000_000


@dataclass(frozen=True)
class _Patient:
    name: str
    patient_id: str
    born: str
    sex: str


def studies_of(size: Size, seed: int = 4711) -> Iterator[StudyRows]:
    """Yield the studies in the order in which they were made; the instances add up to `size`."""
    chance = random.Random(seed)
    families = _families(chance)
    weights = [1 / (rank + 8) for rank in range(len(families))]
    count = max(int(size.studies / _VISITS), 1)
    patients = [_patient(number, chance, families, weights) for number in range(count)]
    left = size.instances
    for number in range(size.studies):
        due = left // (size.studies - number)
        spread = chance.randint(0, due - 1) if number % 2 == 0 and due > 1 else 0
        own = left if number == size.studies - 1 else min(due + spread, left)
        left -= own
        yield _study(number, own, chance.choice(patients), chance, _day(number, size.studies))


def _families(chance: random.Random) -> list[str]:
    parts = _SYLLABLES.split()
    made = {"".join(chance.choices(parts, k=chance.choice((2, 3, 3)))).upper() for _ in range(4000)}
    return sorted(made, key=lambda name: (len(name), name))


def _patient(number: int, chance: random.Random, families: list[str], weights: list[float]) -> _Patient:
    if number % 30 == 29:
        name = chance.choice(_FOREIGN)
    else:
        family = COMMON if number % 100 == 7 else chance.choices(families, weights)[0]
        name = f"{family}^{chance.choice(_GIVEN.split())}"
        name += f"^{chr(65 + number % 26)}" if number % 3 == 0 else ""
    born = date(1930, 1, 1) + timedelta(chance.randrange(31_000))
    return _Patient(name, f"{number:07d}", f"{born:%Y%m%d}", "FM"[number % 2])


def _day(number: int, studies: int) -> str:
    return f"{_FIRST_DAY + timedelta(number * _DAYS // studies):%Y%m%d}"


def _study(number: int, instances: int, patient: _Patient, chance: random.Random, day: str) -> StudyRows:
    modality = chance.choices([*_MODALITIES], [share for share, *_ in _MODALITIES.values()])[0]
    uid = f"{ROOT}.{number + 1}"
    shares = min(chance.randint(1, 3), max(instances, 1))
    attributes = {
        "StudyInstanceUID": uid,
        "PatientName": patient.name,
        "PatientID": patient.patient_id,
        "PatientBirthDate": patient.born,
        "PatientSex": patient.sex,
        "StudyDate": day,
        "StudyTime": f"{chance.randrange(7, 20):02}{chance.randrange(60):02}{chance.randrange(60):02}",
        "AccessionNumber": f"A{number:08d}",
        "StudyID": str(number % 10_000),
        "StudyDescription": _MODALITIES[modality][2],
        "ReferringPhysicianName": f"DOCTOR{number % 97}^{chance.choice(_GIVEN.split())}",
    }
    rows = []
    for place in range(shares):
        own = instances // shares + (place < instances % shares)
        kind = "SR" if place == 2 and number % 5 == 0 else modality
        rows.append(_series(f"{uid}.{place + 1}", place + 1, own, kind, attributes))
    return StudyRows(attributes, rows)


def _series(uid: str, number: int, instances: int, modality: str, study: dict[str, str]) -> SeriesRows:
    sop_class, rows = "1.2.840.10008.5.1.4.1.1.88.33", 0
    if modality != "SR":
        _, sop_class, _, rows = _MODALITIES[modality]
    attributes = {
        "SeriesInstanceUID": uid,
        "Modality": modality,
        "SeriesNumber": str(number),
        "SeriesDescription": f"{modality} {number}",
        "SeriesDate": study["StudyDate"],
        "SeriesTime": study["StudyTime"],
        "BodyPartExamined": _BODY_PARTS[int(study["StudyID"]) % len(_BODY_PARTS)],
        "StationName": f"{modality}{int(study['StudyID']) % 4 + 1}",
        "InstitutionName": "GENERAL HOSPITAL",
        "Manufacturer": "MAKER",
        "ManufacturerModelName": f"MODEL {modality}",
    }
    common = {
        "SOPClassUID": sop_class,
        "ImageType": "ORIGINAL\\PRIMARY",
        "ContentDate": study["StudyDate"],
        "ContentTime": study["StudyTime"],
        "PhotometricInterpretation": "MONOCHROME2" if rows else "",
        **({"Rows": str(rows), "Columns": str(rows), "BitsAllocated": "16"} if rows else {}),
    }
    images = [
        common | {"SOPInstanceUID": f"{uid}.{each}", "InstanceNumber": str(each)}
        for each in range(1, instances + 1)
    ]
    return SeriesRows(attributes, images)


def load(url: str, size: Size) -> float:
    """Fill the fresh database at `url`; return the seconds that it took."""
    began = time.perf_counter()
    archive = Archive.open(url, durable=False)
    try:
        archive.upgrade()
        fill(archive, studies_of(size))
        if archive.kind == "postgresql":
            analyze(archive)  # as autovacuum does within a minute
        with archive.read() as tx:
            totals = tx.totals.totals()
        assert (totals.studies, totals.instances) == (size.studies, size.instances)
    finally:
        archive.close()
    return time.perf_counter() - began


def main() -> None:
    """Load one database."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index", description=__doc__.split("\n")[0])
    parser.add_argument("url", help="sqlite:///path or postgresql+psycopg2://user:password@host/name")
    parser.add_argument("--studies", type=int, default=Size.studies)
    parser.add_argument("--instances", type=int, default=Size.instances)
    arguments = parser.parse_args()
    seconds = load(arguments.url, Size(arguments.studies, arguments.instances))
    print(f"{arguments.studies:,} studies, {arguments.instances:,} instances in {seconds:.0f} s")


if __name__ == "__main__":
    main()
