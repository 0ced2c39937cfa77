"""Storage commitment: a stranger that commits, and peers that report too early, badly, or never."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from scu import commitment, identifiers
from scu.address import Address
from scu.association import Association
from scu.commitment import ALL, COMMITMENT, NOT_ALL, BadReport, Reference, Report, Requests, parse, reason
from scu.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, for_query
from scu.errors import Failed, NotAccepted, PeerFault, TimedOut
from scu.tls import TlsFiles
from scu.wire.channel import Channel, Message
from scu.wire.command import Command, CommandField, response_to
from scu.wire.errors import LinkClosed
from tests.support.certificates import Certificates
from tests.support.committing import committer, event_of, report
from tests.support.faulty import Act, Fault, faulty

CT = "1.2.840.10008.5.1.4.1.1.2"
UIDS = ("1.2.3", "1.2.4", "1.2.5")
REFERENCES = [Reference(CT, uid) for uid in UIDS]
WAIT = 60.0


@contextmanager
def opened(port: int, timeout: float = 20, tls: TlsFiles | None = None) -> Iterator[Association]:
    address = Address("STRANGER", "127.0.0.1", port, tls)
    with Association.open(
        address, "ISOCENTRE", for_query(COMMITMENT), response_timeout=timeout
    ) as association:
        yield association


class Book:
    """Takes reports, and answers with a status."""

    def __init__(self, status: int = 0x0000) -> None:
        self.reports: list[Report] = []
        self.status = status

    def __call__(self, told: Report) -> int:
        self.reports.append(told)
        return self.status


def test_a_stranger_commits_over_the_same_association() -> None:
    book = Book()
    with committer() as stranger:
        with opened(stranger.port) as association:
            requests = Requests(association, book)
            requests.ask("2.25.1", REFERENCES)
            assert requests.wait(WAIT)
        assert stranger.reported.acquire(timeout=30)
    assert stranger.requests == [list(UIDS)]
    assert book.reports == [Report("2.25.1", frozenset(UIDS), {})]
    assert stranger.answers == [0x0000]


def test_a_stranger_says_what_it_does_not_keep() -> None:
    book = Book()
    some = committer(lambda uids: {uids[0]: 0x0112, uids[2]: 0x0131})
    with some as stranger, opened(stranger.port) as association:
        requests = Requests(association, book)
        requests.ask("2.25.1", REFERENCES)
        assert requests.wait(WAIT)
    assert book.reports == [Report("2.25.1", frozenset({"1.2.4"}), {"1.2.3": 0x0112, "1.2.5": 0x0131})]


def test_several_requests_share_an_association() -> None:
    book = Book()
    with committer() as stranger, opened(stranger.port) as association:
        requests = Requests(association, book)
        for number in range(5):
            requests.ask(f"2.25.{number}", REFERENCES[:1])
        assert requests.wait(WAIT)
    assert {each.transaction_uid for each in book.reports} == {f"2.25.{number}" for number in range(5)}


def test_a_report_that_never_comes_ends_the_waiting() -> None:
    looks = []
    with committer(over="none") as stranger, opened(stranger.port) as association:
        requests = Requests(association, Book())
        requests.ask("2.25.1", REFERENCES)
        assert not requests.wait(0.7, lambda: looks.append(1))
        requests.ask("2.25.2", REFERENCES)  # the association goes on
    assert looks
    assert stranger.transactions == ["2.25.1", "2.25.2"]


def test_who_stops_waiting_lets_go() -> None:
    def stop() -> None:
        raise InterruptedError

    with committer(over="none") as stranger, opened(stranger.port) as association:
        requests = Requests(association, Book())
        requests.ask("2.25.1", REFERENCES)
        with pytest.raises(InterruptedError):
            requests.wait(WAIT, stop)


def transaction_of(data: bytes, message: Message) -> str:
    return str(identifiers.decode(data, message.context.transfer_syntax).TransactionUID)


def test_a_report_may_come_before_the_receipt() -> None:
    answers: list[Command] = []

    def early(channel: Channel, message: Message, data: bytes) -> None:
        event = event_of(transaction_of(data, message), UIDS)
        report(channel, message.context, event)
        answers.append(channel.receive().command)
        channel.send(message.context, response_to(message.command, 0x0000))

    book = Book()
    with faulty(script=early) as peer, opened(peer.port) as association:
        requests = Requests(association, book)
        requests.ask("2.25.1", REFERENCES)
        assert requests.wait(WAIT)
    assert [each.transaction_uid for each in book.reports] == ["2.25.1"]
    (answer,) = answers
    assert (answer.field, answer.responded_to, answer.status) == (CommandField.N_EVENT_REPORT_RSP, 77, 0)
    assert answer.event_type_id == ALL
    assert answer.affected_sop_instance_uid == commitment.INSTANCE


def test_the_request_is_as_the_standard_has_it() -> None:
    seen: list[Dataset] = []

    def take(channel: Channel, message: Message, data: bytes) -> None:
        seen.append(identifiers.decode(data, message.context.transfer_syntax))
        channel.send(message.context, response_to(message.command, 0x0000))

    with faulty(script=take) as peer, opened(peer.port) as association:
        Requests(association, Book()).ask("2.25.1", REFERENCES)
    command = peer.messages[0].command
    assert command.field == CommandField.N_ACTION_RQ
    assert command.action_type_id == 1
    assert command.string(0x0003) == "1.2.840.10008.1.20.1"
    assert command.string(0x1001) == "1.2.840.10008.1.20.1.1"
    (action,) = seen
    assert action.TransactionUID == "2.25.1"
    named = [
        (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID) for item in action.ReferencedSOPSequence
    ]
    assert named == [(CT, uid) for uid in UIDS]


def after_receipt(then: Callable[[Channel, Message, str], None]) -> Callable[[Channel, Message, bytes], None]:
    def script(channel: Channel, message: Message, data: bytes) -> None:
        channel.send(message.context, response_to(message.command, 0x0000))
        then(channel, message, transaction_of(data, message))

    return script


def hang_up(channel: Channel, message: Message, transaction_uid: str) -> None:
    raise LinkClosed("it hangs up")


def abort(channel: Channel, message: Message, transaction_uid: str) -> None:
    channel.link.send_abort(0, 0)
    channel.link.linger(5)
    raise LinkClosed("it aborts")


def release(channel: Channel, message: Message, transaction_uid: str) -> None:
    channel.release()
    raise LinkClosed("it has released")


def echo(channel: Channel, message: Message, transaction_uid: str) -> None:
    channel.send(message.context, Command.of(CommandField.C_ECHO_RQ).us(0x0110, 5))
    channel.link.linger(5)
    raise LinkClosed("it asks what has no place here")


@pytest.mark.parametrize("then", [hang_up, abort, release, echo])
def test_an_association_that_ends_before_the_report_is_no_error(
    then: Callable[[Channel, Message, str], None],
) -> None:
    with faulty(script=after_receipt(then)) as peer, opened(peer.port) as association:
        requests = Requests(association, Book())
        requests.ask("2.25.1", REFERENCES)
        assert not requests.wait(WAIT)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(1, Act.CLOSE), PeerFault),
        (Fault(1, Act.ABORT), PeerFault),
        (Fault(1, Act.RELEASE), PeerFault),
        (Fault(1, Act.NONSENSE), PeerFault),
        (Fault(1, Act.WRONG_ID), PeerFault),
        (Fault(1, Act.STALL), TimedOut),
    ],
)
def test_a_request_without_a_receipt_is_an_error(fault: Fault, kind: type[Exception]) -> None:
    with faulty(fault) as peer, pytest.raises(kind), opened(peer.port, timeout=1.0) as association:
        Requests(association, Book()).ask("2.25.1", REFERENCES)


@pytest.mark.parametrize(
    ("status", "retry"), [(0x0110, True), (0x0213, True), (0x0122, False), (0x0123, False)]
)
def test_a_request_that_is_refused_says_whether_to_ask_again(status: int, retry: bool) -> None:
    with faulty(Fault(1, Act.STATUS, status, "not now")) as peer, opened(peer.port) as association:
        requests = Requests(association, Book())
        with pytest.raises(Failed, match=f"N-ACTION: .*0x{status:04X}.*not now") as caught:
            requests.ask("2.25.1", REFERENCES)
        assert caught.value.retry is retry
        assert requests.wait(0.0)  # nothing is due any more


def test_a_node_without_the_service_is_told_apart() -> None:
    accepts = {"1.2.840.10008.1.1": frozenset((IMPLICIT_LITTLE_ENDIAN,))}
    with (
        faulty(accepts=accepts) as peer,
        pytest.raises(NotAccepted, match="Storage Commitment"),
        opened(peer.port),
    ):
        pass


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        (event_of("2.25.1", UIDS), 3, commitment.NO_SUCH_EVENT),
        (event_of("", UIDS), 1, commitment.INVALID_VALUE),
        (b"no data set at all", 1, commitment.INVALID_VALUE),
        (event_of("2.25.99", UIDS), 1, commitment.NO_SUCH_INSTANCE),
    ],
)
def test_a_bad_report_is_answered_and_the_right_one_still_counts(
    event: Dataset | bytes, kind: int, status: int
) -> None:
    answers: list[int] = []

    def badly(channel: Channel, message: Message, transaction_uid: str) -> None:
        report(channel, message.context, event, kind)
        answers.append(channel.receive().command.status)
        report(channel, message.context, event_of(transaction_uid, UIDS))
        answers.append(channel.receive().command.status)

    def taken(told: Report) -> int:
        return commitment.SUCCESS if told.transaction_uid == "2.25.1" else commitment.NO_SUCH_INSTANCE

    with faulty(script=after_receipt(badly)) as peer, opened(peer.port) as association:
        requests = Requests(association, taken)
        requests.ask("2.25.1", REFERENCES)
        assert requests.wait(WAIT)
    assert answers == [status, 0x0000]


def test_over_tls(certificates: Certificates) -> None:
    def later(channel: Channel, message: Message, transaction_uid: str) -> None:
        report(channel, message.context, event_of(transaction_uid, UIDS))
        assert channel.receive().command.status == 0

    book = Book()
    files = TlsFiles(ca=certificates.cert("ca"), check_name=False)
    with (
        faulty(script=after_receipt(later), tls=certificates.server_context()) as peer,
        opened(peer.port, tls=files) as association,
    ):
        requests = Requests(association, book)
        requests.ask("2.25.1", REFERENCES)
        assert requests.wait(WAIT)
    assert len(book.reports) == 1


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN])
def test_lists_of_a_report(syntax: str) -> None:
    def read(event: Dataset, kind: int) -> Report:
        return parse(kind, identifiers.encode(event, syntax), syntax)

    assert read(event_of("2.25.1", None), ALL) == Report("2.25.1", None, {})
    assert read(event_of("2.25.1", []), ALL) == Report("2.25.1", frozenset(), {})
    assert read(event_of("2.25.1", None), NOT_ALL) == Report("2.25.1", frozenset(), {})
    both = read(event_of("2.25.1", ["1.2", "1.3"], {"1.3": 0x0110}), ALL)  # the kind tells nothing more
    assert both == Report("2.25.1", frozenset({"1.2"}), {"1.3": 0x0110})


def test_a_failure_without_a_reason_is_one() -> None:
    event = event_of("2.25.1", [], {"1.2": 0x0110})
    del event.FailedSOPSequence[0].FailureReason
    told = parse(NOT_ALL, identifiers.encode(event, IMPLICIT_LITTLE_ENDIAN), IMPLICIT_LITTLE_ENDIAN)
    assert told.failed == {"1.2": 0}
    assert reason(0) == "it gives no reason"


@pytest.mark.parametrize("code", [0x0110, 0x0112, 0x0119, 0x0122, 0x0131, 0x0213])
def test_reasons_of_the_standard_have_words(code: int) -> None:
    assert "not in the Standard" not in reason(code)
    assert reason(code).endswith(f"(0x{code:04X})")


def test_another_reason_is_said_not_to_be_one() -> None:
    assert reason(0xA700) == "for a reason that is not in the Standard (0xA700)"


@pytest.mark.filterwarnings("ignore")  # pydicom warns of values that are not right
@given(st.integers(0, 3), st.binary(max_size=300), st.booleans(), st.data())
def test_any_bytes_are_a_report_or_a_bad_one(
    kind: int, junk: bytes, explicit: bool, data: st.DataObject
) -> None:
    syntax = EXPLICIT_LITTLE_ENDIAN if explicit else IMPLICIT_LITTLE_ENDIAN
    whole = bytearray(identifiers.encode(event_of("2.25.1", UIDS, {"1.9": 0x0110}), syntax))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for raw in (junk, bytes(whole)):
        with suppress(BadReport):
            assert parse(kind, raw, syntax).transaction_uid
