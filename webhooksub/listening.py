"""The connections of this process: whose they are, told to every dispatcher by the store.

An adapter of sockets tells of each connection that it lets in and of each that ends. What
the store was told is said again while it is true, so that the connections of a process that
was killed are forgotten after `socket_lease_ms`.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from . import _core
from .authorizer import Authorizer
from .config import SocketConfig
from .errors import StoreUnavailable
from .hostcalls import join_or_leave
from .logs import about
from .store.listeners import Listeners

log = logging.getLogger("webhooksub")

# Said again so often within a lease.
_BEATS = 3


class Listening:
    """Any thread, of one process."""

    def __init__(
        self,
        listeners: Listeners,
        authorizer: Authorizer,
        config: SocketConfig,
        clock: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._listeners, self._authorizer, self._config = listeners, authorizer, config
        self._clock, self._wake = clock, wake
        self._process = _core.uuid7(self._clock())
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}  # owners by sid
        self._is_open: dict[str, Callable[[], bool]] = {}  # likewise
        self._gone: set[str] = set()  # which the store could not be told
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def connect(self, actor: Any, sid: str, is_open: Callable[[], bool]) -> str:
        """A connection of `actor` is open; answers its owner, whose events it gets from now on.

        `is_open` is asked now and then: an adapter may miss the end of one. Raises LimitReached,
        StoreUnavailable, Closed.
        """
        owner = self._authorizer.owner_id(actor)
        most = self._config.socket_connections_per_owner_max
        self._listeners.add(self._process, sid, owner, most=most, since=self._since())
        with self._lock:
            self._held[sid], self._is_open[sid] = owner, is_open
            if self._thread is None:
                run = threading.Thread(target=self._run, name="webhooksub-listening", daemon=True)
                self._thread = run
                run.start()
        self._wake()
        return owner

    def disconnect(self, sid: str) -> None:
        """It has ended. One that was never let in is fine."""
        with self._lock:
            self._is_open.pop(sid, None)
            if self._held.pop(sid, None) is None:
                return
        try:
            self._listeners.remove([sid])
        except StoreUnavailable as error:
            facts = about("listening_untold")
            log.warning("a connection's end is told later: %s", error, extra=facts)
            with self._lock:
                self._gone.add(sid)

    def close(self) -> None:
        """They end with this process. Twice is fine."""
        self._ending.set()
        with self._lock:
            thread, held, self._held = self._thread, self._held, {}
        if thread is None:
            return
        join_or_leave(thread)
        try:
            self._listeners.remove([*held, *self._gone])
            self._listeners.leave(self._process)
        except StoreUnavailable as error:
            facts = about("listening_untold")
            log.warning("connections that end are told to nobody: %s", error, extra=facts)

    def _since(self) -> int:
        return self._clock() - self._config.socket_lease_ms

    def _run(self) -> None:
        while not self._ending.wait(self._config.socket_lease_ms / 1_000 / _BEATS):
            try:
                self._beat()
            except StoreUnavailable as error:
                facts = about("listening_untold")
                log.warning("connections are not told to the store: %s", error, extra=facts)

    def _beat(self) -> None:
        with self._lock:
            asked = dict(self._is_open)
        for sid in [sid for sid, is_open in asked.items() if not is_open()]:
            self.disconnect(sid)
        if self._ending.is_set():
            return
        with self._lock:
            held, gone = dict(self._held), set(self._gone)
        if gone:
            self._listeners.remove(gone)
            with self._lock:
                self._gone -= gone
        self._listeners.beat(self._process, held, since=self._since())
