"""Time that runs as ever, and that a test moves on instead of waiting."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Self

from ..dispatcher import system_clock
from ..events import from_ms


class Clock:
    """UTC milliseconds, ahead of the system's by choice.

    :meth:`installed` makes it that of every dispatcher of this process; or give it to one, as
    ``Dispatcher(…, clock=clock)``. It runs, so that a dispatcher under a debugger keeps its
    lease. The store's times follow it: retries fall due, subscriptions expire. Signatures
    carry the system's time, and what is measured while delivering (timeouts, breakers, rates)
    is real. Any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead_ms = 0
        self._installed = False

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self._ahead_ms

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
            if self._installed:
                system_clock.ahead_ms = self._ahead_ms

    @contextmanager
    def installed(self) -> Iterator[Self]:
        """Inside, it is the time of every dispatcher that was given no other clock.

        Afterwards the system's time holds again. Dispatchers that were started before bear
        that, as they do a wall clock that is set back.
        """
        with self._lock:
            before, system_clock.ahead_ms = system_clock.ahead_ms, self._ahead_ms
            self._installed = True
        try:
            yield self
        finally:
            with self._lock:
                self._installed = False
                system_clock.ahead_ms = before
