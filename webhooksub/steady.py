"""Time that only goes on, for whoever does something again and again."""

import time
from collections.abc import Callable


class SteadyClock:
    """Milliseconds since it was made, as fast as the faster of two clocks.

    By the one that nobody sets a rhythm goes on though the wall clock is set back; by the
    wall clock what is due after it was set on, or after a suspend, is due at once. For one
    thread.
    """

    def __init__(self, wall: Callable[[], int]) -> None:
        self._wall_clock = wall
        self._wall, self._steady, self._now = wall(), _uptime(), 0

    def __call__(self) -> int:
        wall, steady = self._wall_clock(), _uptime()
        self._now += max(wall - self._wall, steady - self._steady)
        self._wall, self._steady = wall, steady
        return self._now


def _uptime() -> int:
    return time.monotonic_ns() // 1_000_000
