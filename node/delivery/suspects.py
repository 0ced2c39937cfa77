"""Instances during which an association broke: which of them breaks it, and which were only there.

A destination that dies takes along what is on its way, again and again if need be. An instance is the culprit
only when it has done so often enough while others got through.

Pure.
"""

BREAKS = 3
"""Associations that one instance may break."""


class Suspects:
    """What was on its way when associations broke; for one thread, or under a lock."""

    def __init__(self) -> None:
        self._taken = 0
        self._seen: dict[int, tuple[int, int]] = {}  # delivery to its breaks, and what was taken at the first

    def broke(self, delivery: int) -> bool:
        """Note that an association broke during a delivery; return whether that is the culprit."""
        breaks, taken = self._seen.get(delivery, (0, self._taken))
        self._seen[delivery] = (breaks + 1, taken)
        if breaks + 1 < BREAKS or self._taken == taken:
            return False
        del self._seen[delivery]
        return True

    def breaks(self, delivery: int) -> int:
        """Return how many associations broke during a delivery."""
        return self._seen.get(delivery, (0, 0))[0]

    def took(self, delivery: int) -> None:
        """Note that the destination has answered a delivery."""
        self._taken += 1
        self._seen.pop(delivery, None)
