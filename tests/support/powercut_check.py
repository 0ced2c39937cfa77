"""What a node must show when it starts after a power cut: all that it promised, and nothing twice.

Two things may be, since no sender was told otherwise: a blob without record is left, which costs its space;
and the trace of a duplicate, of which every byte is there, is lost or comes again.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from node.config import Config
from node.root import Node
from storage.archive import Archive
from storage.blobs.protocol import BlobStore
from storage.errors import StorageError
from storage.records.arrival import BlobRef, Verdict
from storage.records.rulings import Role
from storage.records.tables import METADATA, arrival, instance
from storage.verify import AREAS, Kind, verify
from tests.support.kept import opened
from tests.support.powercut import Sent


def losses(config: Config, acknowledged: Sequence[Sent], sent: Sequence[Sent]) -> list[str]:
    """Start a node on what a power cut has left, twice, and return what is wrong there.

    Parameters
    ----------
    acknowledged
        In the order of their answers.
    sent
        All that may have come, answered or not.
    """
    try:
        Node.open(config).close()
        first = list(_wrong(config, acknowledged, sent))
        before = _all(config)
        Node.open(config).close()
        after = _all(config)
    except (StorageError, OSError) as error:
        return [f"it does not start: {type(error).__name__}: {error}"]
    changed = [name for name in before if before[name] != after[name]]
    return first + [f"the second start changed {name}" for name in changed]


def _wrong(config: Config, acknowledged: Sequence[Sent], sent: Sequence[Sent]) -> Iterator[str]:
    with opened(config) as (archive, blobs):
        yield from _missing(archive, blobs, acknowledged)
        yield from _traces(archive, acknowledged, sent)
        yield from _decisions(archive)
        for each in verify(archive, blobs, grace=0.0).findings:
            if each.kind is not Kind.ORPHAN:
                yield f"verify: {each.kind} {each.subject}: {each.detail}"


def _missing(archive: Archive, blobs: BlobStore, acknowledged: Sequence[Sent]) -> Iterator[str]:
    """Yield what was acknowledged and is not there bit for bit; what came first stays the instance."""
    with archive.read() as tx:
        kept = {each.sop_instance_uid: each.blob for _, each in tx.instances.page(0, 100_000)}
        others = defaultdict(list)
        for each in tx.conflicts.list(limit=100_000):
            others[each.sop_instance_uid].append(each.blob)
    first: dict[str, str] = {}
    for one in acknowledged:
        if one.uid not in kept:
            yield f"{one.uid} was acknowledged and is gone"
            continue
        contents = [_digest(blobs, blob) for blob in (kept[one.uid], *others[one.uid])]
        if one.digest not in contents:
            yield f"{one.uid} was acknowledged and its bytes are not there: {contents}"
        elif contents[0] != first.setdefault(one.uid, one.digest):
            yield f"{one.uid} is no longer what came first"


def _digest(blobs: BlobStore, blob: BlobRef) -> str:
    try:
        with blobs.open(blob.key) as reader:
            return hashlib.sha256(b"".join(reader.chunks(blob.offset))).hexdigest()
    except StorageError as error:
        return str(error)


def _traces(archive: Archive, acknowledged: Sequence[Sent], sent: Sequence[Sent]) -> Iterator[str]:
    """Yield instances of which some content was not taken in exactly once; duplicates may come again."""
    told, came = _contents(acknowledged), _contents(sent)
    with archive.read() as tx:
        query = select(instance.c.sop_instance_uid, arrival.c.verdict).join_from(arrival, instance)
        rows = tx.connection.execute(query.where(arrival.c.verdict != Verdict.DUPLICATE)).all()
    stored = Counter(uid for uid, verdict in rows if verdict == Verdict.STORED)
    taken = Counter(uid for uid, _ in rows)
    for uid in came:
        if not len(told[uid]) <= taken[uid] <= len(came[uid]) or stored[uid] != min(taken[uid], 1):
            yield f"{uid}: {len(told[uid])} contents acknowledged, {taken[uid]} taken, {stored[uid]} stored"


def _contents(some: Sequence[Sent]) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for each in some:
        found[each.uid].add(each.digest)
    return found


def _decisions(archive: Archive) -> Iterator[str]:
    """Yield what has not exactly one decision and one delivery, and studies that will not settle."""
    with archive.read() as tx:
        deliveries = Counter(each.sop_instance_uid for each in tx.ledger.list(limit=100_000))
        instances = {each.sop_instance_uid: row for row, each in tx.instances.page(0, 100_000)}
        for uid in deliveries.keys() - instances.keys():
            yield f"{uid} is to be delivered and is not there"
        for uid, row in instances.items():
            if deliveries[uid] != 1:
                yield f"{uid} has {deliveries[uid]} deliveries"
            decided = tx.rulings.of("instance", row, Role.ACTIVE)
            if len(decided) != 1:
                yield f"{uid} was decided {len(decided)} times"
            subject = tx.subjects.by_uid(uid)
            if subject is None or tx.settling.get(subject.place.study_row) is None:
                yield f"the study of {uid} will not settle"


def _all(config: Config) -> Mapping[str, Any]:
    """Return every row of every table, and the key of every blob."""
    with opened(config) as (archive, blobs), archive.read() as tx:
        found: dict[str, Any] = {
            table.name: sorted(map(repr, tx.connection.execute(select(table)).all()))
            for table in METADATA.sorted_tables
        }
        return found | {area: list(blobs.keys(area)) for area in AREAS}
