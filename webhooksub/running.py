"""A process that delivers until it is told to end.

SIGTERM and SIGINT end it in order: nothing new is taken in, what runs gets the grace, what
is left stays in the store. A second one ends it at once, which loses nothing either: what
was in flight may come again.
"""

import contextlib
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .dispatcher import Dispatcher
from .errors import ConfigurationError
from .logs import about

log = logging.getLogger("webhooksub")

_TELL = (signal.SIGTERM, signal.SIGINT)
# A dispatcher that has stopped by itself is noticed within this.
_LOOK_SECONDS = 1.0
# Connections that the kernel accepts while we are busy.
_BACKLOG = 128


class Grace:
    """Seconds to end in, counted from when somebody said so."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        return max(0.0, self._end - time.monotonic())


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """For the time of the block they wait for :func:`wait_for_end`, in every thread that
    begins in it. On the main thread."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _TELL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wait_for_end(works: Callable[[], bool]) -> bool:
    """Until somebody says so: True; False when it no longer `works`."""
    while works():
        if signal.sigtimedwait(_TELL, _LOOK_SECONDS) is not None:
            for number in _TELL:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _TELL)
            return True
    return False


def run(
    hooks: Dispatcher,
    *,
    delivers: bool = True,
    begin: Callable[[], None] = lambda: None,
    end: Callable[[Grace], None] = lambda grace: None,
) -> bool:
    """Delivers until told to end; False when the dispatcher stopped by itself.

    `begin` is called once it delivers, `end` before it stops. `delivers` False: it only
    publishes. Raises ConfigurationError naming another dispatcher's holder.
    """
    leave_no_core()
    with signals_held():
        try:
            if delivers:
                hooks.start()
            begin()
            told = wait_for_end(lambda: hooks.delivers or not delivers)
            grace = Grace(hooks.config.dispatcher.grace_ms / 1_000)
            end(grace)
            hooks.close(grace.left)
        finally:
            hooks.close(0)
    if not told:
        text = "the dispatcher has stopped by itself: a supervisor should start it anew"
        log.error(text, extra=about("stopped_by_itself"))
    return told


def leave_no_core() -> None:
    """A process that crashes leaves no image of its memory: keys lie in it."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    # Where images go to a program the limit does not count: of no mapping, then (Linux).
    with contextlib.suppress(OSError):
        Path("/proc/self/coredump_filter").write_text("0", encoding="ascii")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any. Raises ConfigurationError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except UnicodeError as error:
        raise ConfigurationError(f"cannot listen on {shown((host, port))}: no host") from error
    except OSError as error:
        looked_up = isinstance(error, socket.gaierror)
        reason = error.strerror if looked_up else os.strerror(error.errno or 0)
        raise ConfigurationError(f"cannot listen on {shown((host, port))}: {reason}") from error


def shown(address: tuple[str, int]) -> str:
    """``127.0.0.1:8000``, ``[::1]:8000``."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
