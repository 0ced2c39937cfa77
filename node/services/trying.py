"""Explains what rules would decide about files, or about what the archive has. Nothing is written.

Labels that a rule would give are not there for the rules that look: they come with the decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from node.core import clock
from node.core.errors import UserError
from node.rulings.files import arrival_of_file
from node.services.matters import Matter, asks, gather, load, needs_of
from rules.facts import Needs
from rules.ruleset import RuleSet
from rules.symbols import On
from rules.trace import explain
from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.records.arrival import Origin, Place
from storage.records.keys import number_key
from storage.records.subjects import Subject


@dataclass(frozen=True, slots=True)
class Explained:
    """What rules come to about one thing.

    Attributes
    ----------
    file
        Where it was read from; empty for what is archived.
    data
        As `rules.trace.explain` returns it.
    """

    level: str
    uid: str
    file: str
    data: Mapping[str, Any]


class Trial:
    """Explains one rule set.

    Parameters
    ----------
    titles
        AE title of each peer by its name.
    """

    def __init__(self, ruleset: RuleSet, titles: Mapping[str, str]) -> None:
        self._ruleset = ruleset
        self._titles = titles
        self._now = clock.now()

    def files(self, paths: Sequence[Path], origin: Origin) -> Iterator[Explained]:
        """Explain about each of `paths` as if it just came from `origin`, then about series and studies.

        Raises
        ------
        UserError
            A file cannot be read, or would be refused.
        """
        settles = asks(self._ruleset, On.SERIES) or asks(self._ruleset, On.STUDY)
        files = _Files(needs_of([self._ruleset]), origin)
        kept: list[Subject] = []
        for path in paths:
            subject = files.read(path)
            (view,) = gather([subject], files.further)
            if asks(self._ruleset, On.INSTANCE):
                yield self._explain(view.instance(subject), str(path))
            if settles:
                kept.append(subject)
            else:
                files.further.clear()
        for view in gather(kept, files.further):
            for matter in view.settled(self._ruleset, self._local):
                yield self._explain(matter)

    def stored(self, archive: Archive, blobs: BlobStore, uid: str) -> Iterator[Explained]:
        """Explain about an instance, a series, or a study with its series, as if it had just come.

        Raises
        ------
        UserError
            The archive has nothing of this UID.
        """
        with archive.read() as tx:
            instance = tx.subjects.by_uid(uid)
            only = None if instance else tx.inquiry.series_row(uid)
            series = tx.subjects.series(only) if only is not None else None
            study = None if instance or series else tx.subjects.study_by_uid(uid)
            place = instance.place if instance else None
            row = place.study_row if place else series.study_row if series else study.row if study else 0
            view = load(tx, blobs, row, needs_of([self._ruleset])) if row else None
        if view is None:
            raise UserError(f"{uid}: the archive has no instance, series or study of this UID")
        if instance is not None:
            yield self._explain(view.instance(instance))
            return
        for matter in view.settled(self._ruleset, self._local, only):
            yield self._explain(matter)

    @property
    def _local(self) -> datetime:
        return self._now.astimezone()

    def _explain(self, matter: Matter, file: str = "") -> Explained:
        data = explain(self._ruleset, matter.facts, self._local, matter.on, self._titles)
        return Explained(str(matter.on), matter.uid, file, data)


class _Files:
    """Instances in files, with rows as if an archive of nothing else had them.

    Attributes
    ----------
    further
        What rules want of each beyond the indexed attributes, by its row.
    """

    def __init__(self, needs: Needs, origin: Origin) -> None:
        self._needs = needs
        self._origin = origin
        self._rows: dict[tuple[str, ...], int] = {}
        self._count = 0
        self.further: dict[int, Mapping[str, object]] = {}

    def read(self, path: Path) -> Subject:
        """Read one; raises as `node.rulings.files.arrival_of_file`."""
        arrival = arrival_of_file(path, self._origin, self._needs)
        study, series = arrival.study_instance_uid, arrival.series_instance_uid
        self._count += 1
        self.further[self._count] = arrival.further
        return Subject(
            place=Place(self._count, self._row(study, series), self._row(study)),
            attributes={name: value for name, value in arrival.attributes.items() if value},
            sop_class_uid=arrival.sop_class_uid,
            sop_instance_uid=arrival.sop_instance_uid,
            study_instance_uid=study,
            series_instance_uid=series,
            transfer_syntax_uid=arrival.transfer_syntax_uid,
            blob=arrival.blob,
            origin=self._origin,
            received_at=arrival.received_at,
            instance_number=number_key(arrival.attributes.get("InstanceNumber", "")) or 0,
        )

    def _row(self, *uids: str) -> int:
        return self._rows.setdefault(uids, len(self._rows) + 1)
