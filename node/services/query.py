"""Queries: what may be asked at which level, and the answers, streamed (PS3.4 C.4.1, C.6.1, C.6.2).

Keys are taken relationally: any attribute of the level, or of one above it, can be a key and can be given
back, whether or not the unique keys above are there (PS3.4 C.4.1.2.2). Two studies that disagree about
their patient are each found by what they say; at the level of patients one answer is given for each
Patient ID and issuer, and the newest matching study speaks for it.

Example
-------
>>> query = Query(archive)                                                   # doctest: +SKIP
>>> for answers in query.find(Level.STUDY, {"PatientName": "DOE^*"}, ["StudyDate"]):   # doctest: +SKIP
...     for (date,) in answers:
...         print(date)
"""

from collections.abc import Generator, Mapping, Sequence

from storage.archive import Archive
from storage.records.attributes import Level
from storage.records.criteria import Criterion
from storage.records.levels import matchable, tag_of
from storage.records.matching import BadKey, parse

QUERY_RETRIEVE_LEVEL = 0x00080052

Answer = Sequence[str]
Found = Generator[Sequence[Answer], None, None]


class BadQuery(Exception):
    """A query that cannot be answered as it stands.

    Attributes
    ----------
    tag
        The attribute that is to blame, 0 when it is the identifier as a whole.
    reason
        What is wrong, in at most 64 ASCII characters without any value that was sent.
    """

    def __init__(self, tag: int, reason: str) -> None:
        super().__init__(reason)
        self.tag = tag
        self.reason = reason


def parse_keys(level: Level, keys: Mapping[str, str], *, combined: bool = True) -> dict[str, Criterion]:
    """Return the criteria of a query; keys that cannot be matched at `level` count as universal (C.2.2.1.3).

    Parameters
    ----------
    keys
        Keyword to value as asked, as Unicode; several values are joined by a backslash.
    combined
        Take a range of dates with its range of times as one interval.

    Raises
    ------
    BadQuery
    """
    usable = {keyword: value for keyword, value in keys.items() if matchable(level, keyword)}
    try:
        return parse(usable, combined=combined)
    except BadKey as error:
        raise BadQuery(tag_of(error.keyword), f"{error.keyword}: {error.reason}"[:64]) from None


class Query:
    """Finds patients, studies, series and instances. Safe for use by many threads at once."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def find(
        self,
        level: Level,
        keys: Mapping[str, str],
        wanted: Sequence[str],
        *,
        patient_root: bool = True,
        limit: int | None = None,
        combined: bool = True,
    ) -> Found:
        """Return the answers in batches, few at first.

        Close the iterator (or exhaust it) to let the database go.

        Parameters
        ----------
        keys
            Keyword to value as asked; see `parse_keys`.
        wanted
            Keywords to give back: each answer has their values in this order, what `level` has not is empty.
        patient_root
            The Patient Root model, which alone has a level of patients (PS3.4 C.6.1).
        limit
            Answers at most; None for all.

        Raises
        ------
        BadQuery
            At once, before the first answer is asked for.
        StorageError
            While answers are read.
        """
        if level is Level.PATIENT and not patient_root:
            raise BadQuery(QUERY_RETRIEVE_LEVEL, "PATIENT is no level of the Study Root model")
        return self._answers(level, parse_keys(level, keys, combined=combined), tuple(wanted), limit)

    def _answers(
        self, level: Level, criteria: Mapping[str, Criterion], wanted: Sequence[str], limit: int | None
    ) -> Found:
        with self._archive.read() as tx:
            yield from tx.query.find(level, criteria, wanted, limit)
