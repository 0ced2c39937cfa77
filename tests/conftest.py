"""Fixtures of all tests; each kind has its own module under tests/support."""

from hypothesis import HealthCheck, settings

# No test asserts a time: a busy machine must not turn one red.
settings.register_profile("isocentre", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("isocentre")

pytest_plugins = [
    "tests.support.certificates",
    "tests.support.databases",
    "tests.support.crowded",
    "tests.support.fresh",
    "tests.support.ingest",
    "tests.support.objects",
    "tests.support.node",
    "tests.support.noted",
    "tests.support.delivering",
    "tests.support.opened",
    "tests.support.ruled",
    "tests.support.browsing",
]
