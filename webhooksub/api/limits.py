"""How many requests one actor may make: switched on by `requests_per_minute_max`."""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable

from ..errors import LimitReached

_MINUTE_MS = 60_000
#: Actors remembered. One that was quiet so long that so many came after it begins anew.
ACTORS_MAX = 10_000


class RequestLimit:
    """A bucket for each actor: a minute's worth at once, then as many as flow in. Any thread.

    `clock` answers milliseconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], int]) -> None:
        self.per_minute, self._clock = per_minute, clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # (left, at)

    def take(self, actor: str) -> None:
        """One request. Raises LimitReached, which says when the next may come."""
        now = self._clock()
        with self._lock:
            left, at = self._buckets.get(actor, (self.per_minute, now))
            flown = max(0, now - at) * self.per_minute / _MINUTE_MS
            left = min(left + flown, self.per_minute)
            allowed = left >= 1
            self._buckets[actor] = (left - allowed, now)
            self._buckets.move_to_end(actor)
            if len(self._buckets) > ACTORS_MAX:
                self._buckets.popitem(last=False)
        if not allowed:
            seconds = math.ceil((1 - left) * _MINUTE_MS / self.per_minute / 1_000)
            text = f"requests_per_minute_max: {self.per_minute} in a minute"
            raise LimitReached(text, max(1, seconds))
