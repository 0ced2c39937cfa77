"""One instance coming in: its bytes hashed, read and written while they pass, then recorded.

Two ways to be durable. A small instance goes to the receive log with a note of what it is, by one write and
one sync that all share who wait (`storage.blobs.log.journal`); the index is written behind it. All others,
and where there is no such log: the content of the blob (`place`), its name (`sync`), the index (one commit),
each shared by all who wait. Only then is anyone told. The bytes are gathered in buffers of 256 KiB, so that a
small instance costs one write and a large one few, whatever the pieces it comes in.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from node.core.clock import now
from node.core.proof import checksum
from node.core.trouble import report
from node.intake.buffers import CAPACITY, Buffers
from node.intake.header import Header
from node.intake.identity import Identity, identify
from node.intake.judgement import judge
from node.intake.notes import encode
from node.intake.outcome import REASON_MAX, Claim, Outcome, Refusal
from node.intake.part10 import META_MAX, encode_meta
from node.intake.reader import Reader
from node.intake.uids import is_uid
from node.intake.wants import NOTHING, Wants, nothing
from node.services.quarantine import Quarantine
from node.services.recorder import Recorder
from node.services.space import Space
from storage.blobs.log.journal import Journal
from storage.blobs.log.writer import SMALL, Budget
from storage.blobs.protocol import BlobStore, BlobWriter, Buffer
from storage.errors import OutOfSpace, StorageError
from storage.records.arrival import Arrival, BlobRef, Origin

_HELD = 64 << 20  # bytes
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tools:
    """What every reception of a process works with.

    Attributes
    ----------
    wants
        Asked at the beginning of each reception.
    journal
        Takes small instances with a note; None: every one is recorded in the index before anyone is told.
    budget
        Of memory, for all that is held until it goes to the journal.
    """

    blobs: BlobStore
    recorder: Recorder
    quarantine: Quarantine
    space: Space
    buffers: Buffers
    max_dataset: int
    wants: Callable[[], Wants] = nothing
    journal: Journal | None = None
    budget: Budget = field(default_factory=lambda: Budget(_HELD))


def _asked(wants: Callable[[], Wants]) -> Wants:
    """Return what rules want to know; when they cannot be asked, whoever decides will find out."""
    try:
        return wants()
    except Exception as error:
        report("ingest.wants_unknown", error)
        return NOTHING


class _TooLarge(Exception):
    """The dataset is longer than what is taken."""


class Reception:
    """One instance coming in, for one thread. End it with `finish` or `abandon`.

    Parameters
    ----------
    claim
        What the sender says of it.
    origin
        Who sends it, and how.
    """

    def __init__(self, tools: Tools, claim: Claim, origin: Origin) -> None:
        self._tools = tools
        self._claim = claim
        self._origin = origin
        self._wants = _asked(tools.wants)
        self._reader = Reader(claim.transfer_syntax_uid, tools.max_dataset, self._wants.needs)
        self._digest = hashlib.sha256()
        self._checksum = checksum()
        self._size = 0  # bytes of the dataset that have left the buffer
        self._head = b""
        self._writer: BlobWriter | None = None
        self._outcome: Outcome | None = None
        self._buffer: memoryview | None = tools.buffers.take()
        self._fill = META_MAX  # in front of it is room for the header
        self._full: list[memoryview] = []  # buffers that wait for the journal
        tools.space.enter()

    @property
    def refused(self) -> bool:
        """Whether nothing that may still come can change that it is refused."""
        return self._outcome is not None

    def write(self, fragments: Sequence[Buffer]) -> None:
        """Take the next bytes; the buffers are the caller's again on return.

        Never raises for content or storage trouble: that is remembered for `finish`, and the rest let pass.
        """
        if self._buffer is None:
            return
        try:
            self._gather(fragments)
        except Exception as error:
            self._fail(error)

    def finish(self) -> Outcome:
        """Say that all has come; on return the instance is durable, or refused."""
        if self._outcome is None:
            try:
                self._outcome = self._finish()
            except Exception as error:
                self._fail(error)
        self._release()
        assert self._outcome is not None  # noqa: S101 - _fail has set it
        return self._outcome

    def abandon(self) -> None:
        """Say that the rest will not come: nothing stays."""
        if self._outcome is None:
            self._outcome = self._refusal(Refusal.FAILURE, "it was broken off")
        self._release()

    def _gather(self, fragments: Iterable[Buffer]) -> None:
        buffer, fill = self._buffer, self._fill
        assert buffer is not None  # noqa: S101 - for mypy
        for fragment in fragments:
            end = fill + len(fragment)
            if end < CAPACITY:
                buffer[fill:end] = fragment
                fill = end
                continue
            rest = memoryview(fragment)
            while len(rest) >= CAPACITY - fill:
                room = CAPACITY - fill
                buffer[fill:] = rest[:room]
                rest = rest[room:]
                self._fill = CAPACITY
                self._pass()
                buffer = self._next_buffer(buffer)
                fill = META_MAX
            end = fill + len(rest)
            buffer[fill:end] = rest
            fill = end
        self._fill = fill

    def _next_buffer(self, buffer: memoryview) -> memoryview:
        """Put a full buffer aside for the journal and return another, or write it and return it."""
        tools = self._tools
        if (
            tools.journal is not None
            and self._writer is None
            and self._size + CAPACITY <= SMALL
            and tools.budget.take(CAPACITY)
        ):
            self._full.append(buffer)
            self._buffer = tools.buffers.take()
            return self._buffer
        self._write()
        return buffer

    def _pass(self) -> None:
        """Hash and read what is in the buffer."""
        assert self._buffer is not None  # noqa: S101 - for mypy
        data = self._buffer[META_MAX : self._fill]
        self._size += len(data)
        if self._size > self._tools.max_dataset:
            raise _TooLarge
        self._digest.update(data)
        self._checksum.update(data)
        self._reader.feed(data)

    def _unwritten(self) -> list[memoryview]:
        """Return what is in the buffers, with the header before it at the beginning of a blob."""
        assert self._buffer is not None  # noqa: S101 - for mypy
        views = [full[META_MAX:] for full in self._full]
        views.append(self._buffer[META_MAX : self._fill])
        if self._writer is None:
            self._head = self._head or self._make_head()
            first = self._full[0] if self._full else self._buffer
            start = META_MAX - len(self._head)
            first[start:META_MAX] = self._head
            views[0] = first[start : META_MAX + len(views[0])]
        return views

    def _make_head(self) -> bytes:
        claim = self._claim
        sop_class, sop_instance = claim.sop_class_uid, claim.sop_instance_uid
        if not (claim.binding and sop_class and sop_instance):
            identity = identify(self._reader.header(), claim)
            sop_class, sop_instance = identity.sop_class_uid, identity.sop_instance_uid
        return encode_meta(sop_class, sop_instance, claim.transfer_syntax_uid, self._origin.calling_ae)

    def _write(self) -> None:
        views = self._unwritten()
        self._fill = META_MAX
        self._tools.space.take(sum(map(len, views)))
        if self._writer is None:
            self._writer = self._tools.blobs.create()
        self._writer.write(views)
        self._give_back()

    def _finish(self) -> Outcome:
        self._pass()
        header = self._reader.finish()
        identity = identify(header, self._claim)
        refused = judge(header, self._reader.problem, self._claim, identity)
        if refused is not None:
            self._quarantine(refused[1])
            return self._refusal(*refused)
        uid = identity.sop_instance_uid
        if header.doubtful:
            _log.info("ingest.charset_doubtful", sop_instance_uid=uid, attributes=header.doubtful)
        if identity.filed:
            _log.info("ingest.filed", sop_instance_uid=uid, study_instance_uid=identity.study_instance_uid)
        if self._tools.journal is not None and self._writer is None:
            with contextlib.suppress(OSError):  # there is no room in the log: then as a file
                self._enter(self._tools.journal, header, identity)
                return Outcome(uid, None)
        self._write()
        assert self._writer is not None  # noqa: S101 - for mypy
        arrival = self._arrival(header, identity, self._writer.place())
        return Outcome(uid, self._tools.recorder.record(arrival))

    def _enter(self, journal: Journal, header: Header, identity: Identity) -> None:
        """Make it durable with its note; whoever writes the index does the rest."""
        views = self._unwritten()
        size = sum(map(len, views))
        self._tools.space.take(size)
        note = encode(self._arrival(header, identity, ""))
        journal.enter("instances", views, size, note)

    def _arrival(self, header: Header, identity: Identity, key: str) -> Arrival:
        blob = BlobRef(key, len(self._head), self._size, self._digest.hexdigest(), self._checksum.hexdigest())
        return Arrival(
            sop_instance_uid=identity.sop_instance_uid,
            sop_class_uid=identity.sop_class_uid,
            study_instance_uid=identity.study_instance_uid,
            series_instance_uid=identity.series_instance_uid,
            transfer_syntax_uid=self._claim.transfer_syntax_uid,
            attributes=header.attributes,
            blob=blob,
            origin=self._origin,
            received_at=now(),
            further=self._reader.further,
            wanted=self._wants.digest,
        )

    def _quarantine(self, reason: str) -> None:
        """Keep what has come, with `reason`. Trouble in this leaves it refused all the same."""
        try:
            if self._writer is None:
                self._keep(self._unwritten(), reason)
                return
            self._write()
            key = self._writer.place()
            try:
                with self._tools.blobs.open(key) as reader:
                    self._keep(reader.chunks(), reason)
            finally:
                self._tools.recorder.delete(key)
        except OutOfSpace:
            raise
        except Exception as error:
            report("quarantine.failed", error, self._claim.sop_instance_uid)

    def _keep(self, pieces: Iterable[Buffer], reason: str) -> None:
        self._tools.quarantine.keep(pieces, reason, self._claim, self._origin)

    def _refusal(self, refusal: Refusal, reason: str) -> Outcome:
        uid = identify(self._reader.header(), self._claim).sop_instance_uid
        return Outcome(uid if is_uid(uid) else "", None, refusal, reason[:REASON_MAX])

    def _fail(self, error: Exception) -> None:
        if isinstance(error, OutOfSpace):
            self._outcome = self._refusal(Refusal.OUT_OF_SPACE, "out of space")
        elif isinstance(error, _TooLarge):
            limit = self._tools.max_dataset >> 20
            self._outcome = self._refusal(Refusal.TOO_LARGE, f"the data set has more than {limit} MiB")
        else:
            self._outcome = self._refusal(Refusal.FAILURE, "it could not be kept; the node's log says why")
        report("ingest.failed", error, self._claim.sop_instance_uid)
        self._release()

    def _give_back(self) -> None:
        """Let go of the buffers that were put aside."""
        for full in self._full:
            self._tools.buffers.give(full)
            self._tools.budget.give(CAPACITY)
        self._full = []

    def _release(self) -> None:
        if self._buffer is None:
            return
        self._give_back()
        self._tools.buffers.give(self._buffer)
        self._buffer = None
        self._tools.space.leave()
        if self._writer is not None:
            with contextlib.suppress(StorageError):
                self._writer.abandon()
