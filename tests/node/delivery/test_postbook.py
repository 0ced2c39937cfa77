"""Transactions are shared, and nothing is forgotten when one fails."""

import threading
from collections.abc import Callable, Iterator

import pytest

from node.delivery import postbook as module
from node.delivery.postbook import Postbook
from storage.archive import Archive
from storage.errors import StorageError, Unavailable
from storage.transaction import Transaction
from tests.support.delivering import until


class Client:
    """Writes bookmarks; `left` is what it has still to write."""

    def __init__(self, book: Postbook, fails: list[Exception] | None = None, place: int = 0) -> None:
        self.place = place
        self.left: list[str] = []
        self.saved: list[str] = []
        self.doubts = 0
        self.transactions: list[int] = []
        self.delay = 0.0
        self._fails = fails or []
        self._lock = threading.Lock()
        self._book = book

    def say(self, *names: str) -> None:
        with self._lock:
            self.left += names
        self._book.ring()

    def wish(self) -> float | None:
        with self._lock:
            return self.delay if self.left else None

    def write(self, tx: Transaction) -> Callable[[], None]:
        with self._lock:
            mine = list(self.left)
        for name in mine:
            tx.bookmarks.put(name, {"n": 1}, module.clock.now())
        if self._fails:
            raise self._fails.pop()
        self.transactions.append(id(tx))

        def done() -> None:
            with self._lock:
                del self.left[: len(mine)]
                self.saved += mine

        return done

    def doubt(self) -> None:
        self.doubts += 1


@pytest.fixture
def book(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postbook]:
    monkeypatch.setattr(module, "_AWAY", 0.01)
    made = Postbook(archive)
    yield made
    made.stop()


def kept(archive: Archive, name: str) -> bool:
    with archive.read() as tx:
        return bool(tx.bookmarks.get(name))


def test_it_writes_what_its_clients_want(archive: Archive, book: Postbook) -> None:
    client = Client(book)
    book.join(client)
    client.say("a", "b")
    until(lambda: client.saved == ["a", "b"])
    assert kept(archive, "a")
    assert kept(archive, "b")


def test_who_wants_to_be_called_later_shares_the_transaction_of_who_is_in_a_hurry(book: Postbook) -> None:
    slow, fast = Client(book), Client(book)
    slow.delay = 3600.0
    book.join(slow)
    book.join(fast)
    slow.say("later")
    fast.say("now")
    until(lambda: slow.saved and fast.saved)
    assert slow.transactions == fast.transactions


def test_nothing_is_forgotten_when_the_database_is_away(archive: Archive, book: Postbook) -> None:
    client = Client(book, [Unavailable("away"), Unavailable("away")])
    book.join(client)
    client.say("a")
    until(lambda: client.saved)
    assert (client.saved, client.doubts) == (["a"], 2)
    assert kept(archive, "a")


def test_a_fault_of_one_does_not_stop_the_others(archive: Archive, book: Postbook) -> None:
    good = Client(book)
    bad = Client(book, [ValueError("x")] * 6)
    book.join(bad)
    book.join(good)
    bad.say("bad")
    good.say("good")
    until(lambda: good.saved and bad.saved)
    assert kept(archive, "bad")
    assert kept(archive, "good")


def test_what_the_database_refuses_of_one_does_not_stop_the_others(
    archive: Archive, book: Postbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = Client(book), Client(book, [StorageError("no such value")] * 10_000)
    book.join(bad)
    book.join(good)
    bad.say("bad")
    until(lambda: bad.doubts > 1)
    for name in ("a", "b", "c"):
        good.say(name)
        until(lambda: not good.left)
    assert bad.saved == []
    monkeypatch.setattr(book, "_patience", 0.1)


def test_who_cannot_be_served_is_left_aside_for_a_while(
    archive: Archive, book: Postbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AWAY", 3600.0)
    good, bad = Client(book), Client(book, [ValueError("x")] * 10)
    book.join(bad)
    book.join(good)
    bad.say("bad")
    until(lambda: bad.doubts)
    for name in ("a", "b", "c"):
        good.say(name)
        until(lambda: not good.left)
    assert bad.doubts == 1
    monkeypatch.setattr(book, "_patience", 0.1)


def test_what_is_left_is_written_before_the_end(archive: Archive) -> None:
    book = Postbook(archive)
    client = Client(book)
    book.join(client)
    client.say("a")
    book.stop()
    assert client.saved == ["a"]


def test_who_has_left_is_not_asked(book: Postbook) -> None:
    client, other = Client(book), Client(book)
    book.join(client)
    book.join(other)
    book.leave(client)
    book.leave(client)
    client.say("a")
    other.say("b")
    until(lambda: other.saved)
    assert client.saved == []


def test_those_who_share_a_transaction_write_in_the_order_of_their_places(
    book: Postbook, archive: Archive
) -> None:
    order: list[int] = []

    class Told(Client):
        def write(self, tx: Transaction) -> Callable[[], None]:
            order.append(self.place)
            return super().write(tx)

    clients = [Told(book, place=place) for place in (3, 1, 2)]
    for client in clients:
        client.left = [f"b{client.place}"]
        client.delay = 3600.0
        book.join(client)
    for client in clients:
        client.delay = 0.0
    book.ring()
    until(lambda: all(client.saved for client in clients))
    assert order == [1, 2, 3]
