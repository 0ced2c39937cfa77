"""Takes destinations that have something waiting, and has a courier deliver to each.

Of all workers one holds a destination, for as long as it is heard of: so queue, order, rate and breaker of a
destination need no other coordination than this lease.
"""

from datetime import timedelta

import structlog

from node.core import clock
from node.delivery.courier import Courier
from node.delivery.postbook import Postbook
from node.root import Node
from storage.errors import StorageError
from storage.records.deliveries import Destination

LEASE = timedelta(seconds=20)
"""How long a destination stays with a worker that is not heard of."""

_AT_ONCE = 64  # destinations that one worker takes in one go
_REFUSED = 0.5  # seconds until a destination that another worker was just taking is looked at again
_LINGER = 5.0  # seconds for which a destination with nothing to do is kept, beyond its association

_log = structlog.get_logger()


class Dispatcher:
    """Delivers, as far as no other worker does. `look` is for one thread; `stop` it at the end.

    Parameters
    ----------
    name
        Of the worker, like no other that ever was.
    lease
        How long its destinations stay its own when it is not heard of.
    """

    def __init__(self, node: Node, name: str, lease: timedelta = LEASE) -> None:
        self._node = node
        self._name = name
        self._lease = lease
        self._renew_every = lease.total_seconds() / 4
        self._heard = clock.monotonic()
        self._couriers: dict[str, Courier] = {}
        self._ending: dict[str, Courier] = {}
        self._postbook = Postbook(node.archive)

    @property
    def held(self) -> frozenset[str]:
        """Names of the destinations that it delivers to."""
        return frozenset(self._couriers)

    def look(self) -> float:
        """See what is to be done, and have it done; return the seconds until it wants to be called again.

        It is to be called sooner when workers are woken.

        Raises
        ------
        StorageError
            The database does not answer. What is in the hands of couriers goes on for as long as a lease.
        """
        try:
            self._renew()
            self._update()
            self._let_go()
            return self._take()
        except StorageError:
            if clock.monotonic() - self._heard > self._lease.total_seconds():
                for name in list(self._couriers):
                    self._lose(name)
            raise

    def stop(self) -> None:
        """Let what is on its way be answered, give back the rest, and let go of all destinations."""
        seconds = self._node.config.dicom.drain_timeout
        for name in list(self._couriers):
            self._end(name)
        deadline = clock.monotonic() + seconds
        for courier in self._ending.values():
            if not courier.settle(max(deadline - clock.monotonic(), 0.0)):
                _log.warning("delivery.cut_off", destination=courier.name)
                courier.cut()
        for name, courier in list(self._ending.items()):
            if courier.settle(1.0):
                try:
                    self._release(name)
                except StorageError:  # then its lease runs out
                    _log.warning("delivery.not_released", destination=name)
        self._postbook.stop()

    def _renew(self) -> None:
        """Say that we are there, and let go of what is no longer ours."""
        now = clock.monotonic()
        if not self._couriers and not self._ending:
            self._heard = now
        if now - self._heard < self._renew_every:
            return
        with self._node.archive.begin() as tx:
            held = tx.destinations.renew(self._name, clock.now() + self._lease)
            tx.commit()
        self._heard = now
        for courier in self._couriers.values():
            courier.keep(now + self._lease.total_seconds())
        for name in self.held - held:
            self._lose(name)

    def _update(self) -> None:
        """Tell couriers how their destinations are set now, and that there may be something new."""
        if not self._couriers:
            return
        with self._node.archive.read() as tx:
            peers = {peer.name: peer for peer in tx.peers.list()}
            for destination in tx.destinations.list():
                courier = self._couriers.get(destination.name)
                if courier is None:
                    continue
                if destination.worker != self._name:
                    self._lose(destination.name)
                    continue
                courier.update(destination, peers.get(destination.name))
                if courier.idle_for() <= 0 or tx.deliveries.waiting(destination.id):
                    courier.look_again()

    def _let_go(self) -> None:
        """End couriers that have nothing to do, and release the destinations of those that have ended."""
        patience = self._node.config.delivery.idle_seconds + _LINGER
        for name, courier in list(self._couriers.items()):
            if courier.idle_for() >= patience:
                self._end(name)
        for name, courier in list(self._ending.items()):
            if courier.settle(0.0):
                self._release(name)

    def _end(self, name: str) -> None:
        courier = self._couriers.pop(name)
        courier.stop()
        self._ending[name] = courier

    def _lose(self, name: str) -> None:
        """End a courier whose destination another worker may hold; what it still says is recorded as late."""
        _log.error("destination.lost", destination=name)
        self._end(name)

    def _release(self, name: str) -> None:
        with self._node.archive.begin() as tx:
            tx.destinations.release(name, self._name)
            tx.commit()
        self._ending.pop(name, None)
        _log.info("destination.released", destination=name)

    def _take(self) -> float:
        """Take what is free and has something waiting; return the seconds until there may be more."""
        now = clock.now()
        with self._node.archive.read() as tx:  # only a look, which takes no lock
            due = tx.destinations.next_due(now)
        if due is not None and due <= now:
            return 0.0 if self._lease_some() else _REFUSED
        sleep = self._renew_every if self._couriers or self._ending else self._lease.total_seconds()
        if due is not None:
            sleep = min(sleep, (due - now).total_seconds() + 0.001)
        return sleep

    def _lease_some(self) -> bool:
        now, until = clock.now(), clock.monotonic() + self._lease.total_seconds()
        with self._node.archive.begin() as tx:
            taken = tx.destinations.lease(self._name, now, now + self._lease, _AT_ONCE)
            for destination in taken:
                lost = tx.deliveries.recover(destination.id, self._name, now)
                if lost:
                    _log.error("delivery.recovered", destination=destination.name, instances=lost)
            tx.commit()
        for destination in taken:
            self._start(destination, until)
        return bool(taken)

    def _start(self, destination: Destination, until: float) -> None:
        if destination.name in self._ending:  # it was lost and came back before its courier had ended
            _log.warning("destination.still_ending", destination=destination.name)
            return
        _log.info("destination.taken", destination=destination.name)
        courier = Courier(self._node, destination, self._name, self._postbook)
        self._couriers[destination.name] = courier
        courier.keep(until)
        courier.start()
