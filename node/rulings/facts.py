"""What is known of an instance, a series or a study, as rules ask it.

Facts of the clock are not among them: whoever decides has it. What an instance does not have is left out. In
a series or a study an attribute of its instances is known when all have the same.

Example
-------
>>> of_arrival(arrival, ("thin",)).get("origin.calling_ae")        # doctest: +SKIP
'CT3_AE'
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from node.intake.reader import Reader
from rules.facts import Facts, Needs
from rules.unknown import Unknown
from storage.blobs.protocol import BlobStore
from storage.errors import Damaged, NotFound
from storage.records.arrival import Arrival, BlobRef, Origin
from storage.records.subjects import SeriesSubject, StudySubject, Subject

FurtherOf = Callable[[Subject], Mapping[str, object]]
"""Returns what `further` does, of an instance."""

_NOTHING: Mapping[str, object] = MappingProxyType({})
_PIECE = 64 * 1024
_PIXEL_DATA = 0x7FE00010
_ANY_SIZE = 1 << 62  # the dataset has been taken; what it inflates to was limited then


def of_arrival(arrival: Arrival, labels: Sequence[str] = ()) -> Facts:
    """Return the facts of an instance that comes in.

    Its UIDs are those that it is kept under, also when the dataset names no study or series.
    """
    return _of_instance(arrival, labels, arrival.further)


def of_instance(
    subject: Subject, labels: Sequence[str] = (), further: Mapping[str, object] = _NOTHING
) -> Facts:
    """Return the facts of an instance that the archive has."""
    return _of_instance(subject, labels, further)


def of_series(
    series: SeriesSubject,
    study: StudySubject,
    instances: Iterable[Subject],
    labels: Sequence[str],
    further_of: FurtherOf,
    *,
    complete: bool,
) -> Facts:
    """Return the facts of a series.

    Parameters
    ----------
    study
        Which the series belongs to.
    instances
        Those of the series, each looked at once.
    labels
        Of the series, its study and its instances.
    complete
        It settled with all that was required.
    """
    values = {
        **_common(instances, further_of, "series"),
        **series.attributes,
        **_study_facts(study, complete=complete),
        "series.instances": series.instances,
        "series.complete": complete,
        "labels": list(labels),
    }
    return Facts(values)


def of_study(
    study: StudySubject,
    instances: Iterable[Subject],
    labels: Sequence[str],
    further_of: FurtherOf,
    *,
    complete: bool,
) -> Facts:
    """Return the facts of a study; see `of_series`."""
    values = {
        **_common(instances, further_of, "study"),
        **study.attributes,
        **_study_facts(study, complete=complete),
        "labels": list(labels),
    }
    return Facts(values)


def further(blobs: BlobStore, blob: BlobRef, transfer_syntax_uid: str, needs: Needs) -> Mapping[str, object]:
    """Return what rules want of a stored dataset beyond the indexed attributes, by name in `Facts`.

    No more is read than that takes, and never the pixels. What is not in the store, or not as it was
    stored, is `Unknown`.

    Raises
    ------
    storage.errors.Unavailable
        The store does not answer.
    """
    last = last_tag(needs)
    if not last:
        return _NOTHING
    reader = Reader(transfer_syntax_uid, _ANY_SIZE, needs)
    try:
        with blobs.open(blob.key) as stored:
            for piece in stored.chunks(blob.offset, _PIECE):
                reader.feed(piece)
                if reader.problem or reader.reached > last:
                    break
    except (NotFound, Damaged):
        return {name: Unknown(f"{name} cannot be read: the data set is not in the store") for name in needs}
    return reader.further


def last_tag(needs: Needs) -> int:
    """Return the last element of the top level that can be one of `needs`; 0 when nothing is needed."""
    private = (group << 16 | 0xFFFF for group, _, _ in needs.private)
    last = max([*needs.tags, *private], default=0)
    return min(last, _PIXEL_DATA - 1)


def _of_instance(subject: Arrival | Subject, labels: Sequence[str], further: Mapping[str, object]) -> Facts:
    path = _path(subject.origin)
    values = {
        **subject.attributes,
        **further,
        "SOPClassUID": subject.sop_class_uid,
        "SOPInstanceUID": subject.sop_instance_uid,
        "StudyInstanceUID": subject.study_instance_uid,
        "SeriesInstanceUID": subject.series_instance_uid,
        **_origin(subject.origin),
        "origin.path": list(path),
        "sop_class.uid": subject.sop_class_uid,
        "transfer_syntax.uid": subject.transfer_syntax_uid,
        "labels": list(labels),
    }
    return Facts(values)


def _origin(origin: Origin) -> dict[str, object]:
    known = {
        "origin.way": origin.way.value,
        "origin.calling_ae": origin.calling_ae,
        "origin.called_ae": origin.called_ae,
        "origin.address": origin.address,
        "origin.user": origin.user,
    }
    return {name: value for name, value in known.items() if value}


def _path(origin: Origin) -> tuple[str, ...]:
    return (*origin.path, origin.calling_ae) if origin.calling_ae else origin.path


def _study_facts(study: StudySubject, *, complete: bool) -> dict[str, object]:
    return {
        "study.instances": study.instances,
        "study.series": study.series,
        "study.complete": complete,
        "study.modalities": list(study.modalities),
    }


def _common(instances: Iterable[Subject], further_of: FurtherOf, what: str) -> dict[str, object]:
    """Return what is the same of all instances; the path is of all of them, so that no loop is missed."""
    agreed: dict[str, object] = {}
    path: dict[str, None] = {}
    first = True
    for each in instances:
        path.update(dict.fromkeys(_path(each.origin)))
        own = dict(_shared(each, further_of(each)))
        if first:
            agreed, first = own, False
            continue
        for name in own.keys() | agreed.keys():
            if name not in own or name not in agreed or own[name] != agreed[name]:
                agreed[name] = Unknown(f"{name} differs within the {what}")
    return {**agreed, "origin.path": list(path)}


def _shared(subject: Subject, further: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield what instances of a series may have in common."""
    yield from subject.attributes.items()
    # Empty or missing is the same to a rule.
    yield from ((name, value) for name, value in further.items() if value != "")
    yield from _origin(subject.origin).items()
    yield "sop_class.uid", subject.sop_class_uid
    yield "transfer_syntax.uid", subject.transfer_syntax_uid
