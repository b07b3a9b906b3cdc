"""Time that runs as ever, and that a test moves on instead of waiting."""

import threading
from datetime import UTC, datetime, timedelta

from ..dispatcher import system_clock
from ..events import from_ms


class Clock:
    """For ``Dispatcher(…, clock=clock)``: UTC milliseconds, ahead of the system's by choice.

    It runs, so that a dispatcher under a debugger keeps its lease. The store's times follow
    it: retries fall due, subscriptions expire. Signatures carry the system's time, and what
    is measured while delivering (timeouts, breakers, rates) is real. Any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead_ms = 0

    def __call__(self) -> int:
        return system_clock() + self._ahead_ms

    def __repr__(self) -> str:
        return f"<webhooksub.testing.Clock {timedelta(milliseconds=self._ahead_ms)} ahead>"

    @property
    def now(self) -> datetime:
        """Aware, in UTC."""
        return from_ms(self()).astimezone(UTC)

    def advance(self, **duration: float) -> None:
        """Moves on by a ``timedelta(**duration)``: ``clock.advance(minutes=5)``.

        Dispatchers see it within a tenth of a second, at once where ``flush()`` asks them.
        Raises ValueError for going back.
        """
        ms = timedelta(**duration) // timedelta(milliseconds=1)
        if ms < 0:
            raise ValueError("time does not go back")
        with self._lock:
            self._ahead_ms += ms
