"""C-FIND matching: what a query asks for, found in the index and streamed (PS3.4 C.4.1).

Answers come from one statement by a server-side cursor, so that any number of them needs no more memory
than a batch, and all are of one moment. What a patient comes to as a whole is counted once for each batch.

Example
-------
>>> with archive.read() as tx:                                              # doctest: +SKIP
...     for answer in tx.query.find(Level.STUDY, parse({"PatientID": "4711"}), ["StudyDate"]):
...         print(answer["StudyDate"])
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from storage.records.attributes import Level
from storage.records.criteria import Criterion
from storage.records.levels import available
from storage.records.tables import study
from storage.sql.finding import statement

_BATCH = 250  # answers fetched at a time

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

Answer = dict[str, str]


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
    ) -> Iterator[Answer]:
        """Yield an answer for each patient, study, series or instance that meets all of `criteria`.

        Parameters
        ----------
        criteria
            By keyword, as `storage.records.matching.parse` returns them; those of attributes that belong
            below `level` are ignored.
        wanted
            Keywords to give back; those that `level` has not are left out of the answers.
        limit
            Answers at most; None for all.

        Yields
        ------
        dict
            Keyword to value: as it was sent, or as computed. Of a patient with several studies that match,
            the newest one speaks.
        """
        wanted = [keyword for keyword in dict.fromkeys(wanted) if available(level, keyword)]
        criteria = {key: value for key, value in criteria.items() if available(level, key)}
        totals = [keyword for keyword in wanted if keyword in _OF_PATIENT]
        columns = [keyword for keyword in wanted if keyword not in totals]
        if totals or not columns:
            columns = list(dict.fromkeys((*columns, *_FOR_PATIENT)))
        extra = set(columns) - set(wanted)
        for rows in self._batches(statement(self._connection.dialect.name, level, criteria, columns, limit)):
            answers = [dict(zip(columns, row, strict=True)) for row in rows]
            if totals:
                self._count(answers, totals)
            for answer in answers:
                for keyword in extra:
                    del answer[keyword]
                yield answer

    def _batches(self, found: Any) -> Iterator[Sequence[Row[Any]]]:
        options = {"stream_results": True, "max_row_buffer": _BATCH}
        with self._connection.execute(found, execution_options=options) as result:
            yield from result.partitions(_BATCH)

    def _count(self, answers: Sequence[Answer], totals: Sequence[str]) -> None:
        """Add what belongs to each patient; a study without Patient ID is its patient's only one."""
        patients = {answer["PatientID"] for answer in answers}
        counted = {
            (patient, issuer): counts
            for patient, issuer, *counts in self._connection.execute(
                select(
                    study.c.patient_id,
                    study.c.issuer_of_patient_id,
                    func.count(),
                    func.sum(study.c.number_of_series),
                    func.sum(study.c.number_of_instances),
                )
                .where(study.c.patient_id.in_(patients - {""}))
                .group_by(study.c.patient_id, study.c.issuer_of_patient_id)
            )
        }
        for answer in answers:
            own = 1, answer["NumberOfStudyRelatedSeries"], answer["NumberOfStudyRelatedInstances"]
            counts = counted.get((answer["PatientID"], answer["IssuerOfPatientID"]), own)
            for keyword in totals:
                answer[keyword] = str(counts[_OF_PATIENT.index(keyword)])
