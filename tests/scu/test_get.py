"""C-GET: an archive of dcmtk's sends to us, and peers that do it badly."""

import contextlib
from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset

from scu.address import Address
from scu.association import Association
from scu.contexts import for_retrieving
from scu.errors import Failed, PeerFault
from scu.get import PATIENT_ROOT, STUDY_ROOT, Incoming, Receive, get, roles
from scu.retrieval import Progress
from scu.store import send
from scu.wire.channel import Channel, Context, Message
from scu.wire.command import COMPLETED, FAILED, REMAINING, Command, CommandField, response_to
from tests.support.archive import fill, outgoing
from tests.support.faulty import Script, faulty
from tests.support.samples import CT_CLASS, MR_CLASS, ct, encode, mr
from tests.support.strangers import Stranger, dcmqrscp

EXPLICIT = "1.2.840.10008.1.2.1"


def study(number: int = 1) -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.PatientID = f"P{number:05}"
    keys.StudyInstanceUID = f"2.25.4711.{number}"
    return keys


@contextlib.contextmanager
def opened(port: int, *classes: str, model: str = STUDY_ROOT) -> Iterator[Association]:
    taken = classes or (CT_CLASS, MR_CLASS)
    address = Address("ARCHIVE", "127.0.0.1", port)
    proposals = for_retrieving(model, taken)
    with Association.open(
        address, "ISOCENTRE", proposals, response_timeout=30, roles=roles(taken)
    ) as association:
        yield association


class Inbox:
    """Keeps what it is given, and answers with the statuses that it was made with, then success."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.taken: dict[str, bytes] = {}
        self.seen: list[Incoming] = []

    def __call__(self, incoming: Incoming, context: Context, fragments: Iterator[list[memoryview]]) -> int:
        self.seen.append(incoming)
        data = b"".join(bytes(part) for parts in fragments for part in parts)
        status = self.statuses.pop(0) if self.statuses else 0x0000
        if status == 0x0000:
            self.taken[incoming.sop_instance_uid] = data
        return status


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    with dcmqrscp(tmp_path_factory.mktemp("archive")) as stranger:
        instances = [ct(number, study=study, rows=200) for study in (1, 2) for number in range(1, 8)]
        fill(stranger, [*instances, mr(1), mr(2)])
        yield stranger


@pytest.mark.parametrize("model", [STUDY_ROOT, PATIENT_ROOT])
def test_a_study_comes(archive: Stranger, model: str) -> None:
    inbox, seen = Inbox(), list[Progress]()
    with opened(archive.port, model=model) as association:
        report = get(association, model, study(), inbox, progress=seen.append)
    assert report.complete
    assert report.progress == Progress(0, 9, 0, 0)
    expected = {
        str(one.SOPInstanceUID): one for one in [*(ct(n, rows=200) for n in range(1, 8)), mr(1), mr(2)]
    }
    assert inbox.taken.keys() == expected.keys()
    for incoming in inbox.seen:
        assert incoming.transfer_syntax_uid == EXPLICIT
        assert incoming.sop_class_uid in (CT_CLASS, MR_CLASS)
    whole = expected["2.25.4711.1.1.3"].PixelData
    assert whole in inbox.taken["2.25.4711.1.1.3"]


def test_what_we_refuse_is_counted_and_named(archive: Stranger) -> None:
    with opened(archive.port) as association:
        report = get(association, STUDY_ROOT, study(2), Inbox(0xA700, 0xA700))
        assert not report.complete
        assert report.progress.failed == 2
        assert report.progress.completed == 5
        assert len(report.failed_uids) == 2
        again = get(association, STUDY_ROOT, study(2), Inbox())
        assert again.complete


def test_a_class_that_we_did_not_propose_is_missing(archive: Stranger) -> None:
    inbox = Inbox()
    with opened(archive.port, CT_CLASS) as association:
        try:
            report = get(association, STUDY_ROOT, study(), inbox)
        except Failed:
            report = None
    assert report is None or not report.complete
    assert {incoming.sop_class_uid for incoming in inbox.seen} <= {CT_CLASS}


def _sending(count: int) -> Script:
    def script(channel: Channel, message: Message, data: bytes) -> None:
        """Send instances of CT, one after the other, as a C-GET SCP does."""
        context = next(one for one in channel.contexts.values() if one.abstract_syntax == CT_CLASS)
        done = failed = 0
        while done + failed < count and not channel.cancelled(message.command.message_id):
            stored = send(channel, context, outgoing(ct(done + failed + 1)), 100 + done + failed).stored
            done, failed = done + stored, failed + (not stored)
            answer = response_to(message.command, 0xFF00).us(REMAINING, count - done - failed)
            channel.send(message.context, answer.us(COMPLETED, done).us(FAILED, failed))
        status = 0x0000 if done + failed == count else 0xFE00
        channel.send(message.context, response_to(message.command, status))

    return script


def test_data_sets_come_byte_for_byte() -> None:
    inbox = Inbox()
    with faulty(script=_sending(5)) as peer, opened(peer.port) as association:
        report = get(association, STUDY_ROOT, study(), inbox)
        assert report.progress == Progress(0, 5, 0, 0)
        for number in range(1, 6):
            assert inbox.taken[str(ct(number).SOPInstanceUID)] == encode(ct(number))


def _unread(incoming: Incoming, context: Context, fragments: Iterator[list[memoryview]]) -> int:
    return 0xA700


def _half_read(incoming: Incoming, context: Context, fragments: Iterator[list[memoryview]]) -> int:
    next(fragments)
    return 0xA700


@pytest.mark.parametrize("receive", [_unread, _half_read])
def test_a_data_set_that_is_not_read_to_its_end(receive: Receive) -> None:
    with faulty(script=_sending(4)) as peer, opened(peer.port) as association:
        report = get(association, STUDY_ROOT, study(), receive)
        assert (report.progress.completed, report.progress.failed) == (0, 4)
        assert association.usable


def test_a_get_is_cancelled() -> None:
    inbox = Inbox()
    with faulty(script=_sending(60_000)) as peer, opened(peer.port) as association:
        report = get(association, STUDY_ROOT, study(), inbox, cancel=lambda: len(inbox.taken) >= 3)
        assert report.status == 0xFE00
        assert 3 <= len(inbox.taken) < 1000
        assert association.usable


def _fail(incoming: Incoming, context: Context, fragments: Iterator[list[memoryview]]) -> int:
    raise OSError("no room")


def test_an_error_of_the_receiver_comes_out() -> None:
    with (
        faulty(script=_sending(4)) as peer,
        pytest.raises(OSError, match="no room"),
        opened(peer.port) as association,
    ):
        get(association, STUDY_ROOT, study(), _fail)


def _say_something_else(channel: Channel, message: Message, data: bytes) -> None:
    channel.send(message.context, Command.of(CommandField.C_ECHO_RSP))


def test_something_else_comes() -> None:
    with (
        faulty(script=_say_something_else) as peer,
        opened(peer.port) as association,
        pytest.raises(PeerFault, match="0x8030 came within a C-GET"),
    ):
        get(association, STUDY_ROOT, study(), Inbox())


def test_roles_are_those_of_a_receiver() -> None:
    with faulty(script=_sending(0)) as peer, opened(peer.port) as association:
        assert peer.requests[0].roles == {CT_CLASS: (False, True), MR_CLASS: (False, True)}
        assert association.answer.roles[CT_CLASS] == (False, True)
