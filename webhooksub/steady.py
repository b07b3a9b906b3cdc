"""Time that only goes on, for whoever does something again and again."""

import time
from collections.abc import Callable

# Both clocks count whole milliseconds, each beginning its own when it likes.
_ROUNDING_MS = 2


class SteadyClock:
    """Milliseconds since it was made, by a clock that nobody sets and the wall clock's leaps.

    A rhythm goes on though the wall clock is set back; what is due after it was set on, or
    after a suspend, is due at once. For one thread.
    """

    def __init__(self, wall: Callable[[], int]) -> None:
        self._wall_clock = wall
        self._wall, self._steady, self._now = wall(), _uptime(), 0

    def __call__(self) -> int:
        wall, steady = self._wall_clock(), _uptime()
        passed = steady - self._steady
        leapt = wall - self._wall - passed
        self._now += passed + (leapt if leapt > _ROUNDING_MS else 0)
        self._wall, self._steady = wall, steady
        return self._now


def _uptime() -> int:
    return time.monotonic_ns() // 1_000_000
