"""The numbers that Prometheus reads: counted when it asks, in its text format. No patient is in them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from node.core import clock
from node.root import Node
from node.services import status
from node.services.standing import Standing
from storage.errors import StorageError

CONTENT_TYPE = CONTENT_TYPE_LATEST


def text(node: Node) -> bytes:
    """Return all metrics."""
    registry = CollectorRegistry()
    registry.register(_Numbers(node))
    return generate_latest(registry)


class _Numbers(Collector):
    def __init__(self, node: Node) -> None:
        self._node = node

    def describe(self) -> Iterator[Metric]:
        """Nothing is counted when it is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Count. Without the database the rest is missing, and one metric says so."""
        yield InfoMetricFamily("isocentre", "This program.", value={"version": version("isocentre")})
        try:
            numbers = status.numbers(self._node)
        except StorageError:
            yield GaugeMetricFamily("isocentre_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("isocentre_database_up", "Whether the database answers.", 1)
        yield from _gauges(numbers)


def _gauges(numbers: status.Numbers) -> Iterator[Metric]:
    totals = numbers.totals
    gauges = {
        "isocentre_studies": ("Studies kept.", totals.studies),
        "isocentre_instances": ("Instances kept.", totals.instances),
        "isocentre_conflicts_unresolved": ("Conflicts that nobody has decided.", totals.conflicts),
        "isocentre_quarantined": ("Datasets refused and kept.", totals.quarantined),
        "isocentre_damaged_instances": ("Instances once found damaged or missing.", totals.damaged),
        "isocentre_unindexed_instances": ("Acknowledged, not yet in the index.", numbers.unindexed),
        "isocentre_blobs_floor_bytes": ("Free bytes below which nothing is stored.", numbers.floor),
    }
    if numbers.free is not None:
        gauges["isocentre_blobs_free_bytes"] = ("Bytes that can still be written.", numbers.free)
    for name, (words, value) in gauges.items():
        yield GaugeMetricFamily(name, words, value)
    jobs = GaugeMetricFamily("isocentre_jobs", "Jobs by state.", labels=["state"])
    for state, count in numbers.jobs.items():
        jobs.add_metric([state.value], count)
    yield jobs
    yield from _destinations(numbers.destinations)


def _destinations(destinations: Sequence[Standing]) -> Iterator[Metric]:
    deliveries = GaugeMetricFamily(
        "isocentre_destination_deliveries",
        "Deliveries that have not arrived, by state.",
        labels=["destination", "state"],
    )
    for each in destinations:
        for state in _STATES:
            deliveries.add_metric([each.name, state], getattr(each, state))
    yield deliveries
    now = clock.now()
    for name, (words, value) in _DESTINATION.items():
        gauge = GaugeMetricFamily(f"isocentre_destination_{name}", words, labels=["destination"])
        for each in destinations:
            gauge.add_metric([each.name], value(each, now))
        yield gauge


_STATES = ("queued", "waiting", "sending", "held", "dead")
_DESTINATION: Mapping[str, tuple[str, Callable[[Standing, datetime], float]]] = {
    "breaker_open": (
        "Whether it was given up for the time being.",
        lambda each, _now: each.settings.opened_at is not None,
    ),
    "paused": ("Whether a person has paused it.", lambda each, _now: each.settings.paused),
    "failures": (
        "Failures in a row since it last took something.",
        lambda each, _now: each.settings.failures,
    ),
    "oldest_seconds": (
        "Age of the oldest that is queued, waiting or being sent; 0 when there is none.",
        lambda each, now: max((now - each.oldest).total_seconds(), 0.0) if each.oldest else 0.0,
    ),
}
