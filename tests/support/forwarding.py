"""A node that forwards all it gets, as processes; what its ledger says, beside what destinations got."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from node.config import Config, load
from node.core import clock
from node.services.why import tell
from storage.archive import Archive
from storage.records.deliveries import OPEN_STATES, Attempt, Delivery, DeliveryState
from storage.records.network import Peer
from tests.support.kept import opened
from tests.support.node import NodeProcess, write_config
from tests.support.receiving import Receiver
from tests.support.ruled import put_in_force

SOON: dict[str, object] = {"backoff_first": 0.1, "backoff_ceiling": 0.5, "idle_seconds": 0.5}


def forwarding_config(
    folder: Path,
    url: str,
    destinations: Mapping[str, int],
    settled: Mapping[str, int] = MappingProxyType({}),
    **tables: dict[str, object],
) -> Path:
    """Write the configuration of a node that delivers all to each destination, of which ports are given.

    Parameters
    ----------
    settled
        Those that get each study, once that has settled.
    """
    delivery = {**SOON, **tables.pop("delivery", {})}
    tables["dicom"] = {"drain_timeout": 5, **tables.get("dicom", {})}
    path = write_config(folder, url, delivery=delivery, **tables)
    with opened(load(path, environ={})) as (archive, _):
        put_forwarding_in_force(archive, destinations, settled)
    return path


def put_forwarding_in_force(
    archive: Archive, destinations: Mapping[str, int], settled: Mapping[str, int] = MappingProxyType({})
) -> None:
    """Make peers of these, at ports of this machine, and deliver all that comes to each."""
    with archive.begin() as tx:
        for name, port in {**destinations, **settled}.items():
            tx.peers.add(Peer(name, name.upper(), "127.0.0.1", port, clock.now()))
        tx.commit()
    put_in_force(archive, forward_all(destinations, settled))


def forward_all(destinations: Iterable[str], settled: Iterable[str] = ()) -> str:
    """Return rules that deliver all that comes to each of these, at once or when its study has settled."""
    rules = [_rule("all", "instance", "Rows > 0", name) for name in destinations]
    rules += [_rule("settled", "study", "study.instances > 0", name) for name in settled]
    return "".join(rules)


def _rule(what: str, on: str, when: str, to: str) -> str:
    return f"""[[rule]]
name = "{what} to {to}"
on = "{on}"
when = '{when}'
then = [{{ action = "route", to = "{to}" }}]
"""


def until(
    found: Callable[[], object], what: Callable[[], object] = lambda: "", seconds: float = 200.0
) -> None:
    """Wait until something is found."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def ready(process: NodeProcess) -> NodeProcess:
    """Wait until a worker or scheduler says that it is ready."""
    name = process.log.name.rpartition("/")[2].removesuffix(".log")
    until(lambda: f"{name}.ready" in process.read_log(), process.read_log)
    return process


def end_leases(config: Config) -> None:
    """Let the time run out for which destinations stay with workers that are not heard of.

    It is 20 s; nothing else is spared by this than waiting for them.
    """
    with opened(config) as (archive, _), archive.begin() as tx:
        for worker in {each.worker for each in tx.destinations.list() if each.worker}:
            tx.destinations.renew(worker, clock.now())
        tx.ring()
        tx.commit()


def ledger(config: Config, destination: str) -> dict[str, Delivery]:
    """What a destination is to get and has got, by SOP Instance UID."""
    with opened(config) as (archive, _), archive.read() as tx:
        found = tx.ledger.list(destination=destination, limit=100_000)
        return {each.sop_instance_uid: each for each in found}


def attempts(config: Config, deliveries: Mapping[str, Delivery]) -> dict[str, list[Attempt]]:
    """The attempts before the last one at each of these, as far as there were any."""
    found = {}
    with opened(config) as (archive, _), archive.read() as tx:
        for uid, each in deliveries.items():
            if each.attempts > 1 or each.state is not DeliveryState.DELIVERED:
                found[uid] = list(tx.ledger.attempts(each.id))
    return found


def wait_for_all(config: Config, *processes: NodeProcess) -> None:
    """Wait until all studies have settled and no delivery is open any more, as long as these live."""
    with opened(config) as (archive, _):

        def none_is_open() -> bool:
            for process in processes:
                assert process.process.poll() is None, process.read_log()[-3000:]
            with archive.read() as tx:
                counts = tx.ledger.counts()
                if tx.settling.next_due() is not None:
                    return False
            return not any(each.get(state) for each in counts.values() for state in OPEN_STATES)

        def said() -> str:
            with archive.read() as tx:
                standing = (tx.ledger.counts(), tx.destinations.list())
            return f"{standing}\n" + "\n".join(each.read_log()[-2000:] for each in processes)

        until(none_is_open, said)


def assert_delivered(
    config: Config, name: str, acknowledged: Mapping[str, str], peer: Receiver
) -> dict[str, list[Attempt]]:
    """See that all acknowledged is delivered bit for bit, and that the ledger hides no reception.

    Returns
    -------
    dict
        The earlier attempts, by SOP Instance UID.
    """
    entries, times, digests = ledger(config, name), peer.times, peer.digests
    earlier = attempts(config, entries)
    for uid, digest in acknowledged.items():
        assert uid in entries, f"{uid} was acknowledged, and nobody was to deliver it: {_story(config, uid)}"
        assert entries[uid].state is DeliveryState.DELIVERED, entries[uid]
        assert digests.get(uid) == {digest}, f"{uid} was delivered with other bytes, or not at all"
        assert entries[uid].digest == digest
    for uid, count in times.items():
        told = [each for each in earlier.get(uid, ()) if each.state != "replayed"]
        assert entries[uid].state is DeliveryState.DELIVERED, f"{uid} was received: {entries[uid]}"
        assert entries[uid].attempts >= count, f"{uid} was received {count} times: {entries[uid]}"
        assert len(told) + 1 >= count, f"{uid} was received {count} times: {told}"
    return earlier


def _story(config: Config, uid: str) -> object:
    """What became of an instance, for whoever reads why a test has failed."""
    with opened(config) as (archive, _):
        return tell(archive, uid)
