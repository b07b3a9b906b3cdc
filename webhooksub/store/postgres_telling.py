"""Waking dispatchers on other machines: NOTIFY, and who listens.

A notification only ends somebody's pause, and carries nothing: one that is lost costs a turn of
polling. It is sent after the commit and in a transaction of its own, because NOTIFY makes
commits of the whole server wait for each other; and not more often than dispatchers can use.
"""

import logging
import threading
from collections.abc import Callable

import psycopg
from psycopg import sql

from ..errors import Closed, StoreUnavailable
from ..logs import about

log = logging.getLogger("webhooksub")

# What is told within this is told once; a host's commit that is under way ends meanwhile.
_GATHER_SECONDS = 0.02
# Whoever listens looks so often whether it should end.
_LOOK_SECONDS = 0.1
# A server that is not there is asked again after this.
_AGAIN_SECONDS = 2.0


class Teller:
    """A thread that tells the others, from its first use on. :meth:`close` ends it."""

    def __init__(self, notify: Callable[[], None]) -> None:
        """`notify` may raise psycopg.Error, StoreUnavailable, and Closed, with which it ends."""
        self._notify = notify
        self._lock = threading.Lock()
        self._something = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def tell(self) -> None:
        """Some time soon. Any thread; waits for nothing."""
        if self._something.is_set():
            return
        with self._lock:
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="webhooksub-teller", daemon=True
                )
                self._thread.start()
        self._something.set()

    def close(self) -> None:
        """Tells what is to be told. Twice is fine."""
        with self._lock:
            self._closed = True
        self._something.set()
        if self._thread is not None:
            self._thread.join(_AGAIN_SECONDS)

    def _run(self) -> None:
        while True:
            self._something.wait()
            if not self._closed:
                threading.Event().wait(_GATHER_SECONDS)
            self._something.clear()
            try:
                self._notify()
            except Closed:  # this commit was not waited for
                return
            except (psycopg.Error, StoreUnavailable) as error:  # they poll as well
                log.debug("dispatchers could not be told: %s", error)
            if self._closed:
                return


class Listener:
    """A thread with a connection of its own. Begins at once; :meth:`stop` ends it."""

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection],
        channel: str,
        wake: Callable[[], None],
    ) -> None:
        self._connect, self._channel, self.wake = connect, channel, wake
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooksub-listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Soon. Twice is fine."""
        self._stopping.set()

    def join(self) -> None:
        """After :meth:`stop`."""
        self._thread.join(_AGAIN_SECONDS)

    def _run(self) -> None:
        told = False
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    told = False
                    self._listen(connection)
            except Closed:  # which did not wait any longer
                return
            except psycopg.Error as error:
                if not told:
                    facts = about("not_listening")
                    log.warning("cannot listen for new events, polls: %s", error, extra=facts)
                told = True
                self._stopping.wait(_AGAIN_SECONDS)

    def _listen(self, connection: psycopg.Connection) -> None:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        self.wake()  # what was told meanwhile
        while not self._stopping.is_set():
            for _ in connection.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                self.wake()
