"""C-FIND matching: what a query asks for, found in the index and streamed (PS3.4 C.4.1).

Answers come from one statement as the database finds them, so that any number of them needs no more memory
than a batch, and all are of one moment. What a patient comes to as a whole is counted once for each batch.

Example
-------
>>> with archive.read() as tx:                                              # doctest: +SKIP
...     for answers in tx.query.find(Level.STUDY, parse({"PatientID": "4711"}), ["StudyDate", "StudyTime"]):
...         for date, time in answers:
...             print(date, time)
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from operator import itemgetter

from sqlalchemy import Connection, bindparam, func, select

from storage.records.attributes import Level
from storage.records.criteria import Criterion
from storage.records.levels import available
from storage.records.tables import study
from storage.sql.finding import asked
from storage.sql.prepared import Prepared, padded
from storage.sql.streaming import BATCH, Row, stream

_OF_PATIENT = (
    "NumberOfPatientRelatedStudies",
    "NumberOfPatientRelatedSeries",
    "NumberOfPatientRelatedInstances",
)
_FOR_PATIENT = (  # what counting needs beside
    "PatientID",
    "IssuerOfPatientID",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
)

Answer = Sequence[str]


class QueryRepo:
    """Queries, in one transaction; it must stay open while answers are read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(
        self,
        level: Level,
        criteria: Mapping[str, Criterion],
        wanted: Sequence[str],
        limit: int | None = None,
    ) -> Generator[Sequence[Answer], None, None]:
        """Yield an answer for each patient, study, series or instance that meets all of `criteria`.

        Parameters
        ----------
        criteria
            By keyword, as `storage.records.matching.parse` returns them; those of attributes that belong
            below `level` are ignored.
        wanted
            Keywords to give back.
        limit
            Answers at most; None for all.

        Yields
        ------
        sequence of answers
            The next ones, few at first. Each has a value for each of `wanted`, in their order: as it was
            sent, or as computed; empty where `level` has none. Of a patient with several studies that
            match, the newest one speaks.
        """
        criteria = {key: value for key, value in criteria.items() if available(level, key)}
        given = [keyword for keyword in wanted if available(level, keyword)]
        counted = not set(_OF_PATIENT).isdisjoint(given)
        columns = [keyword for keyword in given if keyword not in _OF_PATIENT]
        if counted or not columns:
            columns += [keyword for keyword in _FOR_PATIENT if keyword not in columns]
        for rows in self._rows(level, criteria, columns, limit):
            if columns == [*wanted]:
                yield rows
            else:
                yield self._arranged(rows, columns, wanted, counted=counted)

    def _rows(
        self, level: Level, criteria: Mapping[str, Criterion], columns: Sequence[str], limit: int | None
    ) -> Generator[Sequence[Row], None, None]:
        connection = self._connection
        if level is not Level.PATIENT:
            yield from stream(connection, *asked(connection.dialect.name, level, criteria, columns, limit))
            return
        studies = stream(connection, *asked(connection.dialect.name, level, criteria, columns, None))
        patients = islice(_newest(row for rows in studies for row in rows), limit)
        size = 1
        while batch := list(islice(patients, size)):
            yield batch
            size = BATCH

    def _arranged(
        self, rows: Sequence[Row], columns: Sequence[str], wanted: Sequence[str], *, counted: bool
    ) -> Sequence[Answer]:
        """Put the values of each row in the order of `wanted`, with what belongs to its patient."""
        totals = self._totals(rows, columns) if counted else [()] * len(rows)
        names = (*columns, *(_OF_PATIENT if counted else ()))
        places = [names.index(keyword) if keyword in names else -1 for keyword in wanted]
        whole = [(*row, *of_patient, "") for row, of_patient in zip(rows, totals, strict=True)]
        return [[values[place] for place in places] for values in whole]

    def _totals(self, rows: Sequence[Row], columns: Sequence[str]) -> list[tuple[str, ...]]:
        """Count what belongs to the patient of each row; one without Patient ID has that study alone."""
        patient_of = itemgetter(*(columns.index(keyword) for keyword in _FOR_PATIENT))
        patients = sorted({row[columns.index("PatientID")] for row in rows} - {""})
        known = {}
        if patients:
            count = _count(self._connection.dialect.name)
            for patient, issuer, *counts in count.run(self._connection, padded("id", patients, BATCH)):
                known[patient, issuer] = tuple(map(str, counts))
        return [
            known.get((patient, issuer), ("1", series, instances))
            for patient, issuer, series, instances in map(patient_of, rows)
        ]


@lru_cache
def _count(kind: str) -> Prepared:
    some = [bindparam(f"id_{place}", type_=study.c.patient_id.type) for place in range(BATCH)]
    columns = study.c.patient_id, study.c.issuer_of_patient_id
    sums = func.count(), func.sum(study.c.number_of_series), func.sum(study.c.number_of_instances)
    return Prepared(select(*columns, *sums).where(study.c.patient_id.in_(some)).group_by(*columns), kind)


def _newest(studies: Iterable[Row]) -> Iterator[Row]:
    """Of studies that come by Patient ID, give the newest of each patient: of each Patient ID and issuer.

    Where there is no Patient ID nothing says that two studies are of one patient: each stands for itself.
    """
    patient, newest = "", dict[str, Row]()  # by issuer
    for patient_id, issuer, number, *values in studies:
        if patient_id != patient:
            yield from (row[1:] for row in newest.values())
            patient, newest = patient_id, {}
        if not patient_id:
            yield tuple(values)
        elif issuer not in newest or number > newest[issuer][0]:
            newest[issuer] = (number, *values)
    yield from (row[1:] for row in newest.values())
