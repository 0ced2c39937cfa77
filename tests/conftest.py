"""Fixtures of all tests; each kind has its own module under tests/support."""

pytest_plugins = [
    "tests.support.certificates",
    "tests.support.databases",
    "tests.support.objects",
    "tests.support.node",
    "tests.support.opened",
]
