"""What is made ready, for which context, and why not."""

import hashlib
import socket

import pytest

from node.delivery.loading import Loader, Unfit, unfit
from node.root import Node
from scu.transcode import CannotTranscode
from scu.wire.channel import Channel, Context
from scu.wire.link import Link
from storage.errors import Damaged, NotFound, Unavailable
from storage.records.attributes import Level
from storage.records.objects import StoredInstance
from tests.support.arrivals import arrival, place, put
from tests.support.samples import BIG_ENDIAN, CT_CLASS, DEFLATED, EXPLICIT, IMPLICIT, ct, encode

JPEG = "1.2.840.10008.1.2.4.50"


@pytest.fixture
def stored(node: Node) -> StoredInstance:
    """A CT in Explicit VR Little Endian."""
    put(node.archive, arrival(blob=place(node.blobs, encode(ct(rows=512)))))
    (instance,) = node.retrieve.matching(Level.STUDY, {"StudyInstanceUID": "1.2.1"})
    return instance


@pytest.fixture
def link() -> Link:
    ends = socket.socketpair()
    ends[1].close()
    made = Link(ends[0], max_pdu=16384, idle_timeout=1, pdu_timeout=1)
    made.close()
    return made


def loader(
    node: Node, link: Link, *syntaxes: str, sop_class: str = CT_CLASS, preferred: tuple[str, ...] = ()
) -> Loader:
    contexts = {2 * n + 1: Context(2 * n + 1, sop_class, syntax) for n, syntax in enumerate(syntaxes)}
    table = {(each.abstract_syntax, each.transfer_syntax): each for each in contexts.values()}
    return Loader(
        node.retrieve,
        Channel(link, contexts, 16384),
        table,
        next_id=lambda: 9,
        priority=1,
        preferred=preferred,
    )


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ((IMPLICIT, EXPLICIT), EXPLICIT),
        ((BIG_ENDIAN, IMPLICIT), IMPLICIT),
        ((BIG_ENDIAN, DEFLATED), DEFLATED),
        ((BIG_ENDIAN,), BIG_ENDIAN),
        ((JPEG, IMPLICIT), IMPLICIT),
    ],
)
def test_the_stored_syntax_first_then_the_best_that_can_be_made(
    node: Node, link: Link, stored: StoredInstance, accepted: tuple[str, ...], chosen: str
) -> None:
    loaded = loader(node, link, *accepted).load(stored)
    assert loaded.context.transfer_syntax == loaded.outgoing.transfer_syntax_uid == chosen


@pytest.mark.parametrize(
    ("preferred", "chosen"),
    [((IMPLICIT,), IMPLICIT), ((JPEG, DEFLATED), EXPLICIT), ((BIG_ENDIAN, IMPLICIT), BIG_ENDIAN)],
)
def test_what_is_preferred_comes_before_the_stored_syntax_where_it_can_be_made(
    node: Node, link: Link, stored: StoredInstance, preferred: tuple[str, ...], chosen: str
) -> None:
    made = loader(node, link, EXPLICIT, IMPLICIT, BIG_ENDIAN, JPEG, preferred=preferred)
    assert made.load(stored).context.transfer_syntax == chosen


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_the_digest_is_that_of_what_goes(node: Node, link: Link, stored: StoredInstance, syntax: str) -> None:
    loaded = loader(node, link, syntax).load(stored)
    assert loaded.digest == hashlib.sha256(encode(ct(rows=512), syntax)).hexdigest()


def test_a_small_instance_is_ready_to_its_last_pdu(node: Node, link: Link, stored: StoredInstance) -> None:
    made = loader(node, link, EXPLICIT)
    loaded = made.load(stored)
    assert loaded.pdus is not None
    data = encode(ct(rows=512))
    assert b"".join(loaded.pdus) == b"".join(made.channel.encode(loaded.context, loaded.command, data))
    assert (loaded.message_id, loaded.command.message_id, loaded.command.number(0x0700)) == (9, 9, 1)


def test_a_large_one_is_to_be_streamed(
    node: Node, link: Link, stored: StoredInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.delivery.loading.AHEAD_MAX", 1000)
    loaded = loader(node, link, IMPLICIT).load(stored)
    assert (loaded.pdus, loaded.digest) == (None, "")
    assert b"".join(loaded.outgoing.chunks()) == encode(ct(rows=512), IMPLICIT)


@pytest.mark.parametrize(
    ("syntaxes", "sop_class"), [((), CT_CLASS), ((JPEG,), CT_CLASS), ((EXPLICIT,), "1.2.3")]
)
def test_what_nothing_fits(
    node: Node, link: Link, stored: StoredInstance, syntaxes: tuple[str, ...], sop_class: str
) -> None:
    with pytest.raises(Unfit, match="accepted no transfer syntax") as caught:
        loader(node, link, *syntaxes, sop_class=sop_class).load(stored)
    assert (caught.value.permanent, caught.value.refused) == (True, True)


@pytest.mark.parametrize(
    ("error", "words"),
    [(Unavailable("the store does not answer"), "the store does not"), (MemoryError(), "Memory")],
)
def test_what_cannot_be_read(
    node: Node,
    link: Link,
    stored: StoredInstance,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
) -> None:
    def fails(instance: StoredInstance) -> None:
        raise error

    monkeypatch.setattr(node.retrieve, "ahead", fails)
    with pytest.raises(Unfit, match=words):
        loader(node, link, EXPLICIT).load(stored)


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (Unavailable("x"), False),
        (Damaged("x"), True),
        (NotFound("x"), True),
        (CannotTranscode("x"), True),
        (MemoryError(), False),
    ],
)
def test_what_passes_by_itself_and_what_does_not(error: Exception, permanent: bool) -> None:
    assert unfit(error).permanent is permanent
