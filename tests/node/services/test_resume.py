"""What a person says of a destination reaches the worker that holds it."""

from collections.abc import Callable

from node.delivery.backoff import Backoff
from node.delivery.breaker import Breaker
from node.services import destinations
from node.services.standing import State
from storage.records.deliveries import DeliveryState
from tests.support.deliveries import NOW, SECOND
from tests.support.delivering import Sender, until
from tests.support.faulty import faulty
from tests.support.node import free_port
from tests.support.samples import ct

HOUR = 3000.0


def test_a_resumed_destination_is_probed_at_once_by_the_worker_that_has_given_it_up(
    start_sender: Callable[..., Sender],
):
    never = {"backoff_first": HOUR, "backoff_ceiling": HOUR, "breaker_failures": 1}
    sender = start_sender(delivery=never)
    sender.peer("pacs", free_port())
    sender.queue("pacs", sender.keep(ct(1)))
    with sender.delivering(), faulty() as peer:
        until(lambda: destinations.get(sender.node, "pacs").state is State.DOWN)
        sender.move("pacs", peer.port)
        destinations.resume(sender.node, "pacs", "a test")
        sender.wait("pacs", DeliveryState.DELIVERED)
    assert destinations.get(sender.node, "pacs").state is State.IDLE


def test_only_an_open_breaker_is_hastened_and_only_to_an_earlier_moment():
    closed = Breaker(1, Backoff(HOUR, HOUR))
    assert closed.hastened(NOW) is closed
    opened = closed.failed(NOW, 0.5)
    assert opened.hastened(NOW + SECOND).probe_at == NOW + SECOND
    assert opened.hastened(NOW + 10**6 * SECOND) is opened
