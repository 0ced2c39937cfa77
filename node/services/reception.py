"""One instance coming in: its bytes hashed, read and written while they pass, then recorded.

The order of what is made durable: the content of the blob (`place`), its name (`sync`, shared by all who
wait), the index (one commit, shared likewise); only then is anyone told. The bytes are gathered in a buffer
of 256 KiB, so that a small instance costs one write and a large one few, whatever the pieces it comes in.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from node.core.clock import now
from node.core.trouble import report
from node.intake.buffers import CAPACITY, Buffers
from node.intake.header import Header
from node.intake.identity import Identity, identify
from node.intake.judgement import judge
from node.intake.outcome import REASON_MAX, Claim, Outcome, Refusal
from node.intake.part10 import META_MAX, encode_meta
from node.intake.reader import Reader
from node.intake.uids import is_uid
from node.intake.wants import NOTHING, Wants, nothing
from node.services.quarantine import Quarantine
from node.services.recorder import Recorder
from node.services.space import Space
from storage.blobs.protocol import BlobStore, BlobWriter, Buffer
from storage.errors import OutOfSpace, StorageError
from storage.records.arrival import Arrival, BlobRef, Origin

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tools:
    """What every reception of a process works with.

    Attributes
    ----------
    wants
        Asked at the beginning of each reception.
    """

    blobs: BlobStore
    recorder: Recorder
    quarantine: Quarantine
    space: Space
    buffers: Buffers
    max_dataset: int
    wants: Callable[[], Wants] = nothing


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
        self._size = 0  # bytes of the dataset that have left the buffer
        self._head = b""
        self._writer: BlobWriter | None = None
        self._outcome: Outcome | None = None
        self._buffer: memoryview | None = tools.buffers.take()
        self._fill = META_MAX  # in front of it is room for the header
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
            self._gather(self._buffer, fragments)
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

    def _gather(self, buffer: memoryview, fragments: Iterable[Buffer]) -> None:
        fill = self._fill
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
                self._write()
                fill = META_MAX
            end = fill + len(rest)
            buffer[fill:end] = rest
            fill = end
        self._fill = fill

    def _pass(self) -> None:
        """Hash and read what is in the buffer."""
        assert self._buffer is not None  # noqa: S101 - for mypy
        data = self._buffer[META_MAX : self._fill]
        self._size += len(data)
        if self._size > self._tools.max_dataset:
            raise _TooLarge
        self._digest.update(data)
        self._reader.feed(data)

    def _unwritten(self) -> memoryview:
        """Return what is in the buffer, with the header before it at the beginning of a blob."""
        assert self._buffer is not None  # noqa: S101 - for mypy
        start = META_MAX
        if not self._head:
            self._head = self._make_head()
            start -= len(self._head)
            self._buffer[start:META_MAX] = self._head
        return self._buffer[start : self._fill]

    def _make_head(self) -> bytes:
        claim = self._claim
        sop_class, sop_instance = claim.sop_class_uid, claim.sop_instance_uid
        if not (claim.binding and sop_class and sop_instance):
            identity = identify(self._reader.header(), claim)
            sop_class, sop_instance = identity.sop_class_uid, identity.sop_instance_uid
        return encode_meta(sop_class, sop_instance, claim.transfer_syntax_uid, self._origin.calling_ae)

    def _write(self) -> None:
        data = self._unwritten()
        self._fill = META_MAX
        self._tools.space.take(len(data))
        if self._writer is None:
            self._writer = self._tools.blobs.create()
        self._writer.write([data])

    def _finish(self) -> Outcome:
        self._pass()
        header = self._reader.finish()
        identity = identify(header, self._claim)
        refused = judge(header, self._reader.problem, self._claim, identity)
        if refused is not None:
            self._quarantine(refused[1])
            return self._refusal(*refused)
        self._write()
        assert self._writer is not None  # noqa: S101 - for mypy
        blob = BlobRef(self._writer.place(), len(self._head), self._size, self._digest.hexdigest())
        uid = identity.sop_instance_uid
        if header.doubtful:
            _log.info("ingest.charset_doubtful", sop_instance_uid=uid, attributes=header.doubtful)
        if identity.filed:
            _log.info("ingest.filed", sop_instance_uid=uid, study_instance_uid=identity.study_instance_uid)
        return Outcome(uid, self._tools.recorder.record(self._arrival(header, identity, blob)))

    def _arrival(self, header: Header, identity: Identity, blob: BlobRef) -> Arrival:
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
                self._keep([self._unwritten()], reason)
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

    def _release(self) -> None:
        if self._buffer is None:
            return
        self._tools.buffers.give(self._buffer)
        self._buffer = None
        self._tools.space.leave()
        if self._writer is not None:
            with contextlib.suppress(StorageError):
                self._writer.abandon()
