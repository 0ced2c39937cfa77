"""The kinds of job, and how each is run."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from node.jobs import commit, deidentify, discard, infer, report, scrub, sweep
from node.jobs.task import Task


@dataclass(frozen=True, slots=True)
class Kind:
    """How jobs of a kind are run.

    Attributes
    ----------
    run
        Does the work and returns when it is done. It may run twice for one job, when a worker dies.
    at_once
        How many of them a worker process runs side by side.
    first_delay, longest_delay
        Seconds until the second attempt after a failure, doubled with each further one, up to the longest.
    """

    run: Callable[[Task], None]
    at_once: int = 64
    first_delay: float = 5.0
    longest_delay: float = 3600.0

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures, a quarter more or less.

        Many jobs that failed at once for one reason do not come back at once.
        """
        exact = min(self.first_delay * 2.0 ** min(failures - 1, 60), self.longest_delay)
        return exact * random.uniform(0.75, 1.25)


KINDS: Mapping[str, Kind] = {
    "commit": Kind(commit.run, at_once=4, first_delay=30),
    "deidentify": Kind(deidentify.run, at_once=1),  # it holds whole instances in memory
    "discard": Kind(discard.run, at_once=2),
    "infer": Kind(infer.run),
    "report": Kind(report.run, at_once=1, first_delay=60),
    "scrub": Kind(scrub.run, at_once=1, first_delay=60),
    "sweep": Kind(sweep.run, at_once=1, first_delay=60),
}
