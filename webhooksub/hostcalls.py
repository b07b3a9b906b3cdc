"""The host's code that the delivery thread runs, and who waits for it.

`on_operator_event`, `still_allowed` and a watcher may take long, or never return. While one of
them runs the delivery thread does nothing else. Who publishes does not wait for them: what is
found out on another thread of ours is told by the delivery thread, later. Who closes waits for
a while, then leaves the thread behind and does what is left himself. So it is with the threads
that call a transport of sockets and the `is_open` of its connections.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .events import OperatorEvent
from .logs import about

log = logging.getLogger("webhooksub")

#: Who closes waits so long for the host's code at least.
HOST_SECONDS = 1.0


def say_left() -> None:
    """In the log."""
    text = "a callback has not returned: what it was called for ends without it"
    log.warning(text, extra=about("callback_left"))


def join_or_leave(thread: threading.Thread) -> None:
    """Waits until it has ended, which it was asked to, or says that the host's code keeps it. On
    that thread itself: does nothing."""
    if thread is not threading.current_thread():
        thread.join(HOST_SECONDS)
        if thread.is_alive():
            say_left()


class LeftBehind(BaseException):
    """Ends the delivery thread where the host's code returns after all: others closed."""


class _Here(threading.local):
    defers = False


class HostCalls:
    """Those of one delivery thread. Any thread."""

    def __init__(self, tell: Callable[[OperatorEvent], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._running = self._left = False  # under the lock
        self._later: deque[OperatorEvent] = deque()
        self._here = _Here()

    @property
    def left(self) -> bool:
        """The thread is as good as ended."""
        return self._left

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around what may never return. Raises LeftBehind at its end when that was too late."""
        with self._lock:
            self._running = True
        try:
            yield
        finally:
            with self._lock:
                self._running = False
                left = self._left
            if left:
                raise LeftBehind

    def leave(self) -> bool:
        """True: the thread runs the host's code just now, and will do nothing after it."""
        with self._lock:
            self._left = self._left or self._running
            return self._left

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """What the block tells, on its own thread, waits for :meth:`tell_deferred`."""
        self._here.defers = True
        try:
            yield
        finally:
            self._here.defers = False

    def tell(self, event: OperatorEvent) -> None:
        """Nothing when the thread was left: the host's code would keep who closes as well."""
        if self._here.defers:
            self._later.append(event)
        elif not self._left:
            with self.running():
                self._tell(event)

    def tell_deferred(self) -> None:
        """On the delivery thread, or for it where it was left."""
        while self._later:
            self.tell(self._later.popleft())
